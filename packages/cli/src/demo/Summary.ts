/** What the results of a burst come to, in numbers. */
import type { Attempt } from "@spillway/core"
import type { Answered, Result } from "./Burst.js"

/** Waits in milliseconds: half of the calls waited no longer than `p50`, and so on. */
export interface Waits {
  readonly p50: number
  readonly p95: number
  readonly max: number
}

/** The numbers of a burst. Waits are those of every call that was answered, zero for one that did not wait. */
export interface Summary {
  readonly calls: number
  readonly failed: number
  readonly servedBy: Readonly<Record<Attempt.Kind, number>>
  readonly attempts: number
  readonly rateLimited: number
  readonly waitMs: Waits
}

// Nearest rank: a value that occurred.
const percentile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0

/** The waits of some calls. */
export const waits = (answered: ReadonlyArray<Answered>): Waits => {
  const sorted = answered.map(({ waitedMs }) => Math.round(waitedMs)).toSorted((a, b) => a - b)
  return { p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95), max: percentile(sorted, 1) }
}

/** The calls that were answered. */
export const answered = (results: ReadonlyArray<Result>): ReadonlyArray<Answered> =>
  results.filter((result) => result._tag === "Answered")

/** Every attempt of every call. */
export const attempts = (results: ReadonlyArray<Result>): ReadonlyArray<Attempt.Attempt> =>
  results.flatMap((result) => (result._tag === "Answered" ? result.attempts : result.error.attempts))

/** Sums results up. */
export const make = (results: ReadonlyArray<Result>): Summary => {
  const served = answered(results)
  const sent = attempts(results)
  const by = (kind: Attempt.Kind) => served.filter(({ servedBy }) => servedBy === kind).length
  return {
    calls: results.length,
    failed: results.length - served.length,
    servedBy: { provisioned: by("provisioned"), standard: by("standard") },
    attempts: sent.length,
    rateLimited: sent.filter(({ status }) => status === 429).length,
    waitMs: waits(served)
  }
}
