import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Gate from "../Gate.js"
import * as Alarm from "./alarm.js"
import { toMillis } from "./time.js"
import type * as Metrics from "../Metrics.js"

import type { Controller, GaveUp, Options, Request, Turn } from "../Admission.js"

class Waiter {
  action: Gate.Action<Waiter> | undefined = undefined
  resume: (() => void) | undefined = undefined
}

type Caller = Fiber.RuntimeFiber<unknown, unknown>

const clockOf = (caller: Caller): Clock.Clock => Context.get(caller.currentDefaultServices, Clock.Clock)

/** A gate, its alarm and those who wait at it. @internal */
export class LiveGate implements Controller {
  readonly maxWait: Duration.Duration
  private readonly gate: Gate.Gate<Waiter>
  private readonly burstMs: number
  private readonly tokensPerSecond: number
  /** When the alarm rings; Infinity while none is set. */
  private ringsAt = Infinity
  private takeBack: ((caller: Caller) => void) | undefined = undefined
  private closed = false

  constructor(
    options: Options,
    /** Where the gate's own time begins: small numbers keep their fractions. */
    private readonly origin: bigint
  ) {
    this.burstMs = options.burstMs ?? Gate.defaultBurstMs
    this.tokensPerSecond = options.tokensPerSecond
    this.maxWait = Duration.decode(options.maxWait ?? "4 seconds")
    this.gate = Gate.make(options)
  }

  enter(
    request: Request,
    wait: (waiting: Effect.Effect<void>, planned: Duration.Duration) => Effect.Effect<void>
  ): Effect.Effect<Turn, GaveUp> {
    return Effect.withFiberRuntime((caller) => {
      const clock = clockOf(caller)
      const waiter = new Waiter()
      const began = this.now(clock)
      const ticket = Gate.ticket({
        data: waiter,
        priority: request.priority,
        order: request.order,
        cost: request.cost,
        latest: this.toLocal(request.latest),
        notBefore: request.notBefore === undefined ? undefined : this.toLocal(request.notBefore)
      })
      const decide = (): Effect.Effect<Turn, GaveUp> => {
        const { action } = waiter
        if (action?._tag === "Send") return Effect.succeed(this.turn(ticket))
        const now = this.now(clock)
        return Effect.fail({
          reason: action?.reason ?? "closed",
          waited: Duration.millis(now - began),
          predicted: Duration.millis(Math.max(0, Math.ceil((action?.startsAt ?? now) - began)))
        })
      }
      this.perform(caller, (now) => this.gate.submit(ticket, now))
      if (waiter.action !== undefined) return decide()
      const planned = Duration.millis(Math.ceil(Math.max(0, this.gate.startOf(ticket, began) - began)))
      return Effect.zipRight(
        Effect.onError(wait(awaitTurn(waiter), planned), () => this.performing((now) => this.gate.cancel(ticket, now))),
        Effect.suspend(decide)
      )
    })
  }

  get snapshot(): Effect.Effect<Gate.Snapshot> {
    return Effect.clockWith((clock) => Effect.sync(() => this.gate.snapshot(this.now(clock))))
  }

  /** The state, as metrics have it. */
  state(clock: Clock.Clock): Metrics.GateState {
    const { fullForMs, pace, waiting } = this.gate.snapshot(this.now(clock))
    // Between a bucket that is empty and one that is full lies as much drain as the bucket holds.
    const utilization = this.burstMs > 0 ? Math.max(0, 1 + fullForMs / this.burstMs) : fullForMs > 0 ? 1 : 0
    return { queueDepth: waiting, utilization, pace: pace * this.tokensPerSecond }
  }

  /** Lets every waiting call go elsewhere: nobody will wake them any more. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.closed = true
      return this.performing((now) => this.gate.close(now))
    })
  }

  private turn(ticket: Gate.Ticket<Waiter>): Turn {
    return {
      completed: (actual) => this.performing((now) => this.gate.completed(ticket, now, actual)),
      throttled: (retryAfter) => this.performing((now) => this.gate.throttled(ticket, now, retryAfter)),
      failed: this.performing((now) => this.gate.failed(ticket, now))
    }
  }

  private toLocal(instant: bigint): number {
    return toMillis(instant - this.origin)
  }

  private now(clock: Clock.Clock): number {
    return this.toLocal(clock.unsafeCurrentTimeNanos())
  }

  private tell(actions: Gate.Actions<Waiter>): void {
    for (const action of actions) {
      const waiter = action.ticket.data
      waiter.action = action
      waiter.resume?.()
    }
  }

  private performing(operation: (now: number) => Gate.Actions<Waiter>): Effect.Effect<void> {
    return Effect.withFiberRuntime((caller) => {
      this.perform(caller, operation)
      return Effect.void
    })
  }

  private perform(caller: Caller, operation: (now: number) => Gate.Actions<Waiter>): void {
    const clock = clockOf(caller)
    const now = this.now(clock)
    this.tell(operation(now))
    if (this.closed) this.tell(this.gate.close(now))
    this.setAlarm(clock, caller)
  }

  // An alarm that comes too early finds nothing to do, and costs less than to take it back; but none is left without a cause.
  private setAlarm(clock: Clock.Clock, caller: Caller): void {
    const { wakeAt } = this.gate
    if (wakeAt >= this.ringsAt && wakeAt !== Infinity) return
    this.takeBack?.(caller)
    this.takeBack = undefined
    this.ringsAt = wakeAt
    if (wakeAt === Infinity) return
    const alarm = Alarm.of(clock)
    const entry = new Alarm.Entry(this.origin + BigInt(Math.ceil(wakeAt * 1e6)), (sleeper) => {
      this.ringsAt = Infinity
      this.takeBack = undefined
      // As late as it was asked for at least: an instant in nanoseconds may come back a little smaller.
      this.tell(this.gate.tick(Math.max(this.now(clock), wakeAt)))
      this.setAlarm(clock, sleeper)
    })
    alarm.set(entry, caller.currentScheduler)
    this.takeBack = ({ currentScheduler }) => alarm.clear(entry, currentScheduler)
  }
}

const awaitTurn = (waiter: Waiter): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    waiter.resume = () => resume(Effect.void)
    // Its turn may have come while the wait was being prepared: the fiber may have yielded to others.
    if (waiter.action !== undefined) waiter.resume()
  })
