/**
 * How many PTUs, and how long a wait: the same traffic over several of both.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { spillAtOnce } from "./Baselines.js"
import type { Options as ComparisonOptions } from "./Comparison.js"
import { PolicyResult, run as compare } from "./Comparison.js"
import type { Scenario } from "./Scenario.js"
import { spillway } from "./Spillway.js"

/**
 * One combination and what came of it. `spillAtOnce` is what the same PTUs come to without any waiting.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Point = Schema.Struct({
  ptus: Schema.Number,
  maxWaitMs: Schema.Number,
  spillway: PolicyResult,
  spillAtOnce: PolicyResult
})

/**
 * One combination and what came of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Point extends Schema.Schema.Type<typeof Point> {}

/**
 * All combinations, and the one to buy: the cheapest by the hour; of those that cost no more than 0.5 % above it, the
 * one with the shortest wait, then the cheapest. `atEdge` where it lies at the end of the PTUs that were tried, and so the
 * best number may lie beyond.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Result = Schema.Struct({
  points: Schema.Array(Point),
  recommended: Point,
  atEdge: Schema.Boolean
})

/**
 * All combinations, and the one to buy.
 *
 * @since 0.1.0
 * @category models
 */
export interface Result extends Schema.Schema.Type<typeof Result> {}

const costTolerance = 1.005

/**
 * Picks the combination to buy.
 *
 * @since 0.1.0
 * @category decisions
 * @example
 * ```ts
 * import { Sweep } from "@spillway/lab"
 *
 * export const cheapest = (points: readonly [Sweep.Point, ...Array<Sweep.Point>]) => Sweep.recommend(points).recommended.ptus
 * ```
 */
export const recommend = (points: readonly [Point, ...Array<Point>]): Result => {
  const cheapest = Math.min(...points.map((point) => point.spillway.costPerHour))
  const [first] = points
  const isBetter = (a: Point, b: Point): boolean =>
    a.maxWaitMs < b.maxWaitMs || (a.maxWaitMs === b.maxWaitMs && a.spillway.costPerHour < b.spillway.costPerHour)
  const recommended = points
    .filter((point) => point.spillway.costPerHour <= cheapest * costTolerance)
    .reduce(
      (best, point) => (isBetter(point, best) ? point : best),
      points.find((point) => point.spillway.costPerHour === cheapest) ?? first
    )
  const ptus = points.map((point) => point.ptus)
  const atEdge =
    points.some((point) => point.ptus !== first.ptus) &&
    (recommended.ptus === Math.min(...ptus) || recommended.ptus === Math.max(...ptus))
  return { points, recommended, atEdge }
}

/**
 * Runs every combination. The traffic and Standard's quota stay what they are for the scenario's own PTUs.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { Model } from "@spillway/emulator"
 * import { Scenario, Sweep } from "@spillway/lab"
 *
 * const scenario: Scenario.Scenario = {
 *   ...Scenario.defaults,
 *   traffic: { _tag: "Synthetic", shape: "onoff" },
 *   model: Model.findOrGeneric("gpt-4o"),
 *   inputTokensPerMinutePerPtu: 2500,
 *   ptus: 1200
 * }
 *
 * export const result = Sweep.run({ scenario, seeds: 3, ptus: [900, 1200, 1500], maxWaitMs: [0, 2000, 4000] })
 * ```
 */
export const run = (
  options: Omit<ComparisonOptions, "policies"> & {
    readonly ptus: readonly [number, ...Array<number>]
    /** Longest waits of interactive requests, in milliseconds. */
    readonly maxWaitMs: readonly [number, ...Array<number>]
  }
): Effect.Effect<Result> =>
  Effect.gen(function* () {
    const { maxWaitMs, onProgress, ptus, scenario } = options
    const combinations = ptus.flatMap((ptus) => maxWaitMs.map((interactive) => ({ ptus, interactive })))
    const [first, ...others] = yield* Effect.forEach(combinations, ({ interactive, ptus }, index) => {
      const varied: Scenario = {
        ...scenario,
        ptus,
        basePtus: scenario.basePtus ?? scenario.ptus,
        maxWaitMs: { ...scenario.maxWaitMs, interactive }
      }
      return Effect.map(
        compare({
          ...options,
          scenario: varied,
          policies: [spillway, spillAtOnce],
          onProgress: (progress) => onProgress?.({ ...progress, done: (index + progress.done) / combinations.length })
        }),
        ({ result }) => {
          const of = (name: string) => result.policies.find((policy) => policy.name === name) ?? result.oracle
          return { ptus, maxWaitMs: interactive, spillway: of(spillway.name), spillAtOnce: of(spillAtOnce.name) }
        }
      )
    })
    // Neither list is empty, so there is a first.
    return first === undefined ? yield* Effect.dieMessage("no combinations") : recommend([first, ...others])
  })
