/** The whole of a run, for the terminal and for the file. */
import type { Goal, Result } from "./Part.js"
import { met } from "./Part.js"
import * as Table from "./Table.js"

const goals = (all: ReadonlyArray<Goal>): ReadonlyArray<Table.Table> =>
  all.length === 0
    ? []
    : [
        {
          title: "Goals",
          head: ["", "measured", "goal", "met"],
          rows: all.map((goal) => [
            goal.what,
            `${Table.figure(goal.measured)} ${goal.unit}`,
            "atLeast" in goal.limit
              ? `at least ${goal.limit.atLeast} ${goal.unit}`
              : `at most ${goal.limit.atMost} ${goal.unit}`,
            met(goal) ? "yes" : "no"
          ])
        }
      ]

/** What was asked for first, then everything. */
export const tables = (results: ReadonlyArray<Result>): ReadonlyArray<Table.Table> => [
  ...goals(results.flatMap((result) => result.goals)),
  ...results.flatMap((result) => result.tables)
]

export const toText = (about: ReadonlyArray<string>, all: ReadonlyArray<Table.Table>): string =>
  [about.join("\n"), ...all.map(Table.toText)].join("\n\n")

export const toMarkdown = (version: string, about: ReadonlyArray<string>, all: ReadonlyArray<Table.Table>): string =>
  [
    `# Spillway ${version}: what a call costs`,
    "Written by `npx -y pnpm@12 bench`; how it is measured, and what it does not say, is in [the package's README](../README.md).",
    about.map((line) => `- ${line}`).join("\n"),
    ...all.map(Table.toMarkdown)
  ].join("\n\n") + "\n"
