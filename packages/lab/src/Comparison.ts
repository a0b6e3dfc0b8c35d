/**
 * Several policies over the same traffic, seed by seed, beside the oracle: the answer to a question.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Baselines from "./Baselines.js"
import { oracle } from "./Oracle.js"
import type { Policy } from "./Policy.js"
import type { Class } from "./Request.js"
import type { Scenario } from "./Scenario.js"
import { setup } from "./Scenario.js"
import { Simulation } from "./Simulation.js"
import { spillway } from "./Spillway.js"
import { halfInterval, mean, percentile } from "./Statistics.js"
import type { Metrics, Sample } from "./Tally.js"

/**
 * The policies that are compared unless others are asked for: the library's own first.
 *
 * @since 0.1.0
 * @category constants
 */
export const policies: ReadonlyArray<Policy> = [spillway, ...Baselines.all]

/**
 * What things cost, in dollars.
 *
 * @since 0.1.0
 * @category models
 */
export interface Prices {
  /** A million input tokens at Standard. */
  readonly inputPerMillion: number
  /** A million output tokens at Standard. */
  readonly outputPerMillion: number
  /** One PTU for one hour. */
  readonly ptuPerHour: number
}

/**
 * Prices to begin with: gpt-4o at $2.50 and $10, and a PTU reserved for a year at $221 a month, as listed in 2025. A PTU by
 * the hour, without reservation, costs several times as much. Give the prices of your contract.
 *
 * @since 0.1.0
 * @category constants
 */
export const listPrices: Prices = { inputPerMillion: 2.5, outputPerMillion: 10, ptuPerHour: 0.3 }

const Distribution = Schema.Struct({ p50: Schema.Number, p95: Schema.Number, p99: Schema.Number })
const PerClass = Schema.Struct({ interactive: Distribution, batch: Distribution })

/**
 * What a policy came to: means over the seeds. Shares are from 0 to 1, times milliseconds, costs dollars.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PolicyResult = Schema.Struct({
  name: Schema.String,
  description: Schema.String,
  /** Tokens answered by Standard over all tokens asked for, both weighted as PTUs weigh them. */
  standardTokenShare: Schema.Number,
  /** Half the width of the 95 % interval of the paired difference to the oracle's share; null of a single seed. */
  standardTokenShareCi: Schema.NullOr(Schema.Number),
  /** That difference. */
  standardTokenShareExcess: Schema.Number,
  standardRequestShare: Schema.Number,
  /** Attempts refused with a 429, per request: of both deployments, and of Standard alone. */
  rejectedPerRequest: Schema.Number,
  standardRejectedPerRequest: Schema.Number,
  /** Share of time during which the provisioned deployment had something to do. */
  ptuUtilisation: Schema.Number,
  waitMs: PerClass,
  latencyMs: PerClass,
  /** Requests whose answered attempt was sent more than 100 ms after their longest wait. */
  overBudgetShare: Schema.Number,
  failedShare: Schema.Number,
  /** PTUs and Standard together. */
  costPerHour: Schema.Number,
  standardCostPerHour: Schema.Number
})

/**
 * What a policy came to.
 *
 * @since 0.1.0
 * @category models
 */
export interface PolicyResult extends Schema.Schema.Type<typeof PolicyResult> {}

/**
 * The answer: `spillway simulate --json` prints it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Result = Schema.Struct({
  workload: Schema.String,
  description: Schema.String,
  model: Schema.String,
  ptus: Schema.Number,
  /** Mean demand over the PTUs' capacity. */
  load: Schema.Number,
  seeds: Schema.Number,
  /** Requests per seed that count. */
  requests: Schema.Number,
  prices: Schema.Struct({
    inputPerMillion: Schema.Number,
    outputPerMillion: Schema.Number,
    ptuPerHour: Schema.Number
  }),
  policies: Schema.Array(PolicyResult),
  oracle: PolicyResult
})

/**
 * The answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Result extends Schema.Schema.Type<typeof Result> {}

/**
 * How one policy's first run went, for plots.
 *
 * @since 0.1.0
 * @category models
 */
export interface Course {
  readonly name: string
  readonly samples: ReadonlyArray<Sample>
  /** Waits at even steps from the shortest to the longest, in milliseconds. */
  readonly waitQuantiles: Readonly<Record<Class, ReadonlyArray<number>>>
}

/**
 * How far the work is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Progress {
  readonly policy: string
  readonly seed: number
  /** From 0 to 1. */
  readonly done: number
}

