/**
 * What each reply means: a total, pure function from status, headers and body to the error it becomes, and whether the
 * same deployment, or the next, may be asked.
 *
 * @since 0.1.0
 */
import type { Attempt } from "@spillway/core"
import { RetryAfter } from "@spillway/core"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { Failure, Head, RawReply } from "./Failure.js"
import { brokenBody, malformed, success } from "./Failure.js"
import { onFirstUse } from "./internal/firstUse.js"
import { pathOf } from "./internal/issuePath.js"
import type { ServiceError } from "./internal/serviceError.js"
import { fromBody, fromJson, parseJson, record } from "./internal/serviceError.js"

/**
 * The deployment that was asked, and what it serves.
 *
 * @since 0.1.0
 * @category models
 */
export interface Asked {
  readonly kind: Attempt.Kind
  readonly model: string
}

/**
 * A reply that is no success.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refusal extends RawReply, Asked {
  /** The wall clock, in milliseconds, for a `retry-after` that is a date. */
  readonly now: number
}

/**
 * An error that came with a reply whose status was a success: an event of a stream, or a response that failed.
 *
 * @since 0.1.0
 * @category models
 */
export interface LateRefusal extends Head, Asked {
  /** The error itself, or what holds it under `error`. */
  readonly error: unknown
  /** The response that failed, where there is one: what it holds tells whether anything has run. */
  readonly response?: unknown
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
  return judge(refusal, status, error, {
    ...success(refusal),
    reply: { status, headers, body: refusal.body },
    errorType: String(status),
    ...(error.code === undefined ? {} : { code: error.code }),
    ...(error.message === undefined ? {} : { detail: error.message })
  })
}

const notAgain = (headers: Head["headers"]): boolean => headers["x-should-retry"]?.trim().toLowerCase() === "false"

// One rule for what a status means, whether it came as one or is what an error in a stream stands for.
const judge = (
  { headers, kind, model, now }: Pick<Refusal, "headers" | "kind" | "model" | "now">,
  status: number,
  error: ServiceError,
  base: Omit<Failure, "_tag">
): Failure => {
  const again = !notAgain(headers)
  const retryAfter = RetryAfter.fromHeaders(headers, now)
  if (status === 429) return { ...base, _tag: "RateLimited", again, retryAfter }
  if (status === 408 || status === 409 || status >= 500) {
    return { ...base, _tag: "Unavailable", reason: "server", again, retryAfter }
  }
  if (status === 401 || status === 403) return { ...base, _tag: "Unauthorized" }
  if (status === 404) return { ...base, _tag: "NotFound" }
  if (status === 400) {
    if (isFiltered(error)) {
      return { ...base, _tag: "ContentFiltered", errorType: "content_filter", categories: error.categories }
    }
    const provisioned = kind === "provisioned" && spilledFrom(headers) === undefined
    if (provisioned && shortOnProvisioned.test(model) && isContextLength(error)) {
      return { ...base, _tag: "PromptTooLong", errorType: "context_length_exceeded" }
    }
  }
  return { ...base, _tag: "BadRequest", param: error.param }
}

const isFiltered = (error: ServiceError): boolean =>
  error.code === "content_filter" ||
  error.type === "content_filter" ||
  error.innerCode === "ResponsibleAIPolicyViolation"

const throttles =
  /^(429|too_?many_?requests|rate_?limit_?(exceeded|reached|error)|no_?capacity|(tokens|requests)_limit)$/i
const throttleWords = /rate limit|throughput limit|too many requests|high demand|maximum usage size/i

// What an error of this name is when it comes as a status.
const namedStatuses: ReadonlyArray<readonly [RegExp, number]> = [
  [throttles, 429],
  [/^content_filter$/, 400],
  [/^(invalid_api_key|(permission|access)_?denied|unauthori[sz]ed|forbidden|(authentication|permission)_error)$/i, 401],
  [/^((deployment|resource|model)?_?not_?found(_error)?)$/i, 404],
  [/^(invalid_|context_length_exceeded|unsupported_)/, 400]
]

