/**
 * The names of Spillway's own spans, attributes, events, log lines, metrics and labels, and nothing else.
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
  /** Fallback event: milliseconds since the call began. */
  elapsedMs: "spillway.elapsed_ms",
  /** Log lines: how long each attempt so far took, in milliseconds, oldest first. */
  responseMs: "spillway.response_ms",
  /** Root, attempt: why it failed, low in cardinality; `interrupted` and `defect` too (OpenTelemetry's own name). */
  errorType: "error.type",
  /** Attempt: how often this deployment was asked before in the call; absent on the first (OpenTelemetry's own name). */
  resendCount: "http.request.resend_count"
} as const

/**
 * Events on the root span, one for each decision of the policy. Log lines of the decisions have the same names.
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
  fallback: "spillway.fallback",
  /** The call has ended: a log line only, the span says the same. */
  call: "spillway.call"
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

/**
 * Names of the metrics. Durations are histograms in seconds; `inflight`, `queueDepth`, `utilization` and `pace` are gauges;
 * all others are counters.
 *
 * @since 0.1.0
 * @category metrics
 * @example
 * ```ts
 * import { Telemetry } from "@spillway/core"
 *
 * Telemetry.metrics.calls // => "spillway.calls"
 * ```
 */
export const metrics = {
  /** Calls that ended, by `outcome` and `model`. */
  calls: "spillway.calls",
  /** How long calls took, waits and all attempts included, where an operation gives no name of its own. */
  callDuration: "spillway.call.duration",
  /** How long calls waited in all, 0 for those that did not, by `outcome` and `model`. */
  waitDuration: "spillway.wait.duration",
  /** Requests that ended, by `deployment`, `kind` and `status`. */
  attempts: "spillway.attempts",
  /** How long requests took: for a stream, up to its first output. By `deployment`, `kind` and `status`. */
  attemptDuration: "spillway.attempt.duration",
  /** Requests under way, streams included until their end, by `deployment` and `kind`. */
  inflight: "spillway.inflight",
  /** Tokens the service says it used, by `deployment`, `kind` and `token_type`. */
  tokens: "spillway.tokens",
  /** What the tokens cost at the prices the deployment was given: an estimate, in US dollars. Only where prices are given. */
  cost: "spillway.cost",
  /** Calls waiting for their turn at the admission gate, by `deployment`. */
  queueDepth: "spillway.queue.depth",
  /** How full admission believes the deployment to be, 1 being full, by `deployment`. */
  utilization: "spillway.utilization.estimate",
  /** How fast admission sends, in tokens per second, by `deployment`. */
  pace: "spillway.pace"
} as const

/**
 * Names of the metrics' labels. Every label takes few values: those listed, or names from the program's own configuration.
 *
 * @since 0.1.0
 * @category metrics
 * @example
 * ```ts
 * import { Telemetry } from "@spillway/core"
 *
 * Telemetry.labels.outcome // => "outcome"
 * ```
 */
export const labels = {
  /** `served`, `served_after_wait`, `fallback`, `failed` or `interrupted`. */
  outcome: "outcome",
  /** The model behind the deployment that is asked first. */
  model: "model",
  deployment: "deployment",
  /** `provisioned` or `standard`. */
  kind: "kind",
  /** `2xx`, `3xx`, `4xx` but for `429`, `429`, `5xx`, `none` (no reply came), `interrupted` or `defect`. */
  status: "status",
  /** `input`, `cached_input` or `output`. */
  tokenType: "token_type",
  /** OpenTelemetry's unit, such as `s`. Effect hands it to exporters as a label. */
  unit: "unit"
} as const
