/**
 * The decisions of admission, as a machine without clock, fibers or effects: it is told what happens and when, and answers
 * which calls to send and which to give up. `Admission` turns it into waiting fibers; a simulation replays events through
 * it; both get the same decisions for the same events.
 *
 * It keeps a model of the server's leaky bucket: every call that is sent pours its estimated cost in, the bucket drains at
 * the rate that was bought, the estimate is corrected when the answer is there, and each 429 says how full the bucket
 * really is. A call is sent while the model says there is room. The others wait: strict priority, order of arrival within
 * a priority, each at most until its own latest instant; a call that would not make it is given up as soon as that is
 * known, so that it can go elsewhere.
 *
 * Times are milliseconds on any monotonic scale, fractions allowed; costs are tokens, weighted as the server weighs them.
 * `now` must never go back from one operation to the next. Every operation takes O(log n) for n waiting calls.
 *
 * @since 0.1.0
 */
import type { Charge } from "./internal/bucket.js"
import { Bucket } from "./internal/bucket.js"
import { Line, Place } from "./internal/line.js"

/**
 * What is known of a deployment's capacity, and how it is to be used.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The rate at which the deployment drains, in tokens per second. Above 0. When unsure, overstate it. */
  readonly tokensPerSecond: number
  /**
   * Whether `tokensPerSecond` is to be believed. `exact`: never send faster. `estimated`: while calls wait and none is
   * refused, send ever faster, up to 20 times the rate. Both slow down when calls are refused. Defaults to `estimated`.
   */
  readonly size?: "estimated" | "exact" | undefined
  /**
   * How much unused capacity the deployment may have saved up at most, as milliseconds of drain: what may be sent at once
   * after a quiet time. Too much costs some refused requests at the start of a burst, too little leaves capacity unused.
   * Defaults to 60 000. Azure does not document it.
   */
  readonly burstMs?: number | undefined
  /** The most calls that wait; beyond it the last in line is given up. Defaults to 100 000. */
  readonly maxWaiting?: number | undefined
}

/**
 * A call that asks to be sent.
 *
 * @since 0.1.0
 * @category models
 */
export interface Arrival<out A> {
  /** Whatever the caller wants to find again on the {@link Ticket}. */
  readonly data: A
  /** Its class: a lower number always goes first. */
  readonly priority: number
  /** Its place within the class: a lower number goes first. A call that was refused comes back with the number it had. */
  readonly order: number
  /** What the server will charge it on arrival, in tokens: an estimate. */
  readonly cost: number
  /** The last instant at which it may be sent, if it has to wait: with room, it is sent whatever this says. */
  readonly latest: number
  /** The first instant at which it may be sent. Defaults to at once. */
  readonly notBefore?: number | undefined
}

/**
 * Why a call is given up: its turn would come after its `latest` instant, too many calls wait, or the gate was closed.
 *
 * @since 0.1.0
 * @category models
 */
export type Reason = "late" | "full" | "closed"

/**
 * What to do: send a call now, or give it up. `startsAt` is when its turn was expected.
 *
 * @since 0.1.0
 * @category models
 */
export type Action<A> =
  | { readonly _tag: "Send"; readonly ticket: Ticket<A> }
  | { readonly _tag: "GiveUp"; readonly ticket: Ticket<A>; readonly reason: Reason; readonly startsAt: number }

/**
 * What to do, in this order. Usually empty.
 *
 * @since 0.1.0
 * @category models
 */
export type Actions<A> = ReadonlyArray<Action<A>>

/**
 * One passage of one call through the gate, from {@link ticket}. It is submitted once; a call that is refused and comes
 * back does so with a new ticket.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ticket<out A> extends Arrival<A> {
  /** `new`, then `waiting` (maybe), `sent` and `done`. */
  readonly state: "new" | "waiting" | "sent" | "done"
}

/**
 * The gate's state as numbers, for metrics and plots.
 *
 * @since 0.1.0
 * @category models
 */
export interface Snapshot {
  /** How many calls wait. */
  readonly waiting: number
  /** How many calls were sent and are not settled. */
  readonly inFlight: number
  /** How long until there is room, in milliseconds of drain; negative: how much room there is. */
  readonly fullForMs: number
  /** The pace: 1 is `tokensPerSecond`. */
  readonly pace: number
  /** What calls cost in the end, as a share of what was estimated. */
  readonly netRatio: number
}

/**
 * The machine. Every operation returns what to do as its consequence; after it, {@link Gate.wakeAt} may have changed.
 *
 * Each ticket that was sent must be settled by exactly one of `completed`, `throttled`, `failed` and `cancel`. Settling one
 * twice, or cancelling one that was given up, does nothing.
 *
 * @since 0.1.0
 * @category models
 */
