/**
 * What a call can fail with. Every error names the deployment it came from and carries all attempts of its call; none
 * holds a key, a prompt or an answer where it could be printed.
 *
 * @since 0.1.0
 */
import { Recovery } from "@spillway/core"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { common, describe } from "./internal/errorFields.js"

const retryable = {
  ...common,
  /** The server's hint, counted from the reply. */
  retryAfter: Schema.optionalWith(Schema.DurationFromMillis, { as: "Option" }),
  /** Whether the same deployment may be asked again; the next one always may. */
  again: Schema.Boolean,
  /** What the monotonic clock said when the call began. A Duration, because a bigint breaks JSON.stringify. */
  began: Schema.DurationFromMillis
}

const hinted = (retryAfter: Option.Option<Duration.Duration>): string =>
  Option.match(retryAfter, { onNone: () => "", onSome: (hint) => `, retry after ${Duration.toMillis(hint)} ms` })

/**
 * The deployment is out of capacity: a 429. May be retried where the Schedule says so, and taken over.
 *
 * @since 0.1.0
 * @category errors
 */
export class RateLimited extends Schema.TaggedError<RateLimited>("@spillway/azure-openai/RateLimited")(
  "RateLimited",
  retryable
) {
  readonly throttled = true
  get [Recovery.TypeId](): Recovery.Recovery {
    return this.again ? "retry" : "next"
  }
  get since(): bigint {
    return Duration.unsafeToNanos(this.began)
  }
  override get message(): string {
    return describe(this, `out of capacity${hinted(this.retryAfter)}`)
  }
}

/**
 * Why a deployment could not answer.
 *
 * `server`: a 408, 409 or 5xx. `body`: a success whose body was cut off or is no JSON. `timeout`: the attempt took longer
 * than the deployment's `timeout`, or its stream longer to begin than `firstOutputTimeout`. `credential`: the identity
 * provider gave no token. The others: no reply came over the network.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Reason = Schema.Literal(
  "server",
  "timeout",
  "refused",
  "reset",
  "dns",
  "tls",
  "connection",
  "body",
  "credential"
)

/**
 * The type of {@link Reason}.
 *
 * @since 0.1.0
 * @category models
 */
export type Reason = typeof Reason.Type

const reasons: Record<Reason, string> = {
  server: "failed to serve the request",
  timeout: "timed out",
  refused: "connection refused",
  reset: "connection lost",
  dns: "host name not found",
  tls: "no trusted TLS connection",
  connection: "no connection",
  body: "sent a body that is not what was asked for, or was cut off",
  credential: "no token from the identity provider"
}

/**
 * The deployment could not answer: a 408, 409, 5xx, no connection, no reply in time, a broken body. May be taken over, and
 * (but for a broken body) retried where the Schedule says so.
 *
 * @since 0.1.0
 * @category errors
 */
export class Unavailable extends Schema.TaggedError<Unavailable>("@spillway/azure-openai/Unavailable")("Unavailable", {
  ...retryable,
  reason: Reason
}) {
  readonly throttled = false
  get [Recovery.TypeId](): Recovery.Recovery {
    return this.again ? "retry" : "next"
  }
  get since(): bigint {
    return Duration.unsafeToNanos(this.began)
  }
  override get message(): string {
    return describe(this, `${reasons[this.reason]}${hinted(this.retryAfter)}`)
  }
}

const why = {
  late: "no turn in time",
  full: "too many calls wait",
  closed: "admission has ended"
} as const

/**
 * Admission gave the call up: its turn would have come after what it can wait, and no request was sent. May be taken over.
 *
 * - `waited`: how long it waited in line. A call that would wait too long anyway does not wait at all.
 * - `predicted`: how long it would have waited in line in all, as far as was known.
 * - `reason`: `late`, its turn would come too late; `full`, too many calls wait; `closed`, the Layer was released.
 *
 * @since 0.1.0
 * @category errors
 */
export class Saturated extends Schema.TaggedError<Saturated>("@spillway/azure-openai/Saturated")("Saturated", {
  ...common,
  waited: Schema.DurationFromMillis,
  predicted: Schema.DurationFromMillis,
  reason: Schema.Literal("late", "full", "closed")
}) {
  get [Recovery.TypeId](): Recovery.Recovery {
    return "next"
  }
  override get message(): string {
    const times = `waited ${Duration.toMillis(this.waited)} ms, would have waited ${Duration.toMillis(this.predicted)} ms`
    return describe(this, `${why[this.reason]}, ${times}`)
  }
}

/**
 * The request was sent, and may have been carried out; no answer says so. Ends the call: requests that leave something
 * behind (stored responses, background work, tools run by the service) are not sent twice. `reason` is what went wrong.
 *
 * @since 0.1.0
 * @category errors
 */
