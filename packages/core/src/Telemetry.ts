/**
 * The names of Spillway's own spans, attributes and events, and nothing else.
 *
 * @since 0.1.0
 */

/**
 * Attributes of Spillway's own namespace.
 *
 * @since 0.1.0
 * @category tracing
 * @example
 * ```ts
 * import { Telemetry } from "@spillway/core"
 *
 * Telemetry.attributes.outcome // => "spillway.outcome"
 * ```
 */
export const attributes = {
  /** Root: `served`, `served_after_wait`, `fallback`, `failed` or `interrupted`. */
  outcome: "spillway.outcome",
  /** Root: the kind of the deployment that answered. */
  servedBy: "spillway.served_by",
  /** Root: how many requests were sent. */
  attempts: "spillway.attempts",
  /** Root: milliseconds spent waiting, over all waits. */
  waitedMs: "spillway.waited_ms",
  /** Attempt and wait: the deployment's name. */
  deployment: "spillway.deployment",
  /** Attempt: its number in the call, from 1. */
  attempt: "spillway.attempt",
  /** Attempt: the server's hint in milliseconds. */
  retryAfterMs: "spillway.retry_after_ms",
  /** Wait: `queue` (in line for admission, before the first attempt), `retry-after` or `backoff`. */
  waitReason: "spillway.wait.reason",
  /** Wait: how long it was meant to be, in milliseconds. */
  waitPlannedMs: "spillway.wait.planned_ms",
  /** Fallback event: the deployment that gave up. */
  fallbackFrom: "spillway.fallback.from",
  /** Fallback event: the deployment that takes over. */
  fallbackTo: "spillway.fallback.to",
  /** Root, attempt: why it failed, low in cardinality (OpenTelemetry's own name). */
  errorType: "error.type",
  /** Attempt: how often this deployment was asked before in the call; absent on the first (OpenTelemetry's own name). */
  resendCount: "http.request.resend_count"
} as const

/**
 * Events on the root span, one for each decision of the policy.
 *
 * @since 0.1.0
 * @category tracing
 * @example
 * ```ts
 * import { Telemetry } from "@spillway/core"
 *
 * Telemetry.events.fallback // => "spillway.fallback"
 * ```
 */
export const events = {
  /** The same deployment will be tried again. */
  retry: "spillway.retry",
  /** The next deployment takes over. */
  fallback: "spillway.fallback"
} as const

/**
 * Names of the spans below the root.
 *
 * @since 0.1.0
 * @category tracing
 * @example
 * ```ts
 * import { Telemetry } from "@spillway/core"
 *
 * Telemetry.spans.attempt("standard") // => "attempt standard"
 * ```
 */
export const spans = {
  attempt: (kind: string): string => `attempt ${kind}`,
  wait: "wait"
} as const
