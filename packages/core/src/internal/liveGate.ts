import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberHandle from "effect/FiberHandle"
import * as Gate from "../Gate.js"
import { sleepUntil, toMillis } from "./time.js"
import type * as Metrics from "../Metrics.js"

import type { Controller, GaveUp, Options, Request, Turn } from "../Admission.js"

class Waiter {
  action: Gate.Action<Waiter> | undefined = undefined
  resume: (() => void) | undefined = undefined
}

/** A gate, its timer and those who wait at it. @internal */
export class LiveGate implements Controller {
  readonly maxWait: Duration.Duration
  private readonly gate: Gate.Gate<Waiter>
  private readonly burstMs: number
  private readonly tokensPerSecond: number
  /** When the running timer rings; Infinity while none runs. */
  private ringsAt = Infinity
  private closed = false

  constructor(
    options: Options,
    /** Where the gate's own time begins: small numbers keep their fractions. */
    private readonly origin: bigint,
    private readonly timer: FiberHandle.FiberHandle<void>
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
    return Effect.clockWith((clock) => {
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
      const entering = this.perform((now) => this.gate.submit(ticket, now))
      const waiting = Effect.suspend(() => {
        if (waiter.action !== undefined) return Effect.void
        const planned = Duration.millis(Math.ceil(Math.max(0, this.gate.startOf(ticket, began) - began)))
        return Effect.onError(wait(awaitTurn(waiter), planned), () =>
          this.perform((now) => this.gate.cancel(ticket, now))
        )
      })
      const deciding = Effect.suspend((): Effect.Effect<Turn, GaveUp> => {
        const { action } = waiter
        if (action?._tag === "Send") return Effect.succeed(this.turn(ticket))
        const now = this.now(clock)
        return Effect.fail({
          reason: action?.reason ?? "closed",
          waited: Duration.millis(now - began),
          predicted: Duration.millis(Math.max(0, Math.ceil((action?.startsAt ?? now) - began)))
        })
      })
      return Effect.zipRight(Effect.zipRight(entering, waiting), deciding)
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
      return this.perform((now) => this.gate.close(now))
    })
  }

  private turn(ticket: Gate.Ticket<Waiter>): Turn {
    return {
      completed: (actual) => this.perform((now) => this.gate.completed(ticket, now, actual)),
      throttled: (retryAfter) => this.perform((now) => this.gate.throttled(ticket, now, retryAfter)),
      failed: this.perform((now) => this.gate.failed(ticket, now))
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

  private perform(operation: (now: number) => Gate.Actions<Waiter>): Effect.Effect<void> {
    return Effect.clockWith((clock) => {
      const now = this.now(clock)
      this.tell(operation(now))
      if (this.closed) {
        this.tell(this.gate.close(now))
        return Effect.void
      }
      if (this.gate.wakeAt >= this.ringsAt) return Effect.void
      this.ringsAt = this.gate.wakeAt
      return Effect.asVoid(FiberHandle.run(this.timer, this.ring))
    })
  }

  private readonly ring: Effect.Effect<void> = Effect.suspend(() =>
    Effect.zipRight(
      sleepUntil(this.origin + BigInt(Math.ceil(this.ringsAt * 1e6))),
      Effect.clockWith((clock) => {
        this.tell(this.gate.tick(this.now(clock)))
        this.ringsAt = this.gate.wakeAt
        return this.ringsAt === Infinity ? Effect.void : this.ring
      })
    )
  )
}

const awaitTurn = (waiter: Waiter): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    waiter.resume = () => resume(Effect.void)
    // Its turn may have come while the wait was being prepared: the fiber may have yielded to others.
    if (waiter.action !== undefined) waiter.resume()
  })