export class OutcomeUnknown extends Schema.TaggedError<OutcomeUnknown>("@spillway/azure-openai/OutcomeUnknown")(
  "OutcomeUnknown",
  { ...common, reason: Reason }
) {
  override get message(): string {
    return describe(this, `may have carried out the request: ${reasons[this.reason]}`)
  }
}

/**
 * The prompt is longer than this deployment takes, though not longer than the model takes elsewhere: provisioned
 * deployments of some models refuse long contexts that Standard accepts. May be taken over.
 *
 * Source: Azure OpenAI documentation, "Spillover traffic management" and "Provisioned throughput sizing".
 *
 * @since 0.1.0
 * @category errors
 */
export class PromptTooLong extends Schema.TaggedError<PromptTooLong>("@spillway/azure-openai/PromptTooLong")(
  "PromptTooLong",
  common
) {
  get [Recovery.TypeId](): Recovery.Recovery {
    return "next"
  }
  override get message(): string {
    return describe(this, "the prompt is too long for this deployment")
  }
}

/**
 * A success whose JSON is not what the operation answers with. Ends the call: asking elsewhere would be billed twice for a
 * drift in the schema. `path` says where, never what.
 *
 * @since 0.1.0
 * @category errors
 */
export class Malformed extends Schema.TaggedError<Malformed>("@spillway/azure-openai/Malformed")("Malformed", {
  ...common,
  path: Schema.String
}) {
  override get message(): string {
    return describe(this, `an answer of unknown shape at ${this.path}`)
  }
}

/**
 * The content filter refused the prompt. Ends the call. `categories` are the filters that matched, such as `jailbreak`.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContentFiltered extends Schema.TaggedError<ContentFiltered>("@spillway/azure-openai/ContentFiltered")(
  "ContentFiltered",
  { ...common, categories: Schema.Array(Schema.String) }
) {
  override get message(): string {
    const by = this.categories.length === 0 ? "" : ` for ${this.categories.join(", ")}`
    return describe(this, `the content filter refused the prompt${by}`)
  }
}

/**
 * The key or identity was not accepted: a 401 or 403, or (without status) no token was given out for it. Ends the call, unless `orElse` is told otherwise by `when`.
 *
 * @since 0.1.0
 * @category errors
 */
export class Unauthorized extends Schema.TaggedError<Unauthorized>("@spillway/azure-openai/Unauthorized")(
  "Unauthorized",
  common
) {
  override get message(): string {
    return describe(
      this,
      this.status === undefined
        ? "no token for this identity: check how it signs in"
        : "access denied: check the key or identity, and that it belongs to this endpoint"
    )
  }
}

/**
 * No such deployment, or no such route: a 404. Ends the call, unless `orElse` is told otherwise by `when`.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotFound extends Schema.TaggedError<NotFound>("@spillway/azure-openai/NotFound")("NotFound", common) {
  override get message(): string {
    return describe(
      this,
      this.code === "DeploymentNotFound"
        ? "no deployment of this name at the endpoint"
        : "not found: check the endpoint, the deployment's name and the API version"
    )
  }
}

/**
 * The request itself is wrong: any other 4xx, a redirect, or a request that was refused here before it was sent (then
 * without status). Ends the call. `param` is the part of the request that the service, or the check, names;
 * `expected` is what the check here expected in its place.
 *
 * @since 0.1.0
 * @category errors
 */
export class BadRequest extends Schema.TaggedError<BadRequest>("@spillway/azure-openai/BadRequest")("BadRequest", {
  ...common,
  param: Schema.optional(Schema.String),
  expected: Schema.optional(Schema.String)
}) {
  override get message(): string {
    const param = this.param === undefined ? "" : ` because of ${this.param}`
    return describe(this, `request refused${param}${this.expected === undefined ? "" : `: ${this.expected}`}`)
  }
}

/**
 * The call's own deadline passed (`CallSettings.withDeadline`). The request in flight, if any, was cancelled. Ends the call.
 *
 * @since 0.1.0
 * @category errors
 */
export class DeadlineExceeded extends Schema.TaggedError<DeadlineExceeded>("@spillway/azure-openai/DeadlineExceeded")(
  "DeadlineExceeded",
  common
) {
  override get message(): string {
    return describe(this, "timed out, the call's deadline passed")
  }
}

/**
 * Everything a call can fail with, as a Schema: to encode it, or to decode it at the other end of a wire.
 *
 * @since 0.1.0
 * @category schemas
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { CallError } from "@spillway/azure-openai"
 *
 * export const toJson = (error: CallError.CallError) => Effect.orDie(Schema.encode(CallError.CallError)(error))
 * ```
 */
export const CallError = Schema.Union(
  RateLimited,
  Unavailable,
  Saturated,
  OutcomeUnknown,
  PromptTooLong,
  Malformed,
  ContentFiltered,
  Unauthorized,
  NotFound,
  BadRequest,
  DeadlineExceeded
)

/**
 * The type of {@link CallError}.
 *
 * @since 0.1.0
 * @category errors
 */
export type CallError = typeof CallError.Type
