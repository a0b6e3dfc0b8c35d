/**
 * Faults for an emulator with capacity: what goes wrong, for which requests, and how often. Plain data, so that a configuration file can hold them.
 *
 * A fault happens before the deployment's capacity is asked where it is a reply of its own (`status`, `refuse`, `filter` of a prompt, `silence` from
 * the first byte on); such a request costs nothing. The others happen to the reply that the deployment gives. A status of 429, 500 or 503 of a
 * provisioned deployment makes a call spill over as a real one does.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

const Positive = Schema.Number.pipe(
  Schema.filter((n) => (Number.isSafeInteger(n) && n > 0) || "must be a whole number above 0")
)
const NonNegative = Schema.Number.pipe(
  Schema.filter((n) => (Number.isFinite(n) && n >= 0) || "must be a number not below 0")
)
const Bytes = Schema.Number.pipe(
  Schema.filter((n) => (Number.isSafeInteger(n) && n >= 0) || "must be a whole number not below 0")
)

const when = {
  /** The deployment whose requests it befalls. Defaults to all. */
  deployment: optional(Schema.String),
  /** The operation it befalls. Defaults to all. */
  operation: optional(Schema.Literal("chat", "embeddings", "responses")),
  /** Whether it befalls streamed requests or others. Defaults to both. */
  stream: optional(Schema.Boolean),
  /** Befalls every so manieth of the requests it could befall: 3 is the third, the sixth, and so on. Defaults to 1. */
  every: optional(Positive),
  /** Befalls each of those with this probability, drawn from the configuration's seed. Defaults to 1. */
  probability: optional(Schema.Number.pipe(Schema.filter((n) => (n >= 0 && n <= 1) || "must be a number from 0 to 1"))),
  /** Befalls so many requests at most. Defaults to no limit. */
  times: optional(Positive),
  /** Milliseconds before it happens. Defaults to 0. */
  delayMs: optional(NonNegative)
}

const afterBytes = optional(Bytes)

/**
 * One fault, and whom it befalls. Of several that could, the first in the list does.
 *
 * @example
 * ```ts
 * import { Emulator } from "@spillway/emulator"
 *
 * const Flaky = Emulator.layer({
 *   deployments: [{ name: "gpt-4o", kind: "standard", model: "gpt-4o" }],
 *   faults: [
 *     { fault: "status", status: 503, every: 10 },
 *     { fault: "reset", stream: true, afterBytes: 2000, probability: 0.05 }
 *   ]
 * })
 * ```
 *
 * @since 0.1.0
 * @category schemas
 */
export const Fault = Schema.Union(
  /** A reply with another status. Its body is the usual one of that status, unless `code`, `message` or `body` say otherwise. */
  Schema.Struct({
    fault: Schema.Literal("status"),
    ...when,
    status: Schema.Number.pipe(
      Schema.filter((n) => (Number.isInteger(n) && n >= 400 && n <= 599) || "must be a whole number from 400 to 599")
    ),
    code: optional(Schema.String),
    message: optional(Schema.String),
    /** The body as it stands, in plain text. */
    body: optional(Schema.String),
    /** `retry-after-ms` and `retry-after`. */
    retryAfterMs: optional(NonNegative),
    headers: optional(Schema.Record({ key: Schema.String, value: Schema.String }))
  }),
  /** Nothing but `delayMs`. */
  Schema.Struct({ fault: Schema.Literal("delay"), ...when }),
  /** The body ends before its time, and the connection is closed: after `afterBytes`; without it, half a body or one piece of a stream. */
  Schema.Struct({ fault: Schema.Literal("truncate"), ...when, afterBytes }),
  /** The same, and the connection is reset. */
  Schema.Struct({ fault: Schema.Literal("reset"), ...when, afterBytes }),
  /** The connection is dropped without a reply. */
  Schema.Struct({ fault: Schema.Literal("refuse"), ...when }),
  /** Nothing comes any more: after `afterBytes` of the body; without it, from the first byte on. */
  Schema.Struct({ fault: Schema.Literal("silence"), ...when, afterBytes }),
  /** What is not JSON: an event more after the first piece of a stream, or a body without its end. */
  Schema.Struct({ fault: Schema.Literal("malformed"), ...when }),
  /** The content filter stops the prompt (400), or the answer half-way (200). */
  Schema.Struct({ fault: Schema.Literal("filter"), ...when, of: Schema.Literal("prompt", "completion") })
)

/**
 * One fault, and whom it befalls.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault = Schema.Schema.Type<typeof Fault>
