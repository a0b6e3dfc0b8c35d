import { Metrics, Telemetry } from "@spillway/core"
import type * as Metric from "effect/Metric"
import { attributes, metrics, values } from "../Telemetry.js"

/** The metrics of an operation on a model. @internal */
export interface CallMetrics extends Metrics.Calls {
  /** Seconds from the start of a call to the first output of its stream. */
  readonly timeToFirstChunk: Metric.Metric.Histogram<number>
}

const make = (operation: string, model: string): CallMetrics => {
  const labels = {
    [attributes.operation]: operation,
    [attributes.provider]: values.provider,
    [attributes.requestModel]: model
  }
  const timeToFirstChunk = Metrics.histogram({
    name: metrics.timeToFirstChunk,
    description: "From the start of a call to the first output of its stream",
    labels
  })
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
