// The study of policies that these come from found the outcome insensitive to all of them.
const paceStep = 0.004
const paceGrowth = 1.002
const paceCut = 0.9
const slowestPace = 1 / 30
const fastestPace = 20
const cutEveryMs = 50
// A refusal at a time when the model saw this much room says something about the model's start, not about the pace.
const surprisedMs = 1000
const smallestGuessMs = 50
const largestGuessMs = 2000
// Once learned, the ratio follows the last hundred answers or so.
const ratioWeight = 0.01
// Until an answer has come. Too low a ratio lets a call wait in vain, too high a one sends it elsewhere in vain: worse.
const firstRatio = 0.25

// To a nanosecond, so that sums of fractions cannot make a call a millisecond late.
const snap = (ms: number): number => Math.round(ms * 1e6) / 1e6

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
  opensAt = -Infinity
  pace = 1
  /** By how much `opensAt` was set right so far, as opposed to poured into. */
  private moved = 0
  private sequence = 0
  /** The newest call that a refusal has told about. */
  private anchor = 0
  private lastCut = -Infinity
  private guesses = 0
  private answers = 0
  private meanCost = 0
  private meanActual = 0

  constructor(
    private readonly tokensPerSecond: number,
    private readonly burstMs: number,
    private readonly mayRise: boolean
  ) {}

  get msPerToken(): number {
    return 1000 / (this.tokensPerSecond * this.pace)
  }

  /** What calls cost in the end, as a share of what they were charged. */
  get netRatio(): number {
    return this.answers === 0 ? firstRatio : this.meanActual / this.meanCost
  }

  /** How long the calls that cost so much will take to drain. */
  drainMs(cost: number): number {
    return this.msPerToken * this.netRatio * cost
  }

  /** `held`: whether other calls wait. Only then is the pace what holds them back, and a call that passes says anything. */
  send(charge: Charge, now: number, held: boolean): void {
    if (held) {
      this.pace =
        this.pace < 1
          ? Math.min(this.pace + paceStep, 1)
          : Math.min(this.pace * paceGrowth, this.mayRise ? fastestPace : 1)
    }
    this.raise(snap(now - this.burstMs))
    charge.msPerToken = this.msPerToken
    this.pour(charge.msPerToken * charge.cost)
    charge.opening = this.opensAt - this.moved
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
    if (this.opensAt - now > -surprisedMs && now - this.lastCut >= cutEveryMs) {
      this.lastCut = now
      this.pace = Math.max(this.pace * paceCut, slowestPace)
    }
    const hint = retryAfter !== undefined && retryAfter > 0 ? retryAfter : this.guess()
    // The hint knows all that was poured in before this call, which itself was not. What came since is still to be added.
    const since = this.opensAt - (charge.opening + this.moved)
    this.setRight(snap(now + hint + since))
  }

  /** The level, no lower than what an idle deployment saves up. */
  levelMs(now: number): number {
    return Math.max(this.opensAt, now - this.burstMs) - now
  }

  private raise(floor: number): void {
    if (this.opensAt === -Infinity) this.opensAt = floor
    else if (this.opensAt < floor) this.setRight(floor)
  }

  private setRight(opensAt: number): void {
    this.moved += opensAt - this.opensAt
    this.opensAt = opensAt
  }

  private pour(ms: number): void {
    this.opensAt = snap(this.opensAt + ms)
  }

  private guess(): number {
    return Math.min(smallestGuessMs * 1.5 ** this.guesses++, largestGuessMs)
  }
}
