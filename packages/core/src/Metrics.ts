/**
 * Counts calls, requests, waits and tokens, as metrics of Effect: whatever exports those exports these. A series exists, at
 * zero, from the moment its deployment is built, so that the first increase is seen and a ratio has a denominator.
 *
 * Labels that are set around a call by `Effect.tagMetrics` are added to its series.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"
import * as MetricState from "effect/MetricState"
import type { Attempt, Kind } from "./Attempt.js"
import { attributes, labels, metrics } from "./Telemetry.js"

/**
 * What a deployment's tokens cost, in US dollars for a million. For provisioned throughput, which is paid by the hour,
 * there is nothing to give.
 *
 * @since 0.1.0
 * @category models
 */
export interface Prices {
  /** For a million tokens of prompts. */
  readonly input: number
  /** For a million tokens of prompts that were cached. Defaults to `input`. */
  readonly cachedInput?: number | undefined
  /** For a million tokens of answers. */
  readonly output: number
}

/**
 * Labels of the fiber, to be read from `FiberRef.currentMetricLabels`.
 *
 * @since 0.1.0
 * @category models
 */
export type Tags = ReadonlyArray<MetricLabel.MetricLabel>

/**
 * Tokens that a request took.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tokens {
  readonly inputTokens: number
  /** The part of the input that the service had in its cache. */
  readonly cachedTokens: number
  readonly outputTokens: number
}

/**
 * The metrics of one deployment.
 *
 * @since 0.1.0
 * @category models
 */
export interface Deployment {
  /** A request was sent. */
  readonly sent: (tags: Tags) => void
  /** It has come to its end, or was given up. */
  readonly ended: (tags: Tags) => void
  /** What came of it. `errorType` where it failed: a status, or a short name. */
  readonly attempt: (attempt: Attempt, errorType: string | undefined, tags: Tags) => void
  readonly tokens: (tokens: Tokens, tags: Tags) => void
}

/**
 * How a call ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ended {
  readonly outcome: "served" | "served_after_wait" | "fallback" | "failed" | "interrupted"
  /** The tag of the error it failed with. */
  readonly errorType: string | undefined
  readonly waitedMs: number
  readonly totalMs: number
}

/**
 * The metrics of calls of one kind: of an operation and a model, say.
 *
 * @since 0.1.0
 * @category models
 */
export interface Calls {
  readonly ended: (call: Ended, tags: Tags) => void
}

/**
 * What an admission gate knows of itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface GateState {
  readonly queueDepth: number
  /** 1 is full. */
  readonly utilization: number
  /** In tokens per second. */
  readonly pace: number
}

const outcomes: ReadonlyArray<Ended["outcome"]> = ["served", "served_after_wait", "fallback", "failed", "interrupted"]
const statuses = ["2xx", "429", "4xx", "5xx", "none"]
// OpenTelemetry's advice for durations of GenAI operations, semantic conventions 1.41.
const durations = MetricBoundaries.fromIterable([
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92
])

// 0 first: what did not wait is a bucket of its own.
const waits = MetricBoundaries.fromIterable([0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 3, 4, 6, 8, 15, 30, 60])

type Labels = Readonly<Record<string, string>>

const labelsOf = (tags: Labels, unit: string): Tags =>
  Object.entries({ ...tags, [labels.unit]: unit }).map(([key, value]) => MetricLabel.make(key, value))

// The labels are in the key: `Metric.tagged` would put them together anew, and look for the series, at every update.
const counter = (name: string, unit: string, description: string, tags: Labels): MetricKey.MetricKey.Counter<number> =>
  MetricKey.taggedWithLabels(MetricKey.counter(name, { incremental: true, description }), labelsOf(tags, unit))

const gauge = (name: string, unit: string, description: string, tags: Labels): MetricKey.MetricKey.Gauge<number> =>
  MetricKey.taggedWithLabels(MetricKey.gauge(name, { description }), labelsOf(tags, unit))

const seconds = (
  name: string,
  boundaries: MetricBoundaries.MetricBoundaries,
  description: string,
  tags: Labels
): MetricKey.MetricKey.Histogram =>
  MetricKey.taggedWithLabels(MetricKey.histogram(name, boundaries, description), labelsOf(tags, "s"))

/**
 * A histogram in seconds, its series set to zero.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Metrics } from "@spillway/core"
 *
 * export const parsing = Metrics.histogram({
 *   name: "app.parse.duration",
 *   description: "How long answers took to parse",
 *   labels: { format: "json" }
 * })
 * ```
 */
export const histogram = (options: {
  readonly name: string
  readonly description: string
  readonly labels: Readonly<Record<string, string>>
}): Metric.Metric.Histogram<number> =>
  Metric.fromMetricKey(seconds(options.name, durations, options.description, options.labels)).register()

// The series of a metric by the values of one more label.
const by = <Type, In, Out>(
  make: (value: string) => Metric.Metric<Type, In, Out>,
  known: ReadonlyArray<string>
): ((value: string) => Metric.Metric<Type, In, Out>) => {
  const series = new Map(known.map((value) => [value, make(value).register()]))
  return (value) => {
    const found = series.get(value)
    if (found !== undefined) return found
    const made = make(value)
    series.set(value, made)
    return made
  }
}

const countersBy = (key: MetricKey.MetricKey.Counter<number>, label: string, known: ReadonlyArray<string>) =>
  by((value) => Metric.fromMetricKey(MetricKey.tagged(key, label, value)), known)

const histogramsBy = (key: MetricKey.MetricKey.Histogram, label: string, known: ReadonlyArray<string>) =>
  by((value) => Metric.fromMetricKey(MetricKey.tagged(key, label, value)), known)

