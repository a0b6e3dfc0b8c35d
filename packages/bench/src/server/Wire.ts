/** What the benchmark says to its server, over the channel between the two processes, and what it hears back. */
import * as Schema from "effect/Schema"

/** `counts`: what was answered so far. `release`: close every connection that is idle. */
export const Question = Schema.Literal("counts", "release")
export type Question = typeof Question.Type

/** How many requests were answered since the server began, those with a stream among them, and how many were refused. */
export const Counts = Schema.Struct({
  answered: Schema.Int,
  streamed: Schema.Int,
  refused: Schema.Int
})
export type Counts = typeof Counts.Type

/** The first message: where it listens. */
export const Listening = Schema.Struct({ origin: Schema.String })
