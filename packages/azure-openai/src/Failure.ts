/**
 * What one reply, or the lack of one, came to: everything an attempt can fail with.
 *
 * @since 0.1.0
 */
import type { Admission, Call, Runner } from "@spillway/core"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as CallError from "./CallError.js"
import type { CredentialError } from "./Credential.js"
import { requestIdOf } from "./internal/serviceError.js"
import { reasonOf } from "./internal/transportReason.js"
import { type Broken, StreamBroken } from "./StreamBroken.js"

/**
 * What a reply begins with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Head {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
}

/**
 * A reply as another client would have to see it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RawReply extends Head {
  readonly body: string
}

/**
 * What one reply, or the lack of one, came to: an error that does not know its call yet.
 *
 * @since 0.1.0
 * @category models
 */
export interface Failure extends Runner.Failure {
  readonly _tag: CallError.CallError["_tag"]
  readonly again: boolean
  readonly status?: number | undefined
  readonly requestId?: string | undefined
  readonly code?: string | undefined
  readonly detail?: string | undefined
  readonly param?: string | undefined
  readonly expected?: string | undefined
  readonly path?: string | undefined
  readonly reason?: CallError.Reason
  readonly categories?: ReadonlyArray<string>
  readonly gaveUp?: Admission.GaveUp
  /** The request may have been carried out, though what it failed with does not say so. Defaults to false. */
  readonly mayHaveRun?: boolean | undefined
  /** The reply as it came, for those who hand it on. No error is made from its body. */
  readonly reply?: RawReply | undefined
}

/** What every failure has whose reply was a success. @internal */
export const success = ({ headers, status }: Head) => ({
  status,
  retryAfter: Option.none<Duration.Duration>(),
  again: false,
  requestId: requestIdOf(headers)
})

/**
 * A success whose JSON is of another shape.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Failure } from "@spillway/azure-openai"
 *
 * Failure.malformed({ status: 200, headers: {} }, "choices.0.message")._tag // => "Malformed"
 * ```
 */
export const malformed = (reply: Head, path: string): Failure => ({
  ...success(reply),
  _tag: "Malformed",
  errorType: "malformed_response",
  path
})

/**
 * A success whose body is not JSON, or broke off.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Failure } from "@spillway/azure-openai"
 *
 * Failure.brokenBody({ status: 200, headers: {} })._tag // => "Unavailable"
 * ```
 */
export const brokenBody = (reply: Head): Failure => ({
  ...success(reply),
  _tag: "Unavailable",
  errorType: "invalid_body",
  reason: "body"
})

/**
 * A stream that ended before its answer did.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Failure } from "@spillway/azure-openai"
 *
 * Failure.endedEarly({ status: 200, headers: {} }).errorType // => "stream_ended"
 * ```
 */
export const endedEarly = (reply: Head): Failure => ({ ...brokenBody(reply), errorType: "stream_ended" })

/**
 * A success that is larger than the limit set here. Another deployment would answer, and bill, no less: it ends the call.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Failure } from "@spillway/azure-openai"
 *
 * Failure.tooLarge({ status: 200, headers: {} }, 1024).path // => "byte 1024, the limit of a body"
 * ```
 */
export const tooLarge = (reply: Head, limit: number): Failure => ({
  ...success(reply),
  _tag: "Malformed",
  errorType: "body_too_large",
  path: `byte ${limit}, the limit of a body`
})

/**
 * A stream whose connection was lost.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import type { HttpClientError } from "@effect/platform"
 * import { Failure } from "@spillway/azure-openai"
 *
 * export const reason = (error: HttpClientError.HttpClientError) =>
 *   Failure.brokenStream({ status: 200, headers: {} }, error).reason
 * ```
 */
export const brokenStream = (reply: Head, error: HttpClientError.HttpClientError): Failure => ({
  ...success(reply),
  _tag: "Unavailable",
  errorType: "connection_error",
  reason: reasonOf(error)
})

