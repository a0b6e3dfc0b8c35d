/**
 * What each reply means: a total, pure function from status, headers and body to the error it becomes, and whether the
 * same deployment, or the next, may be asked.
 *
 * @since 0.1.0
 */
import type { Admission, Attempt, Call, Runner } from "@spillway/core"
import { RetryAfter } from "@spillway/core"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as CallError from "./CallError.js"
import type { CredentialError } from "./Credential.js"
import type { ServiceError } from "./internal/serviceError.js"
import { fromBody, fromJson, idOf, parseJson, record } from "./internal/serviceError.js"

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
  /** The reply as it came, for those who hand it on. No error is made from its body. */
  readonly reply?: RawReply | undefined
}

/**
 * A reply as another client would have to see it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RawReply {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

/**
 * A reply that is no success.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refusal extends RawReply {
  /** The deployment that was asked. */
  readonly kind: Attempt.Kind
  readonly model: string
  /** The wall clock, in milliseconds, for a `retry-after` that is a date. */
  readonly now: number
}

/**
 * The service's id for a request: `apim-request-id`, else `x-request-id`.
 *
 * @since 0.1.0
 * @category decisions
 */
export const requestId = (headers: Readonly<Record<string, string | undefined>>): string | undefined =>
  idOf(headers["apim-request-id"]) ?? idOf(headers["x-request-id"])

// Provisioned deployments of these models refuse prompts beyond 128k tokens that Standard accepts
// (Azure OpenAI documentation, "Provisioned throughput sizing", 2026-05).
const shortOnProvisioned = /^gpt-(4\.1|5\.4)/

const isContextLength = (error: ServiceError): boolean =>
  error.code === "context_length_exceeded" ||
  /context (length|window)|too (long|many tokens)/i.test(error.message ?? "")

/**
 * What a reply that is no success means. Judged by the status first, so a 429 or 503 in HTML is what its status says.
 *
 * @since 0.1.0
 * @category decisions
 * @example
 * ```ts
 * import { Reply } from "@spillway/azure-openai"
 *
 * const failure = Reply.classify({
 *   status: 429,
 *   headers: { "retry-after-ms": "1500" },
 *   body: "<html>busy</html>",
 *   kind: "provisioned",
 *   model: "gpt-4o",
 *   now: 0
 * })
 * failure._tag // => "RateLimited"
 * ```
 */
export const classify = (refusal: Refusal): Failure => {
  const { headers, status } = refusal
  const error = fromBody(refusal.body)
  const id = requestId(headers)
  const base = {
    status,
    reply: { status, headers, body: refusal.body },
    errorType: String(status),
    retryAfter: Option.none<Duration.Duration>(),
    again: false,
    ...(id === undefined ? {} : { requestId: id }),
    ...(error.code === undefined ? {} : { code: error.code }),
    ...(error.message === undefined ? {} : { detail: error.message })
  }
  const again = headers["x-should-retry"]?.trim().toLowerCase() !== "false"
  const retryAfter = RetryAfter.fromHeaders(headers, refusal.now)
  if (status === 429) return { ...base, _tag: "RateLimited", again, retryAfter }
  if (status === 408 || status === 409 || status >= 500) {
    return { ...base, _tag: "Unavailable", reason: "server", again, retryAfter }
  }
  if (status === 401 || status === 403) return { ...base, _tag: "Unauthorized" }
  if (status === 404) return { ...base, _tag: "NotFound" }
  if (status === 400) {
    if (error.code === "content_filter" || error.innerCode === "ResponsibleAIPolicyViolation") {
      return { ...base, _tag: "ContentFiltered", errorType: "content_filter", categories: error.categories }
    }
    if (refusal.kind === "provisioned" && shortOnProvisioned.test(refusal.model) && isContextLength(error)) {
      return { ...base, _tag: "PromptTooLong", errorType: "context_length_exceeded" }
    }
  }
  return { ...base, _tag: "BadRequest", param: error.param }
}

