/**
 * What is counted during one run, and what it comes to.
 *
 * @since 0.1.0
 */
import { percentile } from "./Statistics.js"
import type { Class, Kind, Request } from "./Request.js"

/**
 * A span of time, in milliseconds from the start of the run.
 *
 * @since 0.1.0
 * @category models
 */
export interface Span {
  readonly from: number
  readonly to: number
}

/**
 * How a quantity is distributed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Distribution {
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

/**
 * What one run of one policy came to. Shares are from 0 to 1, tokens are input-token equivalents.
 *
 * @since 0.1.0
 * @category models
 */
export interface Metrics {
  readonly requests: number
  readonly offeredTokens: number
  /** Tokens answered by Standard, as a share of all tokens that were asked for. */
  readonly standardTokenShare: number
  readonly standardRequestShare: number
  /** Input and output tokens billed by Standard per second of what is measured. */
  readonly standardTokensPerSecond: { readonly input: number; readonly output: number }
  /** Attempts refused with a 429, by either deployment, per request. */
  readonly rejectedPerRequest: number
  /** Those refused by Standard. */
  readonly standardRejectedPerRequest: number
  /** Share of time during which the provisioned deployment had something to drain. */
  readonly ptuUtilisation: number
  readonly waitMs: Readonly<Record<Class, Distribution>>
  readonly latencyMs: Readonly<Record<Class, Distribution>>
  /**
   * Requests whose answered attempt was sent more than 100 ms after their longest wait. A last try within the budget that is
   * refused takes a round trip; that much is allowed.
   */
  readonly overBudgetShare: number
  readonly failedShare: number
}

/**
 * The state of affairs at one instant.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sample {
  readonly at: number
  /** Requests that have arrived and are neither answered nor being answered. */
  readonly waiting: number
  /** Share of time since the last sample during which the provisioned deployment worked. */
  readonly busy: number
  /** Input-token equivalents per second taken by Standard since the last sample. */
  readonly standardTokensPerSecond: number
}

const graceMs = 100

const classes: ReadonlyArray<Class> = ["interactive", "batch"]

/**
 * The account of one run.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import type { Simulation } from "@spillway/lab"
 *
 * // Of a run that has come to its end.
 * export const account = (simulation: Simulation.Simulation) => simulation.tally
 * ```
 */
export class Tally {
  private arrived = 0
  private settled = 0
  private inService = 0
  private requests = 0
  private offeredTokens = 0
  private failures = 0
  private overBudget = 0
  private standardRequests = 0
  private standardInput = 0
  private standardOutput = 0
  private busyMs = 0
  private readonly rejections: Record<Kind, number> = { provisioned: 0, standard: 0 }
  private readonly waits: Record<Class, Array<number>> = { interactive: [], batch: [] }
  private readonly latencies: Record<Class, Array<number>> = { interactive: [], batch: [] }
  private readonly sampled: Array<Sample> = []
  private sampleBusyMs = 0
  private sampleStandard = 0

  constructor(
    readonly measured: Span,
    private readonly outputWeight: number
  ) {}

  /** A request has arrived. */
  arrival(request: Request): void {
    this.arrived++
    if (!request.measured) return
    this.requests++
    this.offeredTokens += request.promptTokens + this.outputWeight * request.outputTokens
  }

  /** A request was accepted by a deployment. */
  began(): void {
    this.inService++
  }

  /** The deployment is done with it, one way or the other. */
  ended(): void {
    this.inService--
  }

  /** An attempt was refused. */
  rejected(request: Request, kind: Kind): void {
    if (request.measured) this.rejections[kind]++
  }

  /** The provisioned deployment worked for `busyMs` from then on, and idled since. */
  drained(from: number, busyMs: number): void {
    // It works first and idles then, so what lies inside the measured span can be told.
    const inside = Math.min(from + busyMs, this.measured.to) - Math.max(from, this.measured.from)
    this.busyMs += Math.max(0, inside)
    this.sampleBusyMs += busyMs
  }

  /** A request was answered, `now`, by the attempt that was sent last. Every request is answered or failed, once. */
  answered(request: Request, kind: Kind, now: number): void {
    this.settled++
    if (kind === "standard") {
      this.sampleStandard += request.promptTokens + this.outputWeight * request.outputTokens
    }
    if (!request.measured) return
    const wait = request.sentAt - request.arrivedAt
    this.waits[request.class].push(wait)
    this.latencies[request.class].push(now - request.arrivedAt)
    if (wait > request.budgetMs + graceMs) this.overBudget++
    if (kind === "standard") {
      this.standardRequests++
      this.standardInput += request.promptTokens
      this.standardOutput += request.outputTokens
    }
  }

  /** A request was given up. */
  failed(request: Request): void {
    this.settled++
    if (request.measured) this.failures++
  }

  /** Requests that are neither answered nor failed. */
  get open(): number {
    return this.arrived - this.settled
  }

  /** Notes the state of affairs. */
  sample(at: number): void {
    const since = at - (this.sampled.at(-1)?.at ?? 0)
    this.sampled.push({
      at,
      waiting: Math.max(0, this.open - this.inService),
      busy: since === 0 ? 0 : Math.min(1, this.sampleBusyMs / since),
      standardTokensPerSecond: since === 0 ? 0 : (this.sampleStandard * 1000) / since
    })
    this.sampleBusyMs = 0
    this.sampleStandard = 0
  }

  get samples(): ReadonlyArray<Sample> {
    return this.sampled
  }

  /** Waits of a class in milliseconds, in no order. */
  waitsOf(of: Class): ReadonlyArray<number> {
    return this.waits[of]
  }

  /** What it comes to. */
  metrics(): Metrics {
    const { measured, requests } = this
    const seconds = (measured.to - measured.from) / 1000
    const per = (count: number) => (requests === 0 ? 0 : count / requests)
    const standardTokens = this.standardInput + this.outputWeight * this.standardOutput
    const distributions = (values: Record<Class, Array<number>>): Record<Class, Distribution> => {
      const [interactive, batch] = classes.map((of) => {
        const sorted = Float64Array.from(values[of]).toSorted()
        return { p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95), p99: percentile(sorted, 0.99) }
      })
      const none = { p50: 0, p95: 0, p99: 0 }
      return { interactive: interactive ?? none, batch: batch ?? none }
    }
    return {
      requests,
      offeredTokens: this.offeredTokens,
      standardTokenShare: this.offeredTokens === 0 ? 0 : standardTokens / this.offeredTokens,
      standardRequestShare: per(this.standardRequests),
      standardTokensPerSecond: { input: this.standardInput / seconds, output: this.standardOutput / seconds },
      rejectedPerRequest: per(this.rejections.provisioned + this.rejections.standard),
      standardRejectedPerRequest: per(this.rejections.standard),
      ptuUtilisation: this.busyMs / (measured.to - measured.from),
      waitMs: distributions(this.waits),
      latencyMs: distributions(this.latencies),
      overBudgetShare: per(this.overBudget),
      failedShare: per(this.failures)
    }
  }
}
