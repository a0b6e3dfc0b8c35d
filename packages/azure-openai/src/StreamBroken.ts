/**
 * What a stream fails with once its output has begun.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { common, describe, Detail } from "./internal/errorFields.js"

/**
 * What broke a stream. `ended`: it ended before its answer did. `connection`: the connection was lost. `silence`: nothing
 * came for longer than the deployment's `idleTimeout`. `server`, `throttled`, `filtered`: the service said so in the stream.
 * `malformed`: an event that is not JSON, or of unknown shape. `deadline`: the call's own deadline passed.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Broken = Schema.Literal(
  "ended",
  "connection",
  "silence",
  "server",
  "throttled",
  "filtered",
  "malformed",
  "deadline"
)

/**
 * The type of {@link Broken}.
 *
 * @since 0.1.0
 * @category models
 */
export type Broken = typeof Broken.Type

const breaks: Record<Broken, string> = {
  ended: "the stream ended before its answer did",
  connection: "the stream lost its connection",
  silence: "the stream fell silent",
  server: "the stream failed at the service",
  throttled: "the stream was throttled",
  filtered: "the content filter ended the stream",
  malformed: "the stream sent an event of unknown shape",
  deadline: "the call's deadline passed during the stream"
}

/**
 * A stream broke after its output had begun. What was received went to the caller already, so nothing asks again: no other
 * deployment, and not this one. `text` is all the text that came, redacted; `events` how many events the caller got.
 *
 * @since 0.1.0
 * @category errors
 */
export class StreamBroken extends Schema.TaggedError<StreamBroken>("@spillway/azure-openai/StreamBroken")(
  "StreamBroken",
  { ...common, reason: Broken, text: Detail, events: Schema.Int }
) {
  override get message(): string {
    return describe(this, `${breaks[this.reason]} after ${this.events} events`)
  }
}
