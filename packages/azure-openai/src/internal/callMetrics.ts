import { Metrics, Telemetry } from "@spillway/core"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import { attributes, metrics, values } from "../Telemetry.js"

/** The metrics of an operation on a model. @internal */
export interface CallMetrics extends Metrics.Calls {
  /** Seconds from the start of a call to the first output of its stream. */
  readonly timeToFirstChunk: Metric.Metric.Histogram<number>
}

// Semantic conventions 1.41.
const boundaries = MetricBoundaries.fromIterable([
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92
])

const make = (operation: string, model: string): CallMetrics => {
  const labels = {
    [attributes.operation]: operation,
    [attributes.provider]: values.provider,
    [attributes.requestModel]: model
  }
  const timeToFirstChunk = Object.entries({ ...labels, [Telemetry.labels.unit]: "s" }).reduce(
    (metric, [key, value]) => Metric.tagged(metric, key, value),
    Metric.histogram(metrics.timeToFirstChunk, boundaries, "From the start of a call to the first output of its stream")
  )
  return {
    ...Metrics.calls({ labels: { [Telemetry.labels.model]: model }, duration: { name: metrics.duration, labels } }),
    timeToFirstChunk
  }
}

const made = new Map<string, CallMetrics>()

/** Metrics belong to the process: Effect has one registry, and this finds them in it. @internal */
export const of = (operation: string, model: string): CallMetrics => {
  const key = `${operation} ${model}`
  const found = made.get(key)
  if (found !== undefined) return found
  const fresh = make(operation, model)
  made.set(key, fresh)
  return fresh
}
