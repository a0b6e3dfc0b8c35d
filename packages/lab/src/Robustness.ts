/**
 * What becomes of the policy when what it believes is wrong: a table beside the published rule and spill-at-once.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { publishedRule, spillAtOnce } from "./Baselines.js"
import type { Options as ComparisonOptions } from "./Comparison.js"
import { PolicyResult, run as compare } from "./Comparison.js"
import type { Scenario } from "./Scenario.js"
import { spillway } from "./Spillway.js"

/**
 * Something that is not as expected.
 *
 * @since 0.1.0
 * @category models
 */
export interface Variant {
  readonly name: string
  readonly change: (scenario: Scenario) => Scenario
}

const withMaxTokens =
  (maxTokens: Scenario["maxTokens"]) =>
  (scenario: Scenario): Scenario => ({ ...scenario, maxTokens })

const withSettings =
  (settings: Partial<Scenario>) =>
  (scenario: Scenario): Scenario => ({ ...scenario, ...settings })

const proportional = (median: number, sigma = 0.3) => withMaxTokens({ _tag: "Proportional", median, sigma })

/**
 * Everything that is tried.
 *
 * - `max_tokens`: server and client alike charge three times too much on arrival, or a third, or with great scatter, or 4096
 *   for everyone, or the model's default because it is absent.
 * - `own estimate`: what the client takes a request to cost is off and stays off, the server's charge is right.
 * - `size`: the client has the PTUs' throughput wrong.
 * - `hint`: what the server says about when to come back.
 * - `other tenants`: demand of others on the same PTUs, 30 % of their capacity, who never wait.
 *
 * @since 0.1.0
 * @category constants
 */
export const variants: ReadonlyArray<Variant> = [
  { name: "as expected", change: (scenario) => scenario },
  { name: "max_tokens 3x", change: proportional(3.9) },
  { name: "max_tokens 1/3", change: proportional(1.3 / 3) },
  { name: "max_tokens scattered", change: proportional(1, 1) },
  { name: "max_tokens 4096", change: withMaxTokens({ _tag: "Fixed", tokens: 4096 }) },
  { name: "max_tokens absent", change: withMaxTokens({ _tag: "None" }) },
  { name: "own estimate 3x", change: withSettings({ estimateFactor: 3 }) },
  { name: "own estimate 1/3", change: withSettings({ estimateFactor: 1 / 3 }) },
  { name: "size known", change: withSettings({ sizeKnown: true }) },
  { name: "size 3x", change: withSettings({ sizeFactor: 3 }) },
  { name: "size 1/3", change: withSettings({ sizeFactor: 1 / 3 }) },
  { name: "hint missing", change: withSettings({ hints: { _tag: "Missing" } }) },
  { name: "hint in seconds", change: withSettings({ hints: { _tag: "Seconds" } }) },
  { name: "hint 3x", change: withSettings({ hints: { _tag: "Scaled", factor: 3 } }) },
  { name: "hint 0.3x", change: withSettings({ hints: { _tag: "Scaled", factor: 0.3 } }) },
  { name: "other tenants 30 %", change: withSettings({ tenants: 0.3 }) },
  { name: "8 processes", change: withSettings({ processes: 8 }) }
]

/**
 * Depths of the bucket that are tried, in seconds: Azure does not document its own.
 *
 * @since 0.1.0
 * @category constants
 */
export const windows: ReadonlyArray<number> = [1, 10, 60]

/**
 * One line of the table.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Row = Schema.Struct({
  variant: Schema.String,
  windowSeconds: Schema.Number,
  oracle: PolicyResult,
  spillway: PolicyResult,
  publishedRule: PolicyResult,
  spillAtOnce: PolicyResult
})

/**
 * One line of the table.
 *
 * @since 0.1.0
 * @category models
 */
export interface Row extends Schema.Schema.Type<typeof Row> {}

/**
 * Runs every variant with every window.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { Model } from "@spillway/emulator"
 * import { Robustness, Scenario } from "@spillway/lab"
 *
 * const scenario: Scenario.Scenario = {
 *   ...Scenario.defaults,
 *   traffic: { _tag: "Synthetic", shape: "onoff" },
 *   model: Model.findOrGeneric("gpt-4o"),
 *   inputTokensPerMinutePerPtu: 2500,
 *   ptus: 1200
 * }
 *
 * export const rows = Robustness.run({ scenario, seeds: 3 })
 * ```
 */
export const run = (options: Omit<ComparisonOptions, "policies">): Effect.Effect<ReadonlyArray<Row>> => {
  const combinations = windows.flatMap((windowSeconds) => variants.map((variant) => ({ variant, windowSeconds })))
  return Effect.forEach(combinations, ({ variant, windowSeconds }, index) =>
    Effect.map(
      compare({
        ...options,
        scenario: variant.change({ ...options.scenario, windowSeconds }),
        policies: [spillway, publishedRule, spillAtOnce],
        onProgress: (progress) =>
          options.onProgress?.({ ...progress, done: (index + progress.done) / combinations.length })
      }),
      ({ result }) => {
        const of = (name: string) => result.policies.find((policy) => policy.name === name) ?? result.oracle
        return {
          variant: variant.name,
          windowSeconds,
          oracle: result.oracle,
          spillway: of(spillway.name),
          publishedRule: of(publishedRule.name),
          spillAtOnce: of(spillAtOnce.name)
        }
      }
    )
  )
}