// The status that an error stands for. Where it has no name, its words and what its reply says of the quota must do.
const statusOf = (error: ServiceError, hinted: boolean): number => {
  const named = [error.code, error.type].filter(Predicate.isNotUndefined)
  const status = Number(named.find((name) => /^[45]\d\d$/.test(name)))
  if (status > 0) return status
  const found = namedStatuses.find(([pattern]) => named.some((name) => pattern.test(name)))
  if (found !== undefined) return found[1]
  if (isFiltered(error)) return 400
  return named.length === 0 && (hinted || throttleWords.test(error.message ?? "")) ? 429 : 500
}

// Output, or tokens billed for it.
const hasRun = (response: unknown): boolean => {
  const { output, usage } = record(response)
  return (Array.isArray(output) && output.length > 0) || Number(record(usage)["output_tokens"] ?? 0) > 0
}

/**
 * What an error means that came within a success. The Responses API reports a throttle like this, in its stream or as a
 * response that failed, with the hint in the headers of the reply, and sometimes with no more to tell it by than that
 * hint. Whatever it stands for means what it would have meant as a status.
 *
 * A response that holds output, or was billed for some, has run, whatever its error is called: then `mayHaveRun` is set,
 * as it is where nothing but an empty quota says that it was a throttle.
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
 *   kind: "provisioned",
 *   model: "gpt-4o",
 *   now: 0
 * })
 * failure._tag // => "RateLimited"
 * ```
 */
export const classifyInStream = (event: LateRefusal): Failure => {
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
  const hinted = Option.isSome(RetryAfter.fromHeaders(headers, event.now))
  const exhausted = headers["x-ratelimit-remaining-tokens"] === "0" || headers["x-ratelimit-remaining-requests"] === "0"
  const status = statusOf(error, hinted || exhausted)
  const code = error.code ?? error.type
  const failure = judge({ ...event, headers }, status, error, {
    ...success(event),
    errorType: status === 429 ? "429" : (code ?? "stream_error"),
    ...(code === undefined ? {} : { code }),
    ...(error.message === undefined ? {} : { detail: error.message }),
    // As it would have come in place of the success.
    reply: {
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
    }
  })
  // An empty quota is what the last request of a window leaves behind, too.
  const guessed = status === 429 && !hinted && statusOf(error, false) !== 429
  return guessed || hasRun(event.response) ? { ...failure, mayHaveRun: true } : failure
}

/**
 * What the body of a success means: the decoded value, or a failure. A body that is not JSON was cut off or comes from
 * something in between, so the next deployment may be asked; JSON of another shape ends the call.
 *
 * @since 0.1.0
 * @category decisions
 * @example
 * ```ts
 * import { Reply } from "@spillway/azure-openai"
 * import { Schema } from "effect"
 *
 * const decode = Reply.decode(Schema.Struct({ id: Schema.String }))
 *
 * decode({ status: 200, headers: {}, body: '{"id":"x"}' }) // => Either.right({ id: "x" })
 * decode({ status: 200, headers: {}, body: "<html>" }) // => a left, "Unavailable": the next deployment may be asked
 * ```
 */
export const decode = <A, I>(schema: Schema.Schema<A, I>) => {
  const decodeUnknown = onFirstUse(() => Schema.decodeUnknownEither(schema))
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
 * @example
 * ```ts
 * import { Reply } from "@spillway/azure-openai"
 *
 * Reply.spilledFrom({ "x-ms-spillover-from-deployment": "gpt-4o-ptu" }) // => "gpt-4o-ptu"
 * Reply.spilledFrom({}) // => undefined
 * ```
 */
export const spilledFrom = (headers: Readonly<Record<string, string | undefined>>): string | undefined =>
  headers["x-ms-spillover-from-deployment"]
