/**
 * What each reply means: a total, pure function from status, headers and body to the error it becomes, and whether the
 * same deployment, or the next, may be asked.
 *
 * @since 0.1.0
 */
import type { Admission, Attempt, Runner } from "@spillway/core"
import { RetryAfter } from "@spillway/core"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as CallError from "./CallError.js"

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
  readonly path?: string | undefined
  readonly reason?: CallError.Reason
  readonly categories?: ReadonlyArray<string>
  readonly gaveUp?: Admission.GaveUp
}

/**
 * A reply that is no success.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refusal {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
  /** The deployment that was asked. */
  readonly kind: Attempt.Kind
  readonly model: string
  /** The wall clock, in milliseconds, for a `retry-after` that is a date. */
  readonly now: number
}

// What may be printed of a reply: names in the forms that services give them, and nothing that could be a key or a sentence.
const printable =
  (form: RegExp) =>
  (value: unknown): string | undefined => {
    const text = Predicate.isNumber(value) ? String(value) : value
    return Predicate.isString(text) && text.length <= 100 && form.test(text) ? text : undefined
  }
const codeOf = printable(/^[A-Za-z_]*\d{0,3}$/)
const paramOf = printable(/^[a-z_]+(\[\d+\])*(\.[a-z_]+(\[\d+\])*)*$/)
const idOf = printable(/^[\w-]+$/)

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  Predicate.isRecord(value) ? (value as Readonly<Record<string, unknown>>) : {}

interface ServiceError {
  readonly code: string | undefined
  readonly param: string | undefined
  readonly message: string | undefined
  readonly innerCode: string | undefined
  readonly categories: ReadonlyArray<string>
}

// Three envelopes occur: {"error":{…}}, flat with `statusCode` (gateway), flat with `code` (catalogue models); and two
// spellings of the inner error.
const readServiceError = (body: string): ServiceError => {
  const root = record(Either.getOrElse(parseJson(body), () => undefined))
  const error = Predicate.isRecord(root["error"]) ? record(root["error"]) : root
  const inner = record(error["innererror"] ?? error["inner_error"])
  const results = record(inner["content_filter_result"] ?? inner["content_filter_results"])
  const message = error["message"]
  return {
    code: codeOf(error["code"] ?? root["statusCode"]),
    param: paramOf(error["param"]),
    message: Predicate.isString(message) ? message : undefined,
    innerCode: codeOf(inner["code"]),
    categories: Object.entries(results)
      .filter(([, result]) => record(result)["filtered"] === true || record(result)["detected"] === true)
      .flatMap(([category]) => codeOf(category) ?? [])
  }
}

const parseJson = (text: string): Either.Either<unknown, unknown> => Either.try(() => JSON.parse(text) as unknown)

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
  const error = readServiceError(refusal.body)
  const id = requestId(headers)
  const base = {
    status,
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
      onRight: (json) =>
        Either.mapLeft(decodeUnknown(json), (issue): Failure => ({
          ...success(reply.headers, reply.status),
          _tag: "Malformed",
          errorType: "malformed_response",
          path: pathOf(issue)
        }))
    })
}

/**
 * The path of the first thing that is wrong, without its value.
 *
 * @since 0.1.0
 * @category decisions
 */
export const pathOf = (issue: ParseResult.ParseError): string => {
  const first = ParseResult.ArrayFormatter.formatErrorSync(issue)[0]
  return first === undefined || first.path.length === 0 ? "the top" : first.path.map(String).join(".")
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

const withoutReply = (
  tag: Failure["_tag"],
  errorType: string,
  more: { readonly reason?: CallError.Reason; readonly again?: boolean; readonly param?: string }
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
  const codes = codesOf(error.cause)
  const reason = transportReasons.find(([pattern]) => codes.some((code) => pattern.test(code)))?.[1] ?? "connection"
  return withoutReply("Unavailable", reason === "timeout" ? "timeout" : "connection_error", { reason, again: true })
}

/**
 * What an attempt means that was cut off here.
 *
 * @since 0.1.0
 * @category decisions
 */
export const cutOff = (cut: Runner.Cut): Failure =>
  cut === "deadline"
    ? withoutReply("DeadlineExceeded", "deadline_exceeded", {})
    : withoutReply("Unavailable", "timeout", { reason: "timeout", again: true })

/**
 * A request that is refused here, before it is sent.
 *
 * @since 0.1.0
 * @category decisions
 */
export const refused = (param: string): Failure => withoutReply("BadRequest", "invalid_request", { param })

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
      return new CallError.RateLimited(retryable)
    case "Unavailable":
      return new CallError.Unavailable({ ...retryable, reason: failure.reason ?? "connection" })
    case "Saturated": {
      const { predicted = Duration.zero, reason = "late", waited = Duration.zero } = failure.gaveUp ?? {}
      return new CallError.Saturated({ ...common, waited, predicted, reason })
    }
    case "PromptTooLong":
      return new CallError.PromptTooLong(common)
    case "Malformed":
      return new CallError.Malformed({ ...common, path: failure.path ?? "the top" })
    case "ContentFiltered":
      return new CallError.ContentFiltered({ ...common, categories: failure.categories ?? [] })
    case "Unauthorized":
      return new CallError.Unauthorized(common)
    case "NotFound":
      return new CallError.NotFound(common)
    case "BadRequest":
      return new CallError.BadRequest({ ...common, param: failure.param })
    case "DeadlineExceeded":
      return new CallError.DeadlineExceeded(common)
  }
}
