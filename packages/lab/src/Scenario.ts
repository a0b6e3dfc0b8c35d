/**
 * A question to the lab in the terms of whoever asks it: this model, so many PTUs, this traffic, callers who wait so long.
 *
 * @since 0.1.0
 */
import type { Model } from "@spillway/emulator"
import * as Option from "effect/Option"
import type { Callers, Faults, Network, Request } from "./Request.js"
import type { Hints, Options as ServerOptions } from "./Server.js"
import type { Setup } from "./Simulation.js"
import type { Trace } from "./Trace.js"
import type { Shape, Workload } from "./Workload.js"
import * as Workloads from "./Workload.js"

/**
 * The traffic: recorded or made up.
 *
 * @since 0.1.0
 * @category models
 */
export type Traffic =
  | { readonly _tag: "Trace"; readonly name: string; readonly trace: Trace }
  | {
      readonly _tag: "Synthetic"
      readonly shape: Shape
      /** How long it is measured, in seconds. Defaults to 240. */
      readonly seconds?: number | undefined
    }

/**
 * What is asked. Everything that has a default takes the default of {@link defaults}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Scenario extends Callers {
  readonly traffic: Traffic
  readonly model: Model.Model
  /** Input tokens per minute that a PTU of the model is worth. */
  readonly inputTokensPerMinutePerPtu: number
  readonly ptus: number
  /** The PTUs that `load` and Standard's quota refer to, where `ptus` is varied and the traffic is not. Defaults to `ptus`. */
  readonly basePtus?: number | undefined
  /** Mean demand over the capacity of the PTUs. Defaults to a trace's own, or to that of the kind of traffic. */
  readonly load?: number | undefined
  /** Depth of the provisioned deployment's bucket, as seconds of drain. Not documented by Azure. */
  readonly windowSeconds: number
  /** Standard's quota in tokens per minute. Defaults to four times what the PTUs drain. */
  readonly standardTokensPerMinute?: number | undefined
  readonly network: Network
  readonly pace: ServerOptions["pace"]
  readonly faults: Faults
  readonly hints: Hints
  /** Demand of other tenants on the same PTUs, over their capacity. */
  readonly tenants: number
  /** Client processes, each with a gate of its own. */
  readonly processes: number
  /** The PTUs' size as clients have it configured, over the real one. */
  readonly sizeFactor: number
  /** Whether clients trust that size. */
  readonly sizeKnown: boolean
  /** What clients take a request to cost, over what the server charges. */
  readonly estimateFactor: number
}

/**
 * The model of the world, as in the study the lab repeats: a round trip takes 20 ms and an exponential 10 ms more, one in fifty
 * a further 50 ms; the first token takes 250 ms in the median at the provisioned deployment and 500 ms at Standard, then
 * come 60 and 40 tokens a second; two requests in a thousand meet a fault, a fifth of them a timeout of 5 seconds. 40 % of
 * requests are batch; they wait 60 seconds at most, the others 4.
 *
 * None of these figures was measured at Azure, whose latencies depend on model, region and hour: give your own.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaults = {
  batchShare: 0.4,
  maxWaitMs: { interactive: 4000, batch: 60_000 },
  maxTokens: { _tag: "Proportional", median: 1.3, sigma: 0.3 },
  windowSeconds: 10,
  network: { baseMs: 20, meanExtraMs: 10, spikeShare: 0.02, spikeMs: 50 },
  pace: {
    provisioned: { firstTokenMs: 250, firstTokenSigma: 0.3, tokensPerSecond: 60, tokensSigma: 0.1 },
    standard: { firstTokenMs: 500, firstTokenSigma: 0.6, tokensPerSecond: 40, tokensSigma: 0.3 }
  },
  faults: { errorShare: 0.0016, timeoutShare: 0.0004, timeoutMs: 5000 },
  hints: { _tag: "Exact" },
  tenants: 0,
  processes: 1,
  sizeFactor: 1,
  sizeKnown: false,
  estimateFactor: 1
} as const satisfies Partial<Scenario>

/**
 * What a model's PTU is worth in input tokens per minute, where the documentation says.
 *
 * @since 0.1.0
 * @category getters
 * @example
 * ```ts
 * import { Model } from "@spillway/emulator"
 * import { Scenario } from "@spillway/lab"
 *
 * Scenario.tokensPerMinutePerPtu(Model.findOrGeneric("gpt-4o")) // => Option.some(2500)
 * ```
 */
export const tokensPerMinutePerPtu = (model: Model.Model): Option.Option<number> =>
  Option.fromNullable(model.inputTokensPerMinutePerPtu)

/**
 * What so many PTUs drain, in input-token equivalents per second.
 *
 * @since 0.1.0
 * @category getters
 * @example
 * ```ts
 * import { Scenario } from "@spillway/lab"
 *
 * Scenario.drain({ inputTokensPerMinutePerPtu: 2500 }, 24) // => 1000
 * ```
 */
export const drain = (scenario: Pick<Scenario, "inputTokensPerMinutePerPtu">, ptus: number): number =>
  (ptus * scenario.inputTokensPerMinutePerPtu) / 60

const workloadOf = (scenario: Scenario, tokensPerSecond: number): Workload => {
  const { load, model, traffic } = scenario
  const { outputWeight } = model
  return traffic._tag === "Trace"
    ? Workloads.fromTrace(traffic.trace, { name: traffic.name, tokensPerSecond, outputWeight, load })
    : Workloads.synthetic(traffic.shape, {
        tokensPerSecond,
        outputWeight,
        load,
        seconds: traffic.seconds,
        limits: { promptTokens: model.contextWindow, outputTokens: model.maxOutputTokens }
      })
}

/**
 * The question as a setup for runs.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Model } from "@spillway/emulator"
 * import { Scenario, Simulation, Spillway } from "@spillway/lab"
 *
 * const scenario: Scenario.Scenario = {
 *   ...Scenario.defaults,
 *   traffic: { _tag: "Synthetic", shape: "onoff" },
 *   model: Model.findOrGeneric("gpt-4o"),
 *   inputTokensPerMinutePerPtu: 2500,
 *   ptus: 1200
 * }
 *
 * export const run = new Simulation.Simulation(Scenario.setup(scenario), Spillway.spillway, 1)
 * ```
 */
export const setup = (scenario: Scenario): Setup => {
  const { estimateFactor, model } = scenario
  const base = drain(scenario, scenario.basePtus ?? scenario.ptus)
  const tokensPerSecond = drain(scenario, scenario.ptus)
  const standardTokensPerMinute = scenario.standardTokensPerMinute ?? 4 * base * 60
  return {
    workload: workloadOf(scenario, base),
    callers: scenario,
    server: {
      tokensPerSecond,
      windowSeconds: scenario.windowSeconds,
      outputWeight: model.outputWeight,
      defaultMaxTokens: model.defaultMaxTokens,
      standard: {
        tokensPerMinute: standardTokensPerMinute,
        requestsPerTenSeconds: Math.max(
          1,
          Math.floor(((standardTokensPerMinute / 1000) * model.requestsPerThousandTokens) / 6)
        )
      },
      network: scenario.network,
      pace: scenario.pace,
      faults: scenario.faults,
      hints: scenario.hints
    },
    client: {
      tokensPerSecond: tokensPerSecond * scenario.sizeFactor,
      sure: scenario.sizeKnown,
      estimate: ({ maxTokens, promptTokens }: Request) =>
        estimateFactor * (promptTokens + model.outputWeight * (maxTokens ?? model.defaultMaxTokens))
    },
    tenants: scenario.tenants,
    processes: scenario.processes
  }
}
