import { assert } from "@effect/vitest"
import type { Gate } from "@spillway/core"

type Ticket = Gate.Ticket<number>

/** Sums of fractions differ by their order. */
const near = 1e-3

/**
 * What a gate may do, from the rules alone: plain lists walked from end to end, the bucket as a log of all that was ever
 * poured in. Told of every operation, it asserts that each action was right, and that none is missing.
 */
export class Oracle {
  readonly outcomes = new Map<Ticket, Array<string>>()
  readonly inFlight: Array<Ticket> = []
  private readonly waiting = new Set<Ticket>()
  private readonly log: Array<number> = []
  private readonly charges = new Map<Ticket, { readonly rate: number; readonly at: number }>()
  /** When the bucket is no longer full, and when the start of a burst is over. */
  private full = -Infinity
  private eased = -Infinity
  private pace = 1
  private lastCut = -Infinity
  private refusedAt: number | undefined = undefined
  private newest = -1
  private guesses = 0
  private answers: Array<readonly [cost: number, actual: number]> = []

  constructor(
    readonly gate: Gate.Gate<number>,
    readonly options: Gate.Options
  ) {}

  submit(ticket: Ticket, now: number): void {
    this.waiting.add(ticket)
    this.outcomes.set(ticket, [])
    this.check(this.gate.submit(ticket, now), now)
    if (this.waiting.has(ticket) && (ticket.notBefore ?? 0) <= now) {
      assert.isAtMost(this.turnOf(ticket, now), ticket.latest + near, "a call that will be late is told at once")
      assert.approximately(this.gate.startOf(ticket, now), this.turnOf(ticket, now), near)
    }
  }

  cancel(ticket: Ticket, now: number): void {
    if (this.waiting.delete(ticket)) this.outcomes.get(ticket)?.push("cancelled")
    else if (this.land(ticket)) this.correct(-this.charged(ticket) * ticket.cost)
    this.check(this.gate.cancel(ticket, now), now)
  }

  completed(ticket: Ticket, now: number, actual: number | undefined): void {
    this.land(ticket)
    if (actual !== undefined && ticket.cost > 0) this.answers.push([ticket.cost, actual])
    if ((this.charges.get(ticket)?.at ?? -1) > this.newest) this.guesses = 0
    this.correct(this.charged(ticket) * ((actual ?? ticket.cost * this.ratio) - ticket.cost))
    this.check(this.gate.completed(ticket, now, actual), now)
  }

  failed(ticket: Ticket, now: number): void {
    this.land(ticket)
    this.correct(-this.charged(ticket) * ticket.cost)
    this.check(this.gate.failed(ticket, now), now)
  }

  throttled(ticket: Ticket, now: number, hint: number | undefined): void {
    this.land(ticket)
    const at = this.charges.get(ticket)?.at ?? -1
    if (at > this.newest) {
      this.newest = at
      if (this.full - now > -1000 && now - this.lastCut >= 50) {
        this.lastCut = now
        this.refusedAt = this.pace
        this.pace = Math.max(this.pace * 0.9, 1 / 30)
      }
      const wait = hint ?? Math.min(50 * 1.5 ** this.guesses++, 2000)
      this.full = now + wait + this.log.slice(at + 1).reduce((sum, ms) => sum + ms, 0)
    }
    this.check(this.gate.throttled(ticket, now, hint), now)
  }

  tick(now: number): void {
    this.check(this.gate.tick(now), now)
  }

  get waits(): ReadonlyArray<Ticket> {
    return [...this.waiting]
  }

  private land(ticket: Ticket): boolean {
    const index = this.inFlight.indexOf(ticket)
    if (index >= 0) this.inFlight.splice(index, 1)
    return index >= 0
  }

  private charged(ticket: Ticket): number {
    return this.charges.get(ticket)?.rate ?? 0
  }

  private correct(ms: number): void {
    this.log.push(ms)
    this.full += ms
  }

  private get opening(): number {
    return Math.max(this.full, this.eased)
  }

  private get rate(): number {
    return 1000 / (this.options.tokensPerSecond * this.pace)
  }