export interface Gate<A> {
  /** A new call, or one that comes back after a refusal (same priority and order). Its own fate may be among the actions. */
  readonly submit: (ticket: Ticket<A>, now: number) => Actions<A>
  /** The caller is gone: a waiting call leaves the line; one that was sent counts as never sent. */
  readonly cancel: (ticket: Ticket<A>, now: number) => Actions<A>
  /** The call was answered. `actual` is what it cost in tokens; unknown, it is taken to have cost what calls usually do. */
  readonly completed: (ticket: Ticket<A>, now: number, actual: number | undefined) => Actions<A>
  /** The call was refused for lack of capacity. `retryAfter` is the server's hint in milliseconds; unknown, it is guessed. */
  readonly throttled: (ticket: Ticket<A>, now: number, retryAfter: number | undefined) => Actions<A>
  /** The call failed otherwise and cost nothing. */
  readonly failed: (ticket: Ticket<A>, now: number) => Actions<A>
  /** Time has passed. To be called at {@link Gate.wakeAt}; at any other time it does no harm. */
  readonly tick: (now: number) => Actions<A>
  /** Gives up all calls that wait. */
  readonly close: (now: number) => Actions<A>
  /** When `tick` is due; Infinity while nothing waits. */
  readonly wakeAt: number
  /** When a waiting ticket is expected to be sent, from what is known now. */
  readonly startOf: (ticket: Ticket<A>, now: number) => number
  readonly snapshot: (now: number) => Snapshot
}

/**
 * The default of {@link Options.burstMs}.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultBurstMs = 60_000

// A review this close to a call's latest instant would come too late to be of use.
const closestReviewMs = 25

// A prediction counts everybody in front, and many of them will be given up themselves: from far away it is too dark, and
// calls that could wait for a lull would be sent elsewhere before it comes. It is believed from this close on.
const believedMs = 5000

class Passage<A> extends Place implements Ticket<A>, Charge {
  state: Ticket<A>["state"] = "new"
  delayed = false
  msPerToken = 0
  opening = 0
  sequence = 0

  constructor(
    readonly data: A,
    readonly priority: number,
    order: number,
    cost: number,
    latest: number,
    readonly notBefore: number
  ) {
    super(priority, order, cost, latest)
  }
}

// More than any request takes. Costs are told by callers and servers: what is no amount must not get into the sums.
const mostTokens = 1e9

const tokens = (amount: number): number => (amount > 0 ? Math.min(amount, mostTokens) : 0)

/**
 * A ticket for one passage of a call. A cost that is no amount of tokens counts as 0, or as a billion where it is larger; a
 * priority that is no number goes last.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Gate } from "@spillway/core"
 *
 * // The first call, worth 1,200 tokens, that can wait until 4 s.
 * export const first = Gate.ticket({ data: "first", priority: 0, order: 0, cost: 1200, latest: 4000 })
 * ```
 */
export const ticket = <A>(arrival: Arrival<A>): Ticket<A> =>
  new Passage(
    arrival.data,
    Number.isNaN(arrival.priority) ? Infinity : arrival.priority,
    arrival.order,
    tokens(arrival.cost),
    arrival.latest,
    arrival.notBefore ?? -Infinity
  )

class Machine<A> implements Gate<A> {
  private readonly line = new Line<Passage<A>>()
  /** Those that may not be sent yet, ordered by when they may. */
  private readonly delayed = new Line<Passage<A>>()
  private readonly bucket: Bucket
  private readonly maxWaiting: number
  private serial = 0
  private inFlight = 0

  constructor(options: Options) {
    this.bucket = new Bucket(options.tokensPerSecond, options.burstMs ?? defaultBurstMs, options.size !== "exact")
    this.maxWaiting = options.maxWaiting ?? 100_000
  }

  submit(ticket: Ticket<A>, now: number): Actions<A> {
    const passage = own(ticket)
    if (passage.state !== "new") return []
    passage.state = "waiting"
    passage.latest = Math.max(passage.latest, now)
    passage.serial = ++this.serial
    const actions: Array<Action<A>> = []
    if (passage.notBefore > now) {
      passage.rank = passage.notBefore
      passage.delayed = true
      passage.review = Infinity
      this.delayed.add(passage)
      if (passage.notBefore > passage.latest) this.giveUp(passage, "late", passage.notBefore, actions)
    } else {
      this.enter(passage, now)
    }
    this.advance(now, actions)
    if (this.line.size + this.delayed.size > this.maxWaiting) {
      const last = this.line.last ?? this.delayed.last
      if (last !== undefined) this.giveUp(last, "full", this.startOf(last, now), actions)
    }
    return actions
  }

  cancel(ticket: Ticket<A>, now: number): Actions<A> {
    const passage = own(ticket)
    if (passage.state === "sent") return this.failed(passage, now)
    if (passage.state === "waiting") this.leave(passage)
    passage.state = "done"
    return this.advance(now, [])
  }

  completed(ticket: Ticket<A>, now: number, actual: number | undefined): Actions<A> {
    const passage = own(ticket)
    if (!this.settle(passage)) return []
    this.bucket.completed(passage, actual === undefined ? undefined : tokens(actual))
    return this.advance(now, [])
  }

