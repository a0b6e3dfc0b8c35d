import { Effect, Metric, MetricState } from "effect"

/** One series: its labels, and its value, or for a histogram how many observations it has and their sum. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  readonly sum: number
  /** How many observations were at most so large. */
  readonly buckets: ReadonlyMap<number, number>
}

/** The series of a metric that have these labels, as they are now. */
export const series = (name: string, labels: Readonly<Record<string, string>>): Effect.Effect<ReadonlyArray<Series>> =>
  Effect.map(Metric.snapshot, (pairs) =>
    pairs.flatMap(({ metricKey, metricState }) => {
      const own = Object.fromEntries(metricKey.tags.map(({ key, value }) => [key, value]))
      if (metricKey.name !== name || Object.entries(labels).some(([key, value]) => own[key] !== value)) return []
      if (MetricState.isHistogramState(metricState)) {
        const { buckets, count, sum } = metricState
        return [{ labels: own, value: count, sum, buckets: new Map(buckets) }]
      }
      const value = MetricState.isCounterState(metricState)
        ? Number(metricState.count)
        : MetricState.isGaugeState(metricState)
          ? Number(metricState.value)
          : Number.NaN
      return [{ labels: own, value, sum: value, buckets: new Map() }]
    })
  )

/** The values of a metric by one of its labels. */
export const values = (
  name: string,
  labels: Readonly<Record<string, string>>,
  by: string
): Effect.Effect<Readonly<Record<string, number>>> =>
  Effect.map(series(name, labels), (found) =>
    Object.fromEntries(found.map(({ labels, value }) => [labels[by] ?? "", value]))
  )

/** The sums of a histogram by one of its labels. */
export const sums = (
  name: string,
  labels: Readonly<Record<string, string>>,
  by: string
): Effect.Effect<Readonly<Record<string, number>>> =>
  Effect.map(series(name, labels), (found) =>
    Object.fromEntries(found.map(({ labels, sum }) => [labels[by] ?? "", sum]))
  )
