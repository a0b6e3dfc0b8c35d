/** How long it takes to import a library, in fresh processes: each reads and compiles everything anew. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Child from "../Child.js"
import * as Rounds from "../Rounds.js"
import * as Statistics from "../Statistics.js"

export interface Row {
  readonly name: string
  readonly ms: number
  readonly spreadMs: readonly [low: number, high: number]
}

/** What is imported, after what was there already and does not count. */
export interface Subject {
  readonly name: string
  readonly before: ReadonlyArray<string>
  readonly specifier: string
}

/** The name of what an application adds. */
export const ours = "@spillway/azure-openai, after effect"

export const subjects: ReadonlyArray<Subject> = [
  { name: "effect", before: [], specifier: "effect" },
  { name: "@spillway/core, after effect", before: ["effect"], specifier: "@spillway/core" },
  { name: ours, before: ["effect"], specifier: "@spillway/azure-openai" },
  {
    name: "@spillway/azure-openai, after effect and @effect/platform",
    before: ["effect", "@effect/platform"],
    specifier: "@spillway/azure-openai"
  },
  {
    name: "@effect/platform-node/NodeHttpClient, after effect, platform, azure-openai",
    before: ["effect", "@effect/platform", "@spillway/azure-openai"],
    specifier: "@effect/platform-node/NodeHttpClient"
  },
  {
    name: "@spillway/azure-openai/UndiciHttpClient, after the same",
    before: ["effect", "@effect/platform", "@spillway/azure-openai"],
    specifier: "@spillway/azure-openai/UndiciHttpClient"
  },
  { name: "openai", before: [], specifier: "openai" }
]

const round = ({ before, specifier }: Subject): Effect.Effect<number, Child.ChildFailed> =>
  Child.run({
    main: new URL("./main.js", import.meta.url),
    args: [...before, specifier],
    message: Schema.Array(Schema.Number)
  }).pipe(Effect.map(([times]) => times?.at(-1) ?? Number.NaN))

/** Imports each in turns. */
export const run = (
  subjects: ReadonlyArray<Subject>,
  options: Rounds.Options
): Effect.Effect<ReadonlyArray<Row>, Child.ChildFailed> =>
  Effect.map(
    Rounds.run(
      subjects.map((subject) => ({ name: subject.name, round: round(subject) })),
      options
    ),
    (samples) =>
      subjects.flatMap(({ name }) => {
        const own = samples.get(name)
        return own === undefined ? [] : [{ name, ms: Statistics.median(own), spreadMs: Statistics.middle(own) }]
      })
  )
