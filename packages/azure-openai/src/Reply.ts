/**
 * What each reply means: a total, pure function from status, headers and body to the error it becomes, and whether the
 * same deployment, or the next, may be asked.
 *
 * @since 0.1.0
 */
import type { Attempt } from "@spillway/core"
import { RetryAfter } from "@spillway/core"
import type * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { Failure, Head, RawReply } from "./Failure.js"
import { brokenBody, malformed, success } from "./Failure.js"
import { pathOf } from "./internal/issuePath.js"
import type { ServiceError } from "./internal/serviceError.js"
import { fromBody, fromJson, parseJson, record, requestIdOf } from "./internal/serviceError.js"

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
  const id = requestIdOf(headers)
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
export const classifyInStream = (event: Head & { readonly error: unknown; readonly now: number }): Failure => {
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
    ...success(event),
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
  return (reply: RawReply): Either.Either<A, Failure> =>
    Either.match(parseJson(reply.body), {
      onLeft: () => Either.left(brokenBody(reply)),
      onRight: (json) => Either.mapLeft(decodeUnknown(json), (issue) => malformed(reply, pathOf(issue)))
    })
}

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
