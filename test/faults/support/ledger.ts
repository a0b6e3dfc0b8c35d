import type { Admission, Gate } from "@spillway/core"
import { Cause, Duration, Effect, Exit, FiberId, Option } from "effect"
import { assert } from "vitest"
import type { Caller, GaveUp, Refusal } from "./callers.js"
import { timeout } from "./callers.js"
import type { Plan, Script } from "./script.js"
import type { Tally } from "./visit.js"
import { Visit } from "./visit.js"
import type { World } from "./world.js"

// Timers count whole milliseconds; sums of fractions differ by their order.
const tick = 1
const near = 1e-3

const longestClosure = 60_000

/**
 * Watches a gate and its callers from outside, and asserts after every step what must be true of them, whatever the gate
 * thinks of the server. It knows who waits and who is being served, and nothing of how the gate decides.
 */
export class Ledger {
  readonly visits: Array<Visit> = []
  closed = false
  private readonly wrong: Array<string> = []
  private readonly caller: Caller
  private interruptions: Array<{ readonly visit: Visit; left: number }> = []
  /** Those who waited when nothing was left to do. */
  private line: ReadonlyArray<Visit> = []
  private sends: Array<Visit> = []
  /** Whether anybody was interrupted while there was something to do. */
  private midway = false
  /** How many can have been waiting at once since then. */
  private crowd = 0
  private runs = 0
  /** How many arrivals were judged. */
  private judged = 0
  private happened = 0
  private before = 0
  private lastSend = -Infinity
  /** The server's hint, where nothing has happened that could make it wrong. */
  private closedUntil = -Infinity
  /** What that will be when all that was decided before is seen as well. */
  private closes = -Infinity
  private roomSince = Infinity
  private idle = true
  /** From when on the bucket has room, if nobody is refused: then it is plain arithmetic. */
  private full = -Infinity
  private cost = 0
  private actual = 0
  private readonly inTurn: boolean
  private readonly exactly: boolean
  /** How late a timer may be: those that ring early do so at a fraction of a millisecond, and are set for whole ones. */
  private readonly late: number
  /** How long the gate may take to use what room there is: it does not send a crowd all at once. */
  private readonly slack: number

  constructor(
    readonly world: World,
    readonly gate: Admission.Controller,
    readonly script: Script,
    caller: (ledger: Ledger) => Caller,
    private readonly seen: Tally
  ) {
    // Where fibers let others go on in the midst of anything, things are seen in another order than the gate did them.
    this.inTurn = script.patience > 1000
    this.exactly =
      this.inTurn &&
      script.size === "exact" &&
      script.commands.every(
        (command) => command.do !== "arrive" || command.plan.replies.every(({ is }) => is !== "throttled")
      )
    this.late = script.early === 0 ? near : tick
    this.slack = 2 * tick + this.drained(2000) / 150
    this.caller = caller(this)
    world.onOperation = () => {
      for (const interruption of this.interruptions) {
        if (interruption.left-- > 0) continue
        this.midway = true
        this.interrupt(interruption.visit)
      }
      this.interruptions = this.interruptions.filter(({ left }) => left >= 0)
    }
  }

  get now(): number {
    return this.world.now
  }

  get live(): ReadonlyArray<Visit> {
    return this.visits.filter(({ state }) => state !== "ended")
  }

  arrives(plan: Plan, interruptedAfter: number | undefined): Visit {
    const { now, script, world } = this
    const deadline = this.caller.keepsDeadlines ? now + (plan.deadline ?? Infinity) : Infinity
    const latest = Math.min(deadline, now + (plan.maxWait ?? script.maxWait))
    const visit = new Visit(this.visits.length, plan, now, this.runs, latest, deadline)
    this.visits.push(visit)
    const call = Effect.withClock(this.caller.call(visit), world)
    visit.fiber = Effect.runFork(call, { scheduler: world, immediate: false })
    if (interruptedAfter !== undefined) this.interruptions.push({ visit, left: interruptedAfter })
    return visit
  }

  interrupts(visit: Visit, after: number): void {
    if (after === 0) this.interrupt(visit)
    else this.interruptions.push({ visit, left: after })
  }

  /** A request of the call goes out. */
  sent(visit: Visit): void {
    const { now } = this
    const { latest, notBefore, plan, since } = visit
    const waited = now > since
    const must = (right: boolean, what: string): void => this.judge(right, visit, what)
    must(visit.state === "waiting", "is served by nobody else")
    must(visit.sent === visit.throttled, "is sent once, and once more for each refusal")
    must(!waited || now <= latest + near, `is not sent past ${latest}`)
    must(now < visit.deadline, `is not sent at its deadline, ${visit.deadline}`)
    must(now >= notBefore.earliest - near, `is not sent before ${notBefore.earliest}`)
    must(now >= this.closedUntil - near, `is not sent before the server's hint is over, ${this.closedUntil}`)
    must(!waited || !this.closed, "is not sent after a wait by a gate that is closed")
    if (waited) this.seen.sentAfterWait++
    if (visit.sent > 0) this.seen.sentAgain++
    visit.state = "open"
    visit.sent++
    visit.sentAt = now
    visit.sentIn = this.before
    this.happened++
    visit.came = undefined
    this.sends.push(visit)
    this.lastSend = now
    // What it is told is newer.
    this.closes = -Infinity
    this.full = Math.max(this.full, now - this.script.burstMs) + this.drained(plan.cost)
  }

