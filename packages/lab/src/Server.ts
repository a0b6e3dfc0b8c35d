/**
 * Azure OpenAI as the lab models it: the emulator's own bucket for the provisioned deployment and its sliding windows for
 * Standard, behind a network, with answers that take their time, faults, and other tenants.
 *
 * @since 0.1.0
 */
import { Bucket, RateWindow } from "@spillway/emulator"
import * as Either from "effect/Either"
import type { Faults, Kind, Network, Request } from "./Request.js"
import type { Tally } from "./Tally.js"
import type { Timeline } from "./Timeline.js"

/**
 * How long a deployment takes for an answer: log-normal times to the first token and per token.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pace {
  readonly firstTokenMs: number
  readonly firstTokenSigma: number
  readonly tokensPerSecond: number
  readonly tokensSigma: number
}

/**
 * What becomes of the server's hint on its way: as it is, left out, in whole seconds, or off by a factor.
 *
 * @since 0.1.0
 * @category models
 */
export type Hints =
  | { readonly _tag: "Exact" }
  | { readonly _tag: "Missing" }
  | { readonly _tag: "Seconds" }
  | { readonly _tag: "Scaled"; readonly factor: number }

/**
 * The two deployments and the way to them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** What the provisioned deployment drains, in input-token equivalents per second. */
  readonly tokensPerSecond: number
  /** Depth of its bucket, as seconds of drain. Azure does not document it. */
  readonly windowSeconds: number
  /** Input tokens that an output token counts as. */
  readonly outputWeight: number
  /** What a request without `max_tokens` is charged for its answer, in tokens. */
  readonly defaultMaxTokens: number
  /** Standard's quotas. */
  readonly standard: { readonly tokensPerMinute: number; readonly requestsPerTenSeconds: number }
  /** How long messages travel. */
  readonly network: Network
  /** How fast each deployment answers. */
  readonly pace: Readonly<Record<Kind, Pace>>
  /** How often attempts fail. */
  readonly faults: Faults
  /** What a refusal says of when to come back. */
  readonly hints: Hints
}

/**
 * What comes back.
 *
 * @since 0.1.0
 * @category models
 */
export type Reply =
  | { readonly _tag: "Answered" }
  | { readonly _tag: "Throttled"; readonly retryAfterMs: number | undefined }
  | { readonly _tag: "Failed" }

const answered: Reply = { _tag: "Answered" }
const failed: Reply = { _tag: "Failed" }

const readHint = (hints: Hints, ms: number): number | undefined => {
  switch (hints._tag) {
    case "Exact":
      return ms
    case "Missing":
      return undefined
    case "Seconds":
      return Math.ceil(ms / 1000) * 1000
    case "Scaled":
      return Math.max(1, Math.ceil(ms * hints.factor))
  }
}

/**
 * The server of one run.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Policy } from "@spillway/lab"
 *
 * // Once to the PTUs, then Standard.
 * export const once: Policy.Policy = {
 *   name: "once",
 *   description: "Standard after the first refusal",
 *   start: (lab) => (request) =>
 *     lab.server.send("provisioned", request, (reply) =>
 *       reply._tag === "Answered" ? lab.answered(request, "provisioned") : Policy.useStandard(lab, request)
 *     )
 * }
 * ```
 */
export class Server {
  private bucket: Bucket.Bucket
  private requests: RateWindow.RateWindow
  private tokens: RateWindow.RateWindow
  private readonly listeners: Array<() => void> = []

  constructor(
    private readonly timeline: Timeline,
    private readonly tally: Tally,
    readonly options: Options
  ) {
    this.bucket = Bucket.make({
      drainPerMinute: options.tokensPerSecond * 60,
      windowSeconds: options.windowSeconds
    })
    this.requests = RateWindow.make({ limit: options.standard.requestsPerTenSeconds, windowMs: 10_000 })
    this.tokens = RateWindow.make({ limit: options.standard.tokensPerMinute, windowMs: 60_000 })
  }

  /** What an answer really costs, in input-token equivalents. */
  cost(request: { readonly promptTokens: number; readonly outputTokens: number }): number {
    return request.promptTokens + this.options.outputWeight * request.outputTokens
  }

  /** What the provisioned deployment charges a request on arrival. */
  charge(request: { readonly promptTokens: number; readonly maxTokens: number | undefined }): number {
    return request.promptTokens + this.options.outputWeight * (request.maxTokens ?? this.options.defaultMaxTokens)
  }