  private get ratio(): number {
    let cost = 0
    let actual = 0
    for (const [i, [oneCost, oneActual]] of this.answers.entries()) {
      const weight = Math.max(1 / (i + 1), 0.01)
      cost += weight * (oneCost - cost)
      actual += weight * (oneActual - actual)
    }
    return this.answers.length === 0 ? 0.25 : actual / cost
  }

  /** Those that may be sent at `now`, first come first. */
  private line(now: number): ReadonlyArray<Ticket> {
    return [...this.waiting]
      .filter((ticket) => (ticket.notBefore ?? 0) <= now)
      .toSorted((a, b) => a.priority - b.priority || a.order - b.order)
  }

  private check(actions: Gate.Actions<number>, now: number): void {
    for (const action of actions) {
      const { ticket } = action
      const line = this.line(now)
      assert.isTrue(this.waiting.delete(ticket), "only a call that waits is sent or given up")
      this.outcomes.get(ticket)?.push(action._tag)
      if (action._tag === "Send") {
        assert.isAtMost(this.opening, now + near, "nothing is sent while there is no room")
        assert.strictEqual(line[0], ticket, "the first in line is sent")
        assert.isAtLeast(ticket.latest, now, "nothing is sent past its latest instant")
        this.pour(ticket, now, line.length > 1)
        this.inFlight.push(ticket)
      } else if (action.reason === "full") {
        assert.isAtLeast(this.waiting.size, this.options.maxWaiting ?? Infinity, "only a full line turns calls away")
        assert.strictEqual(line.at(-1) ?? ticket, ticket, "the last in line goes")
      } else {
        this.waiting.add(ticket)
        const startsAt = Math.max(ticket.notBefore ?? -Infinity, this.turnOf(ticket, now))
        this.waiting.delete(ticket)
        assert.isAbove(Math.max(now, startsAt), ticket.latest - near, "only a call that would be late is given up")
      }
    }
    const line = this.line(now)
    assert.isTrue(line.length === 0 || this.opening > now - near, "nobody waits while there is room")
    for (const ticket of line) {
      assert.isAtLeast(ticket.latest, this.opening - near, "nobody waits who cannot be sent in time")
    }
    assert.isAtMost(this.waiting.size, this.options.maxWaiting ?? Infinity)
    assert.strictEqual(this.gate.snapshot(now).waiting, this.waiting.size)
    assert.strictEqual(this.gate.snapshot(now).inFlight, this.inFlight.length)
    assert.isAbove(this.gate.wakeAt, now)
    for (const ticket of this.waiting) {
      const due = (ticket.notBefore ?? 0) > now ? (ticket.notBefore ?? 0) : Math.min(ticket.latest, this.opening)
      assert.isAtMost(this.gate.wakeAt, due + near, "the gate wakes up for everybody")
    }
    if (this.waiting.size === 0) assert.strictEqual(this.gate.wakeAt, Infinity)
  }

  private turnOf(ticket: Ticket, now: number): number {
    const line = this.line(now)
    const ahead = line.slice(0, line.indexOf(ticket)).reduce((sum, { cost }) => sum + cost, 0)
    const credit = Math.max(this.full, now - (this.options.burstMs ?? 60_000))
    return Math.max(now, credit + this.rate * this.ratio * ahead, this.eased + (this.rate * ahead) / 200)
  }

  private pour(ticket: Ticket, now: number, held: boolean): void {
    if (held) {
      const most = this.options.size === "exact" ? 1 : 20
      const away = this.refusedAt === undefined ? 1 : Math.abs(this.pace / this.refusedAt - 1) * 10
      const growth = 1 + 0.003 * Math.min(Math.max(away, 0.15), 1)
      this.pace = this.pace < 1 ? Math.min(this.pace + 0.004, 1) : Math.min(this.pace * growth, most)
    }
    this.full = Math.max(this.full, now - (this.options.burstMs ?? 60_000)) + this.rate * ticket.cost
    this.eased = Math.max(this.eased, now - 50) + (this.rate * ticket.cost) / 200
    this.charges.set(ticket, { rate: this.rate, at: this.log.push(this.rate * ticket.cost) - 1 })
  }
}