  /** The turn that the request had is over, and the gate was told of it. */
  over(visit: Visit, exit: Exit.Exit<unknown, unknown>): void {
    if (visit.state !== "open") return
    const { came, plan } = visit
    const untouched = ++this.happened === visit.sentIn + 2
    visit.state = "waiting"
    visit.since = this.now
    const cancelled = Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)
    if (came?.is === "answered") {
      this.full += this.drained((came.share - 1) * plan.cost)
      this.cost += plan.cost
      this.actual += came.share * plan.cost
    } else if (came?.is === "unmetered" || cancelled) {
      // What calls usually cost; a quarter of their estimate, until it is known.
      const ratio = this.cost === 0 ? 0.25 : this.actual / this.cost
      this.full += this.drained(plan.cost * (ratio - 1))
    } else {
      this.full -= this.drained(plan.cost)
    }
    if (came?.is !== "throttled" || cancelled) return
    visit.throttled++
    this.crowd++
    const [least, most] = this.caller.pause(visit, came.hint)
    visit.notBefore = { earliest: this.now + least, free: this.now + most }
    // With others under way the gate may learn better before the hint is over.
    if (untouched && came.hint !== undefined && this.visits.every(({ state }) => state !== "open")) {
      this.closes = this.now + Math.min(came.hint, longestClosure)
    }
  }

  /** Runs what there is to run at this instant, and judges what came of it. */
  run(): void {
    const { line } = this
    const news = this.visits.slice(this.judged)
    this.judged = this.visits.length
    this.crowd = line.length + news.length
    this.sends = []
    this.midway = false
    this.before = this.happened
    this.runs++
    this.world.run()
    this.nothingWrong()
    for (const visit of this.live) {
      const exit = visit.fiber?.unsafePoll()
      if (exit) this.ended(visit, exit, this.idle && news.length === 1 && visit === news[0], line)
      else this.judge(!visit.interrupted, visit, "ends when it is interrupted")
    }
    this.inOrder(line)
    this.closedUntil = Math.max(this.closedUntil, this.closes)
    this.line = this.live.filter(({ state }) => state === "waiting")
    const snapshot = this.snapshot()
    const open = this.live.length - this.line.length
    this.check(snapshot.waiting === this.line.length, `${this.line.length} wait, not ${snapshot.waiting}`)
    this.check(snapshot.inFlight === open, `${open} are served, not ${snapshot.inFlight}`)
    this.check(snapshot.waiting <= this.script.maxWaiting, `no more wait than may, but ${snapshot.waiting}`)
    // One for whatever the gate and the deadlines of attempts wait for, and one for each request that takes time.
    const timers = this.world.timers.size
    this.check(
      timers <= (this.live.length === 0 ? 0 : open + 1),
      `${timers} timers for ${open} of ${this.live.length} calls`
    )
    if (this.exactly) this.exact(snapshot)
    if (this.world.next > this.now) this.inTime(snapshot)
    this.nothingWrong()
    this.idle = this.line.length === 0 && snapshot.fullForMs <= 0 && this.now > this.lastSend + this.slack
  }

  private snapshot(): Gate.Snapshot {
    return Effect.runSync(Effect.withClock(this.gate.snapshot, this.world))
  }

  private goesBefore(one: Visit, other: Visit): boolean {
    if (one.plan.priority !== other.plan.priority) return one.plan.priority < other.plan.priority
    // Which of those that came together was first is to be known only where they took turns.
    return this.inTurn ? one.order < other.order : one.arrivedIn < other.arrivedIn
  }

  private exact({ fullForMs }: Gate.Snapshot): void {
    const { now } = this
    const floor = -this.script.burstMs
    if (this.midway || Number.isNaN(this.full)) {
      // In the midst of things it is not to be seen what came first. Of a bucket that is empty no more is known than that.
      this.full = fullForMs > floor + near ? now + fullForMs : Number.NaN
      return
    }
    const level = Math.max(this.full - now, floor)
    this.check(Math.abs(fullForMs - level) < near, `the bucket is full for ${level} ms, not ${fullForMs}`)
    this.seen.levels++
  }

  /** Nobody who waited, free to be sent, was overtaken by a call that comes after it. */
  private inOrder(line: ReadonlyArray<Visit>): void {
    for (const [place, sent] of this.sends.entries()) {
      for (const other of line) {
        if (other === sent || !this.goesBefore(other, sent) || other.notBefore.free > this.now) continue
        // Whoever does not have to wait is seen at once; those who waited, when they have been woken.
        const later = this.inTurn && line.includes(sent) && this.sends.indexOf(other) > place
        const overtaken = this.sends.includes(other) ? later : other.state === "waiting"
        this.judge(!overtaken, other, `is not overtaken by ${sent.order}`)
      }
      if (line.some((other) => this.goesBefore(sent, other) && other.notBefore.free <= this.now)) this.seen.chosen++
    }
  }

  /** What must be true when nothing is due any more. */
  private inTime({ fullForMs }: Gate.Snapshot): void {
    const { line, now } = this
    for (const visit of line) {
      this.judge(now <= visit.latest + this.late, visit, `does not wait past ${visit.latest}`)
      this.judge(!this.closed, visit, "does not wait at a gate that is closed")
    }
    for (const visit of this.live) {
      if (visit.state !== "open" || visit.came !== undefined) continue
      const until = Math.min(visit.deadline, visit.sentAt + timeout)
      this.judge(now <= until + this.late, visit, `is not served past ${until}`)
    }
    // For how long the gate could have sent somebody. It does not send a crowd all at once.
    this.roomSince = fullForMs > 0 ? Infinity : Math.min(this.roomSince, now)
    const room = Math.max(-fullForMs, now - this.roomSince)
    const longest = now > this.lastSend + this.slack ? this.late : this.slack
    for (const visit of line) {
      const free = now - Math.max(visit.since, visit.notBefore.free)
      this.judge(Math.min(free, room) <= longest, visit, `does not wait while there is room, for ${room} ms`)
    }
  }

  private ended(visit: Visit, exit: Exit.Exit<unknown, Refusal>, atOnce: boolean, line: ReadonlyArray<Visit>): void {
    const must = (right: boolean, what: string): void => this.judge(right, visit, what)
    const { came, state } = visit
    // A request that did not come as far as to be served.
    this.over(visit, exit)
    visit.state = "ended"
    visit.fiber = undefined
    if (Exit.isSuccess(exit)) {
      this.seen.answered++
      return must(came?.is === "answered" || came?.is === "unmetered", "is answered if the server answered")
    }
    if (Cause.isInterruptedOnly(exit.cause)) {
      if (line.includes(visit)) this.seen.interruptedWaiting++
      else if (visit.sent > 0) this.seen.interruptedSending++
      // A turn that came to nothing is not seen, but the gate may have learned from it.
      this.happened++
      return must(visit.interrupted, "is interrupted by whom it belongs to")
    }
    const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
    if (error === undefined) return must(came?.is === "broken", `has no defect: ${Cause.pretty(exit.cause)}`)
    if (error._tag === "GaveUp") {
      must(visit.sent === visit.throttled, "is given up before it is sent")
      must(
        !atOnce || visit.sent > 0 || visit.plan.delay > 0,
        "is not given up by a gate that has room and nobody waiting"
      )
      return this.gaveUp(visit, error)
    }
    if (error._tag === "Throttled") {
      this.seen.refused++
      must(came?.is === "throttled", "is refused by the server")
      return must(this.caller.mayEnd(visit, came?.hint), "comes back while it may")
    }
    this.seen.failed++
    const due = Math.min(visit.deadline, state === "open" || came === undefined ? visit.sentAt + timeout : Infinity)
    must(
      came?.is === "failed" || came?.is === "never" || this.now >= due - near,
      "fails if the server does, or when its time is up"
    )
  }

  private gaveUp(visit: Visit, { predicted, reason, waited }: GaveUp): void {
    const must = (right: boolean, what: string): void => this.judge(right, visit, what)
    this.seen[reason]++
    if (reason === "closed") return must(this.closed, "finds the gate closed if it is")
    const since = this.now - Duration.toMillis(waited)
    must(Math.abs(since - visit.since) < near, `has waited since ${visit.since}, not ${since}`)
    if (reason === "late")
      must(since + Duration.toMillis(predicted) >= visit.latest - near, "is given up if it is late")
    else must(this.crowd > this.script.maxWaiting, "is given up if too many wait")
  }

  private interrupt(visit: Visit): void {
    if (visit.state === "ended") return
    visit.interrupted = true
    visit.fiber?.unsafeInterruptAsFork(FiberId.none)
  }

  private drained(tokens: number): number {
    return (tokens * 1000) / this.script.tokensPerSecond
  }

  private nothingWrong(): void {
    if (this.wrong.length > 0) assert.fail(this.wrong.join("\n"))
  }

  private judge(right: boolean, { order }: Visit, what: string): void {
    if (!right) this.check(right, `call ${order} ${what}`)
  }

  private check(right: boolean, what: string): void {
    // Not thrown: it would be a defect of the fiber that is watched, and end there.
    if (!right) this.wrong.push(`at ${this.now} ms: ${what}`)
  }
}
