/**
 * One request sent to one deployment, as a call remembers it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * How a deployment is paid for: capacity bought ahead, or each token.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Kind = Schema.Literal("provisioned", "standard")

/**
 * The type of {@link Kind}.
 *
 * @since 0.1.0
 * @category models
 */
export type Kind = typeof Kind.Type

/**
 * A request that was sent, and what came of it. Times are milliseconds of monotonic time.
 *
 * - `number`: its place in the call, from 1, over all deployments.
 * - `outcome`: `answered`, or the tag of the error it failed with.
 * - `startedMs`: from the start of the call to the sending of the request.
 * - `retryAfterMs`: the server's hint, where it gave a usable one.
 * - `responseId`: the service's id for what it began to make, where that is kept and can be found by it.
 *
 * @since 0.1.0
 * @category schemas
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import { Attempt } from "@spillway/core"
 *
 * export const encode = Schema.encode(Schema.parseJson(Schema.Array(Attempt.Attempt)))
 * ```
 */
export const Attempt = Schema.Struct({
  number: Schema.Int,
  deployment: Schema.String,
  kind: Kind,
  outcome: Schema.String,
  status: Schema.optional(Schema.Number),
  retryAfterMs: Schema.optional(Schema.Number),
  requestId: Schema.optional(Schema.String),
  responseId: Schema.optional(Schema.String),
  startedMs: Schema.Number,
  durationMs: Schema.Number
})

/**
 * The type of {@link Attempt}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Attempt extends Schema.Schema.Type<typeof Attempt> {}
