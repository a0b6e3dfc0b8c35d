// The study of policies that these come from found the outcome insensitive to all of them.
const paceStep = 0.004
const paceGrowth = 0.003
// Close to the pace of the last refusal it grows slowly, to stay under it for long; far from it, quickly.
const plateau = 0.1
const slowestGrowth = 0.15
const paceCut = 0.9
const slowestPace = 1 / 30
const fastestPace = 20
const cutEveryMs = 50
// A refusal at a time when the model saw this much room says something about the model's start, not about the pace.
const surprisedMs = 1000
// How much may be saved up is not known, but a refusal comes within a round trip. So what is sent in easeMs is no more than
// easedMs of drain, and a crowd after a quiet time is not refused in a body.
const easeMs = 50
const easedMs = 10_000
const smallestGuessMs = 50
const largestGuessMs = 2000
// Once learned, the ratio follows the last hundred answers or so.
const ratioWeight = 0.01
// Until an answer has come. Too low a ratio lets a call wait in vain, too high a one sends it elsewhere in vain: worse.
const firstRatio = 0.25

// To a nanosecond, so that sums of fractions cannot make a call a millisecond late.
const snap = (ms: number): number => Math.round(ms * 1e6) / 1e6

/**
 * The longest that one refusal closes the gate, whatever its hint: a wrong one must not cost all callers the deployment for
 * hours. Then one call is sent to see; who was given a longer hint still waits it out. In milliseconds.
 *
 * @internal
 */
export const longestClosureMs = 60_000

/** What the model remembers of a call that was sent. @internal */
export interface Charge {
  readonly cost: number
  /** Milliseconds of drain that a token was charged as. */
  msPerToken: number
  /** When the bucket would have had room again, were it the last call. */
  opening: number
  sequence: number
}

/**
 * What the client knows of the server's leaky bucket: when there is room, and at which pace to send.
 *
 * @internal
 */
export class Bucket {
  /** Since when, or from when on, there is room: the level above capacity, as an instant. */
  private full = -Infinity
  /** From when on more may be sent of what a quiet time has saved up. */
  private eased = -Infinity
  pace = 1
  /** By how much `opensAt` was set right so far, as opposed to poured into. */
  private moved = 0
  private sequence = 0
  /** The newest call that a refusal has told about. */
  private anchor = 0
  private lastCut = -Infinity
  private refusedPace = 0
  private guesses = 0
  private answers = 0
  private meanCost = 0
  private meanActual = 0
  private readonly fastest: number

  constructor(
    private readonly tokensPerSecond: number,
    private readonly burstMs: number,
    mayRise: boolean
  ) {
    this.fastest = mayRise ? fastestPace : 1
  }

  /** When the next call may be sent. */
  get opensAt(): number {
    return Math.max(this.full, this.eased)
  }

  get msPerToken(): number {
    return 1000 / (this.tokensPerSecond * this.pace)
  }

  /** What calls cost in the end, as a share of what they were charged. */
  get netRatio(): number {
    return this.answers === 0 ? firstRatio : this.meanActual / this.meanCost
  }

  /** When a call is expected to be sent that has so much cost before it, from what is known at `now`. */
  startAfter(cost: number, now: number): number {
    const ms = this.msPerToken * cost
    const drained = Math.max(this.full, now - this.burstMs) + this.netRatio * ms
    return Math.max(now, drained, this.eased + (ms * easeMs) / easedMs)
  }

  /** `held`: whether other calls wait. Only then is the pace what holds them back, and a call that passes says anything. */
  send(charge: Charge, now: number, held: boolean): void {
    if (held) this.pace = this.pace < 1 ? Math.min(this.pace + paceStep, 1) : Math.min(this.risen(), this.fastest)
    this.raise(snap(now - this.burstMs))
    charge.msPerToken = this.msPerToken
    const ms = charge.msPerToken * charge.cost
    this.eased = snap(Math.max(this.eased, now - easeMs) + (ms * easeMs) / easedMs)
    this.pour(ms)
    charge.opening = this.full - this.moved
    charge.sequence = ++this.sequence
  }

  completed(charge: Charge, actual: number | undefined): void {
    if (actual !== undefined && charge.cost > 0) {
      this.answers++
      const weight = Math.max(1 / this.answers, ratioWeight)
      this.meanCost += weight * (charge.cost - this.meanCost)
      this.meanActual += weight * (actual - this.meanActual)
    }
    if (charge.sequence > this.anchor) this.guesses = 0
    this.pour(charge.msPerToken * ((actual ?? charge.cost * this.netRatio) - charge.cost))
  }

  failed(charge: Charge): void {
    this.pour(-charge.msPerToken * charge.cost)
  }

  throttled(charge: Charge, now: number, retryAfter: number | undefined): void {
    // What a call sent later was told is newer, and was so full without this one.
    if (charge.sequence <= this.anchor) return
    this.anchor = charge.sequence
    if (this.full - now > -surprisedMs && now - this.lastCut >= cutEveryMs) {
      this.lastCut = now
      this.refusedPace = this.pace
      this.pace = Math.max(this.pace * paceCut, slowestPace)
    }
    const hint = retryAfter !== undefined && retryAfter > 0 ? Math.min(retryAfter, longestClosureMs) : this.guess()
    // The hint knows all that was poured in before this call, which itself was not. What came since is still to be added.
    const since = this.full - (charge.opening + this.moved)
    this.setRight(snap(now + hint + since))
  }

  /** The level, no lower than what an idle deployment saves up. */
  levelMs(now: number): number {
    return Math.max(this.full, now - this.burstMs) - now
  }

  private risen(): number {
    const distance = this.refusedPace === 0 ? Infinity : Math.abs(this.pace / this.refusedPace - 1)
    return this.pace * (1 + paceGrowth * Math.min(1, Math.max(slowestGrowth, distance / plateau)))
  }

  private raise(floor: number): void {
    if (this.full === -Infinity) this.full = floor
    else if (this.full < floor) this.setRight(floor)
  }

  private setRight(opensAt: number): void {
    this.moved += opensAt - this.full
    this.full = opensAt
  }

  private pour(ms: number): void {
    this.full = snap(this.full + ms)
  }

  private guess(): number {
    return Math.min(smallestGuessMs * 1.5 ** this.guesses++, largestGuessMs)
  }
}
