/**
 * Throttles of the Responses API that come inside a stream: the status is 200, the headers may already say how long to wait, and the events say that nothing
 * will follow. Azure has been seen to send them in several orders and shapes, each of which is a value here.
 *
 * Source: sequences reported by users of the live service in 2025 and 2026 (github earendil-works/pi#7983, openai-python#2699, openclaw#113478,
 * sozercan/vekil#267). Microsoft documents none of them. A chat is never throttled so: it gets a real 429.
 *
 * @since 0.1.0
 */
import type { Hint } from "./ErrorReply.js"
import * as Hints from "./internal/hint.js"

/**
 * What is said of a throttle: the fields of the `error` that Azure nests in the event.
 *
 * @since 0.1.0
 * @category models
 */
export interface Failure {
  readonly code: string
  readonly message: string
  /** Headers that Azure puts inside the event. */
  readonly headers: Readonly<Record<string, string>>
}

/**
 * In which order it is said, and how numbered.
 *
 * - `failedThenError`: `response.failed` with neither error nor details, then `error`. The default of deployments.
 * - `createdThenErrorThenFailed`: `response.created`, `error`, `response.failed`.
 * - `errorAtOne`, `errorAtTwo`: `error` alone, with that sequence number.
 * - `failedAlone`: `response.failed` with a message for people.
 *
 * @since 0.1.0
 * @category models
 */
export type Order = "failedThenError" | "createdThenErrorThenFailed" | "errorAtOne" | "errorAtTwo" | "failedAlone"

/**
 * A throttle as `Script.stream` takes it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Throttle {
  readonly events: ReadonlyArray<object>
  readonly headers: Readonly<Record<string, string>>
}

/**
 * A provisioned deployment at its limit, in the words of its 429.
 *
 * @since 0.1.0
 * @category failures
 */
export const throughput: Failure = {
  code: "rate_limit_reached",
  message:
    "Requests have exceeded the throughput limit on your Provisioned-Managed deployment. If you continue to exceed your limit, consider increasing the number of provisioned throughput units deployed.",
  headers: { "skip-error-remapping": "true" }
}

/**
 * A Standard deployment over its quota.
 *
 * @since 0.1.0
 * @category failures
 */
export const quota: Failure = {
  code: "rate_limit_exceeded",
  message: "Your requests have exceeded the token rate limit. Please retry later.",
  headers: { "x-ms-fe-error": "true" }
}

/**
 * The same under the other code that was seen.
 *
 * @since 0.1.0
 * @category failures
 */
export const tooManyRequests: Failure = { ...quota, code: "too_many_requests" }

/**
 * A shared pool that is exhausted. Comes seconds after the headers, without a hint.
 *
 * @since 0.1.0
 * @category failures
 */
export const noCapacity: Failure = {
  code: "no_capacity",
  message:
    "The system is currently experiencing high demand and cannot process your request. Your request exceeds the maximum usage size allowed during peak load. For improved capacity reliability, consider switching to Provisioned Throughput.",
  headers: { "x-ms-fe-error": "true" }
}

const response = (status: "in_progress" | "failed", error: object | null): object => ({
  id: "resp_throttled",
  object: "response",
  created_at: 0,
  status,
  background: false,
  error,
  incomplete_details: null,
  model: "",
  output: [],
  usage: null
})

const nested = (failure: Failure, sequence: number): object => ({
  type: "error",
  sequence_number: sequence,
  error: {
    type: "too_many_requests",
    code: failure.code,
    headers: failure.headers,
    message: failure.message,
    param: null
  }
})

const failed = (sequence: number, error: object | null): object => ({
  type: "response.failed",
  sequence_number: sequence,
  response: response("failed", error)
})

const events: Readonly<Record<Order, (failure: Failure) => ReadonlyArray<object>>> = {
  failedThenError: (failure) => [failed(1, null), nested(failure, 2)],
  createdThenErrorThenFailed: (failure) => [
    { type: "response.created", sequence_number: 0, response: response("in_progress", null) },
    nested(failure, 1),
    failed(2, { code: failure.code, message: failure.message })
  ],
  errorAtOne: (failure) => [nested(failure, 1)],
  errorAtTwo: (failure) => [nested(failure, 2)],
  failedAlone: (failure) => [failed(1, { code: null, message: failure.message })]
}

/**
 * A throttle in the order and with the failure wanted. Without a hint, the headers have none.
 *
 * @example
 * ```ts
 * import { InStreamThrottle, Script } from "@spillway/emulator"
 *
 * const step = Script.stream(
 *   InStreamThrottle.make("failedThenError", InStreamThrottle.throughput, { retryAfterMs: 1200 })
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (order: Order, failure: Failure, hint: Hint = {}): Throttle => ({
  events: events[order](failure),
  headers: Hints.headers(hint)
})

/**
 * Every sequence that was reported, by a name for a test's title. All but the shared pool's say to wait a second.
 *
 * @example
 * ```ts
 * import { InStreamThrottle, Script } from "@spillway/emulator"
 *
 * const steps = Object.values(InStreamThrottle.reported).map((throttle) => Script.stream(throttle))
 * ```
 *
 * @since 0.1.0
 * @category constants
 */
export const reported: Readonly<
  Record<
    | "response.failed, then error"
    | "response.created, then error, then response.failed"
    | "error alone, numbered 1"
    | "error alone, numbered 2"
    | "error with the code too_many_requests"
    | "response.failed alone, with an exhausted quota in the headers"
    | "error of a pool without capacity",
    Throttle
  >
> = {
  "response.failed, then error": make("failedThenError", quota, { retryAfterMs: 1000 }),
  "response.created, then error, then response.failed": make("createdThenErrorThenFailed", throughput, {
    retryAfterMs: 1000
  }),
  "error alone, numbered 1": make("errorAtOne", quota, { retryAfterMs: 1000 }),
  "error alone, numbered 2": make("errorAtTwo", throughput, { retryAfterMs: 1000 }),
  "error with the code too_many_requests": make("errorAtOne", tooManyRequests, { retryAfterMs: 1000 }),
  "response.failed alone, with an exhausted quota in the headers": {
    events: events.failedAlone(quota),
    headers: {
      ...Hints.headers({ retryAfterMs: 1000 }),
      "x-ratelimit-remaining-tokens": "0",
      "x-ratelimit-reset-tokens": "1"
    }
  },
  "error of a pool without capacity": make("errorAtTwo", noCapacity)
}