const withoutReply = (
  tag: Failure["_tag"],
  errorType: string,
  more: Pick<Partial<Failure>, "reason" | "again" | "param" | "expected">
): Failure => ({ _tag: tag, errorType, retryAfter: Option.none(), again: false, ...more })

/**
 * What a request means that got no reply, or lost it. Only the error's code is kept: the error itself holds the request,
 * key included.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { Failure } from "@spillway/azure-openai"
 * import { Effect } from "effect"
 *
 * export const reply = HttpClient.get("https://contoso.openai.azure.com").pipe(Effect.mapError(Failure.fromTransport))
 * ```
 */
export const fromTransport = (error: HttpClientError.HttpClientError): Failure => {
  if (error._tag === "RequestError" && error.reason !== "Transport") {
    return withoutReply("BadRequest", "invalid_request", { param: error.reason === "InvalidUrl" ? "url" : "body" })
  }
  const reason = reasonOf(error)
  return withoutReply("Unavailable", reason === "timeout" ? "timeout" : "connection_error", { reason, again: true })
}

/**
 * What an attempt means that was cut off here.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Failure } from "@spillway/azure-openai"
 *
 * Failure.cutOff("deadline", {})._tag // => "DeadlineExceeded"
 * Failure.cutOff("timeout", {}).again // => true
 * Failure.cutOff("timeout", { status: 200 }).again // => false: it was served, and billed
 * ```
 */
export const cutOff = (cut: Runner.Cut, reply: Call.Reply): Failure => {
  // A reply that had begun, and was a success, was served and billed: its body is what did not come.
  if (cut === "timeout" && reply.status !== undefined && reply.status < 300) {
    return { ...withoutReply("Unavailable", "timeout", { reason: "body" }), ...reply }
  }
  if (cut === "deadline") return withoutReply("DeadlineExceeded", "deadline_exceeded", {})
  const timedOut = withoutReply("Unavailable", "timeout", { reason: "timeout", again: true })
  // A refusal whose body did not come in time had said already when to come back.
  return reply.retryAfterMs === undefined
    ? timedOut
    : { ...timedOut, retryAfter: Option.some(Duration.millis(reply.retryAfterMs)) }
}

/**
 * A request that was not sent, because no token could be had for it.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Credential, Failure } from "@spillway/azure-openai"
 *
 * Failure.fromCredential(new Credential.CredentialError({ reason: "refused" }))._tag // => "Unauthorized"
 * ```
 */
export const fromCredential = (error: CredentialError): Failure => ({
  ...(error.reason === "refused"
    ? withoutReply("Unauthorized", "credential_refused", {})
    : withoutReply("Unavailable", "credential_unavailable", { reason: "credential", again: true })),
  ...(error.code === undefined ? {} : { code: error.code }),
  unsent: true
})

/**
 * A request that is refused here, before it is sent. `expected` says what is wrong with `param`, without its value.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Failure } from "@spillway/azure-openai"
 *
 * Failure.refused("messages", "expected at least one")._tag // => "BadRequest"
 * ```
 */
export const refused = (param: string, expected?: string): Failure => ({
  ...withoutReply("BadRequest", "invalid_request", { param, expected }),
  unsent: true
})

/**
 * A call that admission gave up before it was sent.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Failure } from "@spillway/azure-openai"
 *
 * import { Duration } from "effect"
 *
 * const gaveUp = { reason: "late", waited: Duration.zero, predicted: Duration.seconds(9) } as const
 *
 * Failure.saturated(gaveUp)._tag // => "Saturated"
 * ```
 */
export const saturated = (gaveUp: Admission.GaveUp): Failure => ({
  ...withoutReply("Saturated", "saturated", {}),
  gaveUp
})

const brokenBy = (failure: Failure): Broken => {
  switch (failure._tag) {
    case "RateLimited":
      return "throttled"
    case "ContentFiltered":
      return "filtered"
    case "DeadlineExceeded":
      return "deadline"
    case "Malformed":
      return "malformed"
    case "Unavailable":
      if (failure.reason === "body") return failure.errorType === "stream_ended" ? "ended" : "malformed"
      if (failure.reason === "timeout") return "silence"
      return failure.reason === "server" ? "server" : "connection"
    default:
      return "server"
  }
}