const statusOf = ({ outcome, status }: Attempt, errorType: string | undefined): string => {
  if (outcome === "interrupted" || outcome === "defect") return outcome
  // What an event of a stream says goes before the 200 that the stream began with.
  const code = errorType !== undefined && /^[1-5]\d\d$/.test(errorType) ? Number(errorType) : status
  if (code === undefined) return "none"
  return code === 429 ? "429" : `${Math.trunc(code / 100)}xx`
}

/**
 * The metrics of a deployment, its series set to zero. `Runner.make` calls it.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Metrics } from "@spillway/core"
 *
 * // 2.5 dollars for a million input tokens, 10 for a million output tokens.
 * export const standard = Metrics.deployment({
 *   deployment: "gpt-4o",
 *   kind: "standard",
 *   prices: { input: 2.5, output: 10 }
 * })
 * ```
 */
export const deployment = (options: {
  readonly deployment: string
  readonly kind: Kind
  readonly prices?: Prices | undefined
}): Deployment => {
  const { prices } = options
  const tags = { [labels.deployment]: options.deployment, [labels.kind]: options.kind }
  const attempts = countersBy(
    counter(metrics.attempts, "{request}", "Requests that ended", tags),
    labels.status,
    statuses
  )
  const took = histogramsBy(
    seconds(metrics.attemptDuration, durations, "How long requests took, up to the first output of a stream", tags),
    labels.status,
    statuses
  )
  const inflight = Metric.fromMetricKey(gauge(metrics.inflight, "{request}", "Requests under way", tags)).register()
  const types = ["input", "cached_input", "output"]
  const tokens = countersBy(counter(metrics.tokens, "{token}", "Tokens used", tags), labels.tokenType, types)
  const cost = countersBy(
    counter(metrics.cost, "USD", "Estimated cost of the tokens used", tags),
    labels.tokenType,
    prices === undefined ? [] : types
  )
  const used = (type: string, count: number, price: number | undefined, tags: Tags): void => {
    if (!(count > 0)) return
    tokens(type).unsafeUpdate(count, tags)
    if (price !== undefined) cost(type).unsafeUpdate((count * price) / 1e6, tags)
  }
  return {
    sent: (tags) => inflight.unsafeModify(1, tags),
    ended: (tags) => inflight.unsafeModify(-1, tags),
    attempt: (attempt, errorType, tags) => {
      const status = statusOf(attempt, errorType)
      attempts(status).unsafeUpdate(1, tags)
      took(status).unsafeUpdate(attempt.durationMs / 1000, tags)
    },
    tokens: ({ cachedTokens, inputTokens, outputTokens }, tags) => {
      used("input", inputTokens - cachedTokens, prices?.input, tags)
      used("cached_input", cachedTokens, prices?.cachedInput ?? prices?.input, tags)
      used("output", outputTokens, prices?.output, tags)
    }
  }
}

/**
 * The metrics of calls, their series set to zero. `labels` are on every series, so their values have to be few. `duration`
 * names the histogram of the calls' durations, for conventions that have a name for it, and adds labels to it.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Metrics } from "@spillway/core"
 *
 * export const summaries = Metrics.calls({ labels: { operation: "summarize" } })
 * ```
 */
export const calls = (options: {
  readonly labels: Readonly<Record<string, string>>
  readonly duration?: { readonly name: string; readonly labels: Readonly<Record<string, string>> } | undefined
}): Calls => {
  const ended = countersBy(
    counter(metrics.calls, "{call}", "Calls that ended", options.labels),
    labels.outcome,
    outcomes
  )
  const waited = histogramsBy(
    seconds(metrics.waitDuration, waits, "How long calls waited in all", options.labels),
    labels.outcome,
    outcomes
  )
  const durationKey = seconds(
    options.duration?.name ?? metrics.callDuration,
    durations,
    "How long calls took, waits and all attempts included",
    options.duration?.labels ?? options.labels
  )
  const took = histogramsBy(durationKey, labels.outcome, outcomes)
  const failed = histogramsBy(MetricKey.tagged(durationKey, labels.outcome, "failed"), attributes.errorType, [])
  return {
    ended: ({ errorType, outcome, totalMs, waitedMs }, tags) => {
      ended(outcome).unsafeUpdate(1, tags)
      waited(outcome).unsafeUpdate(waitedMs / 1000, tags)
      const duration = errorType === undefined ? took(outcome) : failed(errorType)
      duration.unsafeUpdate(totalMs / 1000, tags)
    }
  }
}

// A gauge that is read when it is asked for: what it shows changes while nothing happens.
const readAs = (key: MetricKey.MetricKey.Gauge<number>, read: () => number): void => {
  Object.assign(Metric.globalMetricRegistry.get(key), { get: () => MetricState.gauge(read()) })
}

/**
 * Shows the state of an admission gate under its deployment's name. It is read whenever the metrics are: the estimate
 * falls while nothing happens, and a gate at rest has no timer. Of two gates of one name the later is shown.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Metrics } from "@spillway/core"
 *
 * // A gate of your own, shown beside those of admission.
 * Metrics.gate({ deployment: "gpt-4o-ptu", read: () => ({ queueDepth: 0, utilization: 0.5, pace: 4000 }) })
 * ```
 */
export const gate = (options: { readonly deployment: string; readonly read: () => GateState }): void => {
  const { read } = options
  const tags = { [labels.deployment]: options.deployment }
  readAs(gauge(metrics.queueDepth, "{call}", "Calls waiting for their turn", tags), () => read().queueDepth)
  readAs(gauge(metrics.utilization, "1", "How full the deployment is believed to be", tags), () => read().utilization)
  readAs(gauge(metrics.pace, "{token}/s", "How fast admission sends", tags), () => read().pace)
}
