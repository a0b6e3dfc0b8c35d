/** What calls allocate: a property of the code, the same on every machine and at every load. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ChildFailed } from "../Child.js"
import * as Child from "../Child.js"
import * as Window from "./Window.js"

/** What the process is told. */
export const Order = Schema.Struct({
  /** Clients that ask the server at `origin`, or calls that are answered from memory. */
  what: Schema.Union(
    Schema.Struct({ origin: Schema.String, ids: Schema.Array(Schema.String) }),
    Schema.Literal("overhead")
  ),
  /** How many calls are counted. */
  calls: Schema.Int,
  /** How often. */
  times: Schema.Int,
  /** How many come before them: code that is compiled allocates less. */
  settle: Schema.Int
})
export type Order = typeof Order.Type

/** What it says of each: its id or name, and the bytes of one call. */
export const Report = Schema.Struct({ name: Schema.String, bytes: Schema.Number })
export type Report = typeof Report.Type

const encode = Schema.encodeSync(Schema.parseJson(Order))

/** Bytes for each call, by id of the client or name of the subject. */
export const run = (
  order: Order,
  onReport: (report: Report) => Effect.Effect<void>
): Effect.Effect<ReadonlyMap<string, number>, ChildFailed> =>
  Effect.map(
    Child.run({
      main: new URL("./main.js", import.meta.url),
      args: [encode(order)],
      flags: Window.flags,
      message: Report,
      onMessage: onReport
    }),
    (reports) => new Map(reports.map(({ bytes, name }) => [name, bytes]))
  )
