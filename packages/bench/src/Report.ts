/** What a run comes to. */
import type { Goal, Result } from "./Part.js"
import { met } from "./Part.js"
import * as Table from "./Table.js"

/** What was asked for, and whether it is so: a table, if anything of it was measured. */
export const goals = (results: ReadonlyArray<Result>): ReadonlyArray<Table.Table> => {
  const all = results.flatMap((result) => result.goals)
  if (all.length === 0) return []
  return [
    {
      title: "Goals",
      head: ["", "measured", "goal", "met"],
      rows: all.map((goal) => [
        goal.what,
        `${Table.figure(goal.measured)} ${goal.unit}`,
        limit(goal),
        met(goal) ? "yes" : "no"
      ])
    }
  ]
}

const limit = ({ limit, unit }: Goal): string =>
  "atLeast" in limit ? `at least ${limit.atLeast} ${unit}` : `at most ${limit.atMost} ${unit}`

/** The file of a run. */
export const toMarkdown = (version: string, about: ReadonlyArray<string>, all: ReadonlyArray<Table.Table>): string =>
  [
    `# Spillway ${version}: what a call costs`,
    "Written by `npx -y pnpm@12 bench`; how it is measured, and what it does not say, is in [the package's README](../README.md).",
    about.map((line) => `- ${line}`).join("\n"),
    ...all.map(Table.toMarkdown)
  ].join("\n\n") + "\n"