const success = (headers: Readonly<Record<string, string | undefined>>, status: number) => ({
  status,
  retryAfter: Option.none<Duration.Duration>(),
  again: false,
  requestId: requestId(headers)
})

const throttles =
  /^(429|too_?many_?requests|rate_?limit_?(exceeded|reached|error)|no_?capacity|(tokens|requests)_limit)$/i
const throttleWords = /rate limit|throughput limit|too many requests|high demand|maximum usage size/i

/**
 * What an error inside a stream means whose HTTP status was a success. The Responses API reports a throttle like this,
 * with the hint in the headers of the response, and sometimes with no more to tell it by than that hint.
 *
 * `error` is the event's payload: the error itself, or what holds it under `error`.
 *
 * Source: observed sequences of the live service (earendil-works/pi issue 7983, openai-python issue 2699).
 *
 * @since 0.1.0
 * @category decisions
 * @example
 * ```ts
 * import { Reply } from "@spillway/azure-openai"
 *
 * const failure = Reply.classifyInStream({
 *   status: 200,
 *   headers: { "retry-after-ms": "1500" },
 *   error: { type: "too_many_requests", code: "rate_limit_exceeded", message: "…" },
 *   now: 0
 * })
 * failure._tag // => "RateLimited"
 * ```
 */
export const classifyInStream = (event: {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly error: unknown
  readonly now: number
}): Failure => {
  const error = fromJson(event.error)
  const own = record(record(record(event.error)["error"] ?? event.error)["headers"])
  const headers = {
    ...event.headers,
    ...Object.fromEntries(
      Object.entries(own).flatMap(([key, value]) =>
        Predicate.isString(value) || Predicate.isNumber(value) ? [[key.toLowerCase(), String(value)]] : []
      )
    )
  }
  const retryAfter = RetryAfter.fromHeaders(headers, event.now)
  const code = error.code ?? error.type
  // As it would have come in place of the stream.
  const asReply = (status: number): RawReply => ({
    status,
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({
      error: {
        code: error.code ?? null,
        type: error.type ?? null,
        param: error.param ?? null,
        message: error.message ?? ""
      }
    })
  })
  const base: Omit<Failure, "_tag"> = {
    ...success(event.headers, event.status),
    errorType: code ?? "stream_error",
    ...(code === undefined ? {} : { code }),
    ...(error.message === undefined ? {} : { detail: error.message })
  }
  const named = [error.code, error.type].filter(Predicate.isNotUndefined)
  const nameless = named.length === 0
  const exhausted = headers["x-ratelimit-remaining-tokens"] === "0" || headers["x-ratelimit-remaining-requests"] === "0"
  if (
    named.some((name) => throttles.test(name)) ||
    (nameless && throttleWords.test(error.message ?? "")) ||
    (nameless && (Option.isSome(retryAfter) || exhausted))
  ) {
    return { ...base, _tag: "RateLimited", errorType: "429", again: true, retryAfter, reply: asReply(429) }
  }
  if (named.includes("content_filter") || error.innerCode === "ResponsibleAIPolicyViolation") {
    return {
      ...base,
      _tag: "ContentFiltered",
      errorType: "content_filter",
      categories: error.categories,
      reply: asReply(400)
    }
  }
  if (named.some((name) => /^(invalid_|context_length_exceeded|unsupported_)/.test(name))) {
    return { ...base, _tag: "BadRequest", param: error.param, reply: asReply(400) }
  }
  return { ...base, _tag: "Unavailable", reason: "server", again: true, retryAfter, reply: asReply(500) }
}

/**
 * What the body of a success means: the decoded value, or a failure. A body that is not JSON was cut off or comes from
 * something in between, so the next deployment may be asked; JSON of another shape ends the call.
 *
 * @since 0.1.0
 * @category decisions
 */
