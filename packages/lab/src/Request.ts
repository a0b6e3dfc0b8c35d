/**
 * One request of a workload, the same under every policy: when it arrives, how large it is, how long its answer takes,
 * whether it meets a fault.
 *
 * @since 0.1.0
 */
import { Draws, streams } from "./internal/random.js"

/**
 * What a caller can afford to wait: seconds for a person, a minute for a job in the background.
 *
 * @since 0.1.0
 * @category models
 */
export type Class = "interactive" | "batch"

/**
 * How a deployment is paid for.
 *
 * @since 0.1.0
 * @category models
 */
export type Kind = "provisioned" | "standard"

/**
 * A request as a workload gives it. Times are milliseconds from the start of the run.
 *
 * @since 0.1.0
 * @category models
 */
export interface Arrival {
  readonly at: number
  readonly promptTokens: number
  readonly outputTokens: number
}

/**
 * The `max_tokens` a caller sets: none, the same for all, or a little more than the answer will have (its length times a
 * log-normal factor).
 *
 * @since 0.1.0
 * @category models
 */
export type MaxTokens =
  | { readonly _tag: "None" }
  | { readonly _tag: "Fixed"; readonly tokens: number }
  | { readonly _tag: "Proportional"; readonly median: number; readonly sigma: number }

/**
 * Who the callers are.
 *
 * @since 0.1.0
 * @category models
 */
export interface Callers {
  /** Share of requests that are batch. */
  readonly batchShare: number
  /** The longest wait of each class, in milliseconds. */
  readonly maxWaitMs: Readonly<Record<Class, number>>
  readonly maxTokens: MaxTokens
}

/**
 * How requests and replies travel: a round trip takes `baseMs`, an exponential extra, and now and then a spike.
 *
 * @since 0.1.0
 * @category models
 */
export interface Network {
  readonly baseMs: number
  readonly meanExtraMs: number
  readonly spikeShare: number
  readonly spikeMs: number
}

/**
 * What happened to a request instead of an answer, once, at the first attempt that was accepted.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault = "none" | "error" | "timeout"

/**
 * Shares of requests that meet a fault at a deployment: an error at once, or no reply at all until the client gives up.
 *
 * @since 0.1.0
 * @category models
 */
export interface Faults {
  readonly errorShare: number
  readonly timeoutShare: number
  /** When the client gives up. */
  readonly timeoutMs: number
}

const limitOf = (maxTokens: MaxTokens, outputTokens: number, factor: number): number | undefined => {
  switch (maxTokens._tag) {
    case "None":
      return undefined
    case "Fixed":
      return Math.max(outputTokens, maxTokens.tokens)
    case "Proportional":
      return Math.max(1, Math.round(outputTokens * maxTokens.median * Math.exp(maxTokens.sigma * factor)))
  }
}

/**
 * A request on its way. What does not depend on a policy is drawn from a stream of its own, at once; what a policy does to
 * it is written beside it.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import type { Policy, Request } from "@spillway/lab"
 *
 * // What a policy sees of a request: all but how long its answer will take.
 * export const isLarge = (lab: Policy.Lab, request: Request.Request): boolean =>
 *   lab.client.estimate(request) > lab.client.tokensPerSecond
 * ```
 */
export class Request {
  readonly class: Class
  readonly promptTokens: number
  readonly outputTokens: number
  readonly maxTokens: number | undefined
  /** The longest time from arrival to the sending of the attempt that is answered, in milliseconds. */
  readonly budgetMs: number
  readonly arrivedAt: number
  /** Which of several client processes it belongs to, from 0 to 1. */
  readonly lot: number
  /** How this request's answer differs from the usual, as standard deviations: time to the first token, and per token. */
  readonly pace: Readonly<Record<Kind, { readonly first: number; readonly token: number }>>
  /** When the newest attempt was sent. */
  sentAt = 0
  /** Retries at the deployment it is at. */
  retries = 0
  private readonly faults: Record<Kind, Fault>
  private readonly draws: Draws

  constructor(
    readonly index: number,
    arrival: Arrival,
    seed: number,
    callers: Callers,
    faults: Faults,
    /** Whether it counts: it arrives neither before nor after what is measured. */
    readonly measured: boolean
  ) {
    const draws = new Draws(seed, streams.request, index)
    this.draws = draws
    this.arrivedAt = arrival.at
    this.promptTokens = arrival.promptTokens
    this.outputTokens = arrival.outputTokens
    this.class = draws.uniform() < callers.batchShare ? "batch" : "interactive"
    this.budgetMs = callers.maxWaitMs[this.class]
    this.lot = draws.uniform()
    this.maxTokens = limitOf(callers.maxTokens, arrival.outputTokens, draws.normal())
    this.pace = {
      provisioned: { first: draws.normal(), token: draws.normal() },
      standard: { first: draws.normal(), token: draws.normal() }
    }
    const fault = (): Fault => {
      const drawn = draws.uniform()
      if (drawn < faults.timeoutShare) return "timeout"
      return drawn < faults.timeoutShare + faults.errorShare ? "error" : "none"
    }
    this.faults = { provisioned: fault(), standard: fault() }
  }

  /** The fault it meets at this deployment, the first time; none from then on. */
  takeFault(kind: Kind): Fault {
    const fault = this.faults[kind]
    if (fault !== "none") this.faults[kind] = "none"
    return fault
  }

  /** How long the next attempt's messages travel there and back, in milliseconds. */
  roundTrip(network: Network): number {
    if (network.meanExtraMs === 0 && network.spikeShare === 0) return network.baseMs
    const spike = this.draws.uniform() < network.spikeShare ? network.spikeMs : 0
    return network.baseMs + network.meanExtraMs * this.draws.exponential() + spike
  }
}