/**
 * The caller's error for a stream that failed after output had begun.
 *
 * @since 0.1.0
 * @category conversions
 * @example
 * ```ts
 * import { Failure } from "@spillway/azure-openai"
 *
 * const failure = Failure.endedEarly({ status: 200, headers: {} })
 *
 * Failure.toStreamBroken("gpt-4o", failure, { text: "Once upon", events: 2, attempts: [] }).reason // => "ended"
 * ```
 */
export const toStreamBroken = (
  deployment: string,
  failure: Failure,
  received: { readonly text: string; readonly events: number; readonly attempts: Runner.History["attempts"] }
): StreamBroken =>
  new StreamBroken({
    deployment,
    status: failure.status,
    requestId: failure.requestId,
    responseId: received.attempts.at(-1)?.responseId,
    code: failure.code,
    detail: failure.detail === undefined ? undefined : Redacted.make(failure.detail),
    // The attempt was answered when output began: what came of it since is what the error is about.
    attempts: received.attempts.map((attempt, index) =>
      index === received.attempts.length - 1 ? { ...attempt, outcome: "StreamBroken" } : attempt
    ),
    reason: brokenBy(failure),
    text: Redacted.make(received.text),
    events: received.events
  })

// Nothing was sent, or nothing could have understood it.
const neverRan: ReadonlySet<CallError.Reason> = new Set(["refused", "dns", "tls", "credential"])

// What is made here fits by its types; validating all attempts again for every error would cost time that grows with them.
const known = { disableValidation: true }

/**
 * The caller's error for a failure.
 *
 * @since 0.1.0
 * @category conversions
 * @example
 * ```ts
 * import { Failure } from "@spillway/azure-openai"
 *
 * const failure = Failure.refused("messages")
 *
 * Failure.toError("gpt-4o", failure, { attempts: [], since: 0n, once: false })._tag // => "BadRequest"
 * ```
 */
export const toError = (deployment: string, failure: Failure, history: Runner.History): CallError.CallError => {
  const common = {
    deployment,
    status: failure.status,
    requestId: failure.requestId,
    responseId: history.attempts.at(-1)?.responseId,
    code: failure.code,
    detail: failure.detail === undefined ? undefined : Redacted.make(failure.detail),
    attempts: history.attempts
  }
  const retryable = {
    ...common,
    retryAfter: failure.retryAfter,
    again: failure.again,
    began: Duration.nanos(history.since)
  }
  switch (failure._tag) {
    case "RateLimited":
      return history.once && failure.mayHaveRun
        ? new CallError.OutcomeUnknown({ ...common, reason: "server" }, known)
        : new CallError.RateLimited(retryable, known)
    case "Unavailable": {
      const reason = failure.reason ?? "connection"
      return history.once && !neverRan.has(reason)
        ? new CallError.OutcomeUnknown({ ...common, reason }, known)
        : new CallError.Unavailable({ ...retryable, reason }, known)
    }
    case "Saturated": {
      const { predicted = Duration.zero, reason = "late", waited = Duration.zero } = failure.gaveUp ?? {}
      return new CallError.Saturated({ ...common, waited, predicted, reason }, known)
    }
    case "OutcomeUnknown":
      return new CallError.OutcomeUnknown({ ...common, reason: failure.reason ?? "connection" }, known)
    case "PromptTooLong":
      return new CallError.PromptTooLong(common, known)
    case "Malformed":
      return new CallError.Malformed({ ...common, path: failure.path ?? "the top" }, known)
    case "ContentFiltered":
      return new CallError.ContentFiltered({ ...common, categories: failure.categories ?? [] }, known)
    case "Unauthorized":
      return new CallError.Unauthorized(common, known)
    case "NotFound":
      return new CallError.NotFound(common, known)
    case "BadRequest":
      return new CallError.BadRequest({ ...common, param: failure.param, expected: failure.expected }, known)
    case "DeadlineExceeded":
      return new CallError.DeadlineExceeded(common, known)
  }
}