  failed(ticket: Ticket<A>, now: number): Actions<A> {
    const passage = own(ticket)
    if (!this.settle(passage)) return []
    this.bucket.failed(passage)
    return this.advance(now, [])
  }

  throttled(ticket: Ticket<A>, now: number, retryAfter: number | undefined): Actions<A> {
    const passage = own(ticket)
    if (!this.settle(passage)) return []
    this.bucket.throttled(passage, now, retryAfter)
    return this.advance(now, [])
  }

  tick(now: number): Actions<A> {
    return this.advance(now, [])
  }

  close(now: number): Actions<A> {
    const actions: Array<Action<A>> = []
    for (const line of [this.line, this.delayed]) {
      for (let first = line.first; first !== undefined; first = line.first) {
        this.giveUp(first, "closed", this.startOf(first, now), actions)
      }
    }
    return actions
  }

  get wakeAt(): number {
    const turn = this.line.size > 0 ? Math.min(this.bucket.opensAt, this.line.firstReview) : Infinity
    return Math.min(turn, this.delayed.first?.rank ?? Infinity)
  }

  startOf(ticket: Ticket<A>, now: number): number {
    const { notBefore, order, priority, serial } = own(ticket)
    const ahead = this.line.ahead({ rank: priority, order, serial })
    return Math.max(notBefore, this.bucket.startAfter(ahead, now))
  }

  snapshot(now: number): Snapshot {
    return {
      waiting: this.line.size + this.delayed.size,
      inFlight: this.inFlight,
      fullForMs: this.bucket.levelMs(now),
      pace: this.bucket.pace,
      netRatio: this.bucket.netRatio
    }
  }

  private enter(passage: Passage<A>, now: number): void {
    passage.rank = passage.priority
    passage.delayed = false
    // Its first review is part of the operation that lets it in.
    passage.review = now
    this.line.add(passage)
  }

  private leave(passage: Passage<A>): void {
    if (passage.delayed) this.delayed.remove(passage)
    else this.line.remove(passage)
  }

  private settle(passage: Passage<A>): boolean {
    if (passage.state !== "sent") return false
    passage.state = "done"
    this.inFlight--
    return true
  }

  private giveUp(passage: Passage<A>, reason: Reason, startsAt: number, actions: Array<Action<A>>): void {
    this.leave(passage)
    passage.state = "done"
    actions.push({ _tag: "GiveUp", ticket: passage, reason, startsAt })
  }

  private send(passage: Passage<A>, now: number, actions: Array<Action<A>>): void {
    this.line.remove(passage)
    this.bucket.send(passage, now, this.line.size > 0)
    passage.state = "sent"
    this.inFlight++
    actions.push({ _tag: "Send", ticket: passage })
  }

  /** Does all that is due at `now`. Afterwards every call that waits still has a chance, as far as the model can tell. */
  private advance(now: number, actions: Array<Action<A>>): Actions<A> {
    for (let next = this.delayed.first; next !== undefined && next.rank <= now; next = this.delayed.first) {
      this.delayed.remove(next)
      this.enter(next, now)
    }
    this.giveUpBefore(now, now, actions)
    while (this.bucket.opensAt <= now) {
      const first = this.line.first
      if (first === undefined) return actions
      this.send(first, now, actions)
    }
    // Nobody is sent before the gate opens: whoever cannot wait that long learns it at once.
    this.giveUpBefore(this.bucket.opensAt, now, actions)
    for (let due = this.line.toReview(now); due !== undefined; due = this.line.toReview(now)) {
      const startsAt = this.startOf(due, now)
      if (startsAt > due.latest && due.latest - now <= believedMs) {
        this.giveUp(due, "late", startsAt, actions)
      } else {
        // Halfway to its latest instant: few reviews, and never later than that instant itself.
        const left = due.latest - now
        due.review = left > 2 * closestReviewMs ? now + left / 2 : due.latest
        this.line.refresh(due)
      }
    }
    return actions
  }

  private giveUpBefore(instant: number, now: number, actions: Array<Action<A>>): void {
    for (let late = this.line.latestBefore(instant); late !== undefined; late = this.line.latestBefore(instant)) {
      this.giveUp(late, "late", this.startOf(late, now), actions)
    }
  }
}

const own = <A>(ticket: Ticket<A>): Passage<A> => ticket as Passage<A>

/**
 * A gate for one deployment. Options out of their range are the caller's error: `Admission.layer` checks them.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Gate } from "@spillway/core"
 *
 * const gate = Gate.make<string>({ tokensPerSecond: 1000, burstMs: 0 })
 * const call = (data: string) => Gate.ticket({ data, priority: 0, order: 0, cost: 500, latest: 4000 })
 *
 * gate.submit(call("first"), 0) // => sent at once
 * gate.submit(call("second"), 0) // => nothing: it waits
 * gate.wakeAt // => 500
 * gate.tick(500) // => "second" is sent
 * ```
 */
export const make = <A>(options: Options): Gate<A> => new Machine(options)