  /** Level of the bucket as a share of its depth. */
  get utilization(): number {
    return Bucket.utilization(this.bucket, this.now)
  }

  /** Calls back whenever an estimate was corrected: there may be room earlier than was said. */
  onCorrection(listener: () => void): void {
    this.listeners.push(listener)
  }

  /** Brings the account of how much the deployment worked up to now. */
  account(): void {
    const { at } = this.bucket
    const { now } = this
    const level = Bucket.level(this.bucket, at)
    const busyMs = Math.min(now - at, (level / this.options.tokensPerSecond) * 1000)
    if (now > at) {
      this.tally.drained(at, busyMs)
      this.bucket = Bucket.correct(this.bucket, now, 0)
    }
  }

  /** Sends a request and calls back with the reply, when it has come back. */
  send(kind: Kind, request: Request, reply: (reply: Reply) => void): void {
    request.sentAt = this.timeline.now
    const way = request.roundTrip(this.options.network) / 2
    this.timeline.after(way, () => this.receive(kind, request, way, reply))
  }

  /**
   * Asks the provisioned deployment for room: 0 if it is taken, else the milliseconds until there will be some. Whoever
   * has taken room must {@link answer} the request.
   */
  admit(charge: number): number {
    this.account()
    return Either.match(Bucket.admit(this.bucket, this.now, charge), {
      onLeft: (waitMs) => waitMs,
      onRight: (filled) => {
        this.bucket = filled
        return 0
      }
    })
  }

  /** Answers a request that was accepted; `way` is how long the reply travels. */
  answer(kind: Kind, request: Request, way: number, reply: (reply: Reply) => void): void {
    this.tally.began()
    const fault = request.takeFault(kind)
    if (fault !== "none") {
      const after = fault === "error" ? 0 : this.options.faults.timeoutMs
      this.timeline.after(after, () => {
        this.tally.ended()
        if (kind === "provisioned") this.correct(-this.charge(request))
        this.timeline.after(way, () => reply(failed))
      })
      return
    }
    this.timeline.after(this.duration(kind, request), () => {
      this.tally.ended()
      if (kind === "provisioned") this.correct(this.cost(request) - this.charge(request))
      this.timeline.after(way, () => reply(answered))
    })
  }

  /** Another tenant's request: takes room if there is any, and never comes back. */
  intrude(charge: number, cost: number, durationMs: number): void {
    if (this.admit(charge) === 0) this.timeline.after(durationMs, () => this.correct(cost - charge))
  }

  /** How long the generation of an answer takes, in milliseconds. */
  duration(kind: Kind, request: Request): number {
    const pace = this.options.pace[kind]
    const { first, token } = request.pace[kind]
    return Math.round(
      pace.firstTokenMs * Math.exp(pace.firstTokenSigma * first) +
        request.outputTokens * (1000 / pace.tokensPerSecond) * Math.exp(pace.tokensSigma * token)
    )
  }

  private receive(kind: Kind, request: Request, way: number, reply: (reply: Reply) => void): void {
    const waitMs = kind === "provisioned" ? this.admit(this.charge(request)) : this.admitStandard(request)
    if (waitMs === 0) {
      this.answer(kind, request, way, reply)
    } else {
      this.tally.rejected(request, kind)
      const retryAfterMs = readHint(this.options.hints, waitMs)
      this.timeline.after(way, () => reply({ _tag: "Throttled", retryAfterMs }))
    }
  }

  private correct(difference: number): void {
    this.account()
    this.bucket = Bucket.correct(this.bucket, this.now, difference)
    for (const listener of this.listeners) listener()
  }

  // Standard's rules: both windows count on arrival, the request also when it is refused, the tokens only when it is not.
  private admitStandard(request: Request): number {
    const { now } = this
    const callWait = RateWindow.waitFor(this.requests, now, 1)
    this.requests = RateWindow.record(this.requests, now, 1)
    if (callWait > 0) return RateWindow.waitFor(this.requests, now, 1)
    const charge = request.promptTokens + (request.maxTokens ?? this.options.defaultMaxTokens)
    return Either.match(RateWindow.admit(this.tokens, now, charge), {
      onLeft: (waitMs) => waitMs,
      onRight: (counted) => {
        this.tokens = counted
        return 0
      }
    })
  }

  // The emulator's modules count whole milliseconds.
  private get now(): number {
    return Math.floor(this.timeline.now)
  }
}