export const decode = <A, I>(schema: Schema.Schema<A, I>) => {
  const decodeUnknown = Schema.decodeUnknownEither(schema)
  return (reply: {
    readonly status: number
    readonly headers: Readonly<Record<string, string | undefined>>
    readonly body: string
  }): Either.Either<A, Failure> =>
    Either.match(parseJson(reply.body), {
      onLeft: () => Either.left(brokenBody(reply)),
      onRight: (json) => Either.mapLeft(decodeUnknown(json), (issue) => malformed(reply, pathOf(issue)))
    })
}

/**
 * A success whose JSON is of another shape.
 *
 * @since 0.1.0
 * @category decisions
 */
export const malformed = (
  reply: { readonly status: number; readonly headers: Readonly<Record<string, string | undefined>> },
  path: string
): Failure => ({ ...success(reply.headers, reply.status), _tag: "Malformed", errorType: "malformed_response", path })

/**
 * The path of the first thing that is wrong, without its value.
 *
 * @since 0.1.0
 * @category decisions
 */
export const pathOf = (issue: ParseResult.ParseError): string => {
  const path = pathTo(issue.issue)
  return path.length === 0 ? "the top" : path.map(String).join(".")
}

// By hand, because every formatter also writes out the value, which is what must not be printed and may be very deep.
const pathTo = (issue: ParseResult.ParseIssue): ReadonlyArray<PropertyKey> => {
  switch (issue._tag) {
    case "Pointer":
      return [...(Array.isArray(issue.path) ? issue.path : [issue.path]), ...pathTo(issue.issue)]
    case "Composite": {
      const first = Array.isArray(issue.issues) ? issue.issues[0] : issue.issues
      return first === undefined ? [] : pathTo(first)
    }
    case "Refinement":
    case "Transformation":
      return pathTo(issue.issue)
    default:
      return []
  }
}

/**
 * A success whose body is not JSON, or broke off.
 *
 * @since 0.1.0
 * @category decisions
 */
export const brokenBody = (reply: {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
}): Failure => ({
  ...success(reply.headers, reply.status),
  _tag: "Unavailable",
  errorType: "invalid_body",
  reason: "body"
})

/**
 * A stream that ended before its answer did.
 *
 * @since 0.1.0
 * @category decisions
 */
export const endedEarly = (reply: {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
}): Failure => ({ ...brokenBody(reply), errorType: "stream_ended" })

/**
 * A success that is larger than the limit set here. Another deployment would answer, and bill, no less: it ends the call.
 *
 * @since 0.1.0
 * @category decisions
 */
export const tooLarge = (
  reply: { readonly status: number; readonly headers: Readonly<Record<string, string | undefined>> },
  limit: number
): Failure => ({
  ...success(reply.headers, reply.status),
  _tag: "Malformed",
  errorType: "body_too_large",
  path: `byte ${limit}, the limit of a body`
})

/**
 * A stream whose connection was lost.
 *
 * @since 0.1.0
 * @category decisions
 */
export const brokenStream = (
  reply: { readonly status: number; readonly headers: Readonly<Record<string, string | undefined>> },
  error: HttpClientError.HttpClientError
): Failure => ({
  ...success(reply.headers, reply.status),
  _tag: "Unavailable",
  errorType: "connection_error",
  reason: reasonOf(error)
})

/**
 * The provisioned deployment whose request Azure itself sent on to Standard (native spillover): the answer is billed by the
 * token, whichever deployment was asked.
 *
 * Source: Azure OpenAI documentation, "Spillover traffic management". The header has the same meaning in its older and its
 * newer text; `x-ms-spillover-error` has not, so it is not read.
 *
 * @since 0.1.0
 * @category decisions
 */
export const spilledFrom = (headers: Readonly<Record<string, string | undefined>>): string | undefined =>
  headers["x-ms-spillover-from-deployment"]

const withoutReply = (
  tag: Failure["_tag"],
  errorType: string,
  more: Pick<Partial<Failure>, "reason" | "again" | "param" | "expected">
): Failure => ({ _tag: tag, errorType, retryAfter: Option.none(), again: false, ...more })