/**
 * What to compare, and how.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The question. */
  readonly scenario: Scenario
  /** Defaults to {@link policies}. The oracle always runs. */
  readonly policies?: ReadonlyArray<Policy> | undefined
  /** How many seeds: 1, 2 and so on. */
  readonly seeds: number
  /** Defaults to {@link listPrices}. */
  readonly prices?: Prices | undefined
  /** Told how far it is, between slices of work. Defaults to nobody. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

// A few tens of milliseconds: then a progress bar may be drawn, or the work interrupted.
const slice = 20_000
const quantileSteps = 200

const runOne = (simulation: Simulation, onSlice: (arrived: number) => void): Effect.Effect<void> =>
  Effect.suspend(() => {
    const goesOn = simulation.run(slice)
    onSlice(simulation.arrived)
    return goesOn ? Effect.zipRight(Effect.sleep(0), runOne(simulation, onSlice)) : Effect.void
  })

const courseOf = (name: string, { tally }: Simulation): Course => {
  const quantiles = (of: Class): ReadonlyArray<number> => {
    const sorted = Float64Array.from(tally.waitsOf(of)).toSorted()
    return sorted.length === 0
      ? []
      : Array.from({ length: quantileSteps + 1 }, (_, step) => percentile(sorted, step / quantileSteps))
  }
  return {
    name,
    samples: tally.samples,
    waitQuantiles: { interactive: quantiles("interactive"), batch: quantiles("batch") }
  }
}

const over = (runs: ReadonlyArray<Metrics>, of: (metrics: Metrics) => number): number => mean(runs.map(of))

const summarize = (
  policy: Policy,
  runs: ReadonlyArray<Metrics>,
  bound: ReadonlyArray<Metrics>,
  ptus: number,
  prices: Prices
): PolicyResult => {
  const perClass = (of: (metrics: Metrics) => Metrics["waitMs"]): PolicyResult["waitMs"] => {
    const distribution = (name: Class) => ({
      p50: over(runs, (run) => of(run)[name].p50),
      p95: over(runs, (run) => of(run)[name].p95),
      p99: over(runs, (run) => of(run)[name].p99)
    })
    return { interactive: distribution("interactive"), batch: distribution("batch") }
  }
  const excess = runs.map((run, seed) => run.standardTokenShare - (bound[seed]?.standardTokenShare ?? 0))
  const standardCostPerHour =
    (over(runs, (run) => run.standardTokensPerSecond.input) * prices.inputPerMillion +
      over(runs, (run) => run.standardTokensPerSecond.output) * prices.outputPerMillion) *
    (3600 / 1e6)
  return {
    name: policy.name,
    description: policy.description,
    standardTokenShare: over(runs, (run) => run.standardTokenShare),
    standardTokenShareCi: halfInterval(excess) ?? null,
    standardTokenShareExcess: mean(excess),
    standardRequestShare: over(runs, (run) => run.standardRequestShare),
    rejectedPerRequest: over(runs, (run) => run.rejectedPerRequest),
    standardRejectedPerRequest: over(runs, (run) => run.standardRejectedPerRequest),
    ptuUtilisation: over(runs, (run) => run.ptuUtilisation),
    waitMs: perClass((run) => run.waitMs),
    latencyMs: perClass((run) => run.latencyMs),
    overBudgetShare: over(runs, (run) => run.overBudgetShare),
    failedShare: over(runs, (run) => run.failedShare),
    costPerHour: ptus * prices.ptuPerHour + standardCostPerHour,
    standardCostPerHour
  }
}

/**
 * Runs every policy over every seed. The arrivals, sizes, service times and faults of a seed are the same for all policies.
 *
 * Works in slices, so it can be interrupted.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { Model } from "@spillway/emulator"
 * import { Comparison, Scenario } from "@spillway/lab"
 *
 * const scenario: Scenario.Scenario = {
 *   ...Scenario.defaults,
 *   traffic: { _tag: "Synthetic", shape: "onoff" },
 *   model: Model.findOrGeneric("gpt-4o"),
 *   inputTokensPerMinutePerPtu: 2500,
 *   ptus: 1200
 * }
 *
 * // An Effect of the result and of each policy's course.
 * export const compared = Comparison.run({ scenario, seeds: 5 })
 * ```
 */
export const run = (
  options: Options
): Effect.Effect<{ readonly result: Result; readonly courses: ReadonlyArray<Course> }> =>
  Effect.gen(function* () {
    const { onProgress, scenario, seeds } = options
    const prices = options.prices ?? listPrices
    const compared = [oracle, ...(options.policies ?? policies)]
    const prepared = setup(scenario)
    const { workload } = prepared
    const total = compared.length * seeds
    const metrics = new Map<Policy, Array<Metrics>>(compared.map((policy) => [policy, []]))
    const courses: Array<Course> = []
    let finished = 0
    for (let seed = 1; seed <= seeds; seed++) {
      for (const policy of compared) {
        const simulation = new Simulation(prepared, policy, seed)
        yield* runOne(simulation, (arrived) =>
          onProgress?.({
            policy: policy.name,
            seed,
            done: Math.min(1, (finished + Math.min(1, arrived / workload.expected)) / total)
          })
        )
        finished++
        metrics.get(policy)?.push(simulation.tally.metrics())
        if (seed === 1) courses.push(courseOf(policy.name, simulation))
      }
    }
    const bound = metrics.get(oracle) ?? []
    const summary = (policy: Policy): PolicyResult =>
      summarize(policy, metrics.get(policy) ?? [], bound, scenario.ptus, prices)
    const result: Result = {
      workload: workload.name,
      description: workload.description,
      model: scenario.model.name,
      ptus: scenario.ptus,
      load: workload.demand / prepared.server.tokensPerSecond,
      seeds,
      requests: over(bound, (run) => run.requests),
      prices,
      policies: compared.slice(1).map(summary),
      oracle: summary(oracle)
    }
    return { result, courses }
  })