const transportReasons: ReadonlyArray<readonly [RegExp, CallError.Reason]> = [
  [/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH)$/, "refused"],
  [/^(ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET)$/, "reset"],
  [/^(ENOTFOUND|EAI_AGAIN)$/, "dns"],
  [/^(ETIMEDOUT|UND_ERR_(CONNECT|HEADERS|BODY)_TIMEOUT)$/, "timeout"],
  [/^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|EPROTO$)/, "tls"]
]

// The codes of an error and of what caused it: fetch wraps the socket's error, and Node groups those of several addresses.
const codesOf = (error: unknown, depth = 0): ReadonlyArray<string> => {
  if (!Predicate.isRecord(error) || depth > 5) return []
  const code = error["code"]
  const nested = Array.isArray(error["errors"]) ? error["errors"] : []
  return [
    ...(Predicate.isString(code) ? [code] : []),
    ...codesOf(error["cause"], depth + 1),
    ...nested.flatMap((other) => codesOf(other, depth + 1))
  ]
}

const reasonOf = (error: HttpClientError.HttpClientError): CallError.Reason => {
  const codes = codesOf(error.cause)
  return transportReasons.find(([pattern]) => codes.some((code) => pattern.test(code)))?.[1] ?? "connection"
}

/**
 * What a request means that got no reply, or lost it. Only the error's code is kept: the error itself holds the request,
 * key included.
 *
 * @since 0.1.0
 * @category decisions
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
 * @category decisions
 */
export const cutOff = (cut: Runner.Cut, reply: Call.Reply): Failure => {
  // A reply that had begun, and was a success, was served and billed: its body is what did not come.
  if (cut === "timeout" && reply.status !== undefined && reply.status < 300) {
    return { ...withoutReply("Unavailable", "timeout", { reason: "body" }), ...reply }
  }
  return cut === "deadline"
    ? withoutReply("DeadlineExceeded", "deadline_exceeded", {})
    : withoutReply("Unavailable", "timeout", { reason: "timeout", again: true })
}

/**
 * A request that was not sent, because no token could be had for it.
 *
 * @since 0.1.0
 * @category decisions
 */
export const fromCredential = (error: CredentialError): Failure => ({
  ...(error.reason === "refused"
    ? withoutReply("Unauthorized", "credential_refused", {})
    : withoutReply("Unavailable", "credential_unavailable", { reason: "credential", again: true })),
  ...(error.code === undefined ? {} : { code: error.code })
})

/**
 * A request that is refused here, before it is sent. `expected` says what is wrong with `param`, without its value.
 *
 * @since 0.1.0
 * @category decisions
 */
export const refused = (param: string, expected?: string): Failure => ({
  ...withoutReply("BadRequest", "invalid_request", { param, expected }),
  unsent: true
})

const brokenBy = (failure: Failure): CallError.Broken => {
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
 */
export const toStreamBroken = (
  deployment: string,
  failure: Failure,
  received: { readonly text: string; readonly events: number; readonly attempts: Runner.History["attempts"] }
): CallError.StreamBroken =>
  new CallError.StreamBroken({
    deployment,
    status: failure.status,
    requestId: failure.requestId,
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

/**
 * A call that admission gave up before it was sent.
 *
 * @since 0.1.0
 * @category decisions
 */
export const saturated = (gaveUp: Admission.GaveUp): Failure => ({
  ...withoutReply("Saturated", "saturated", {}),
  gaveUp
})

// What is made here fits by its types; validating all attempts again for every error would cost time that grows with them.
const known = { disableValidation: true }

/**
 * The caller's error for a failure.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toError = (deployment: string, failure: Failure, history: Runner.History): CallError.CallError => {
  const common = {
    deployment,
    status: failure.status,
    requestId: failure.requestId,
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
      return new CallError.RateLimited(retryable, known)
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
