import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import type * as Scheduler from "effect/Scheduler"
import { sleepUntil } from "./time.js"

/** What is to happen at an instant of `Clock.currentTimeNanos`, unless it is taken back. @internal */
export class Entry {
  /** Its place in the heap. */
  at = -1

  constructor(
    readonly instant: bigint,
    /** `sleeper`: the fiber that found that it is time. What is set meanwhile is seen to by it. */
    readonly ring: (sleeper: Fiber.RuntimeFiber<unknown, unknown>) => void
  ) {}
}

/**
 * Rings at instants of one clock. However many are set, one fiber sleeps, until the first of them: a timer for each attempt
 * would cost more than the attempt. It sleeps only while something is set, so it keeps no process alive.
 *
 * One that breaks as it rings breaks no other: it is logged.
 *
 * A binary heap in which each entry knows its place, so that most entries, which never ring, leave in O(log n).
 *
 * @internal
 */
export class Alarm {
  private readonly heap: Array<Entry> = []
  private sleeper: Fiber.RuntimeFiber<void> | undefined
  private ringsAt = 0n
  private ringing = false
  private leaving: Fiber.RuntimeFiber<void> | undefined

  constructor(private readonly clock: Clock.Clock) {}

  /** `scheduler`: where the sleeper runs, if this entry is what it has to begin for. */
  set(entry: Entry, scheduler: Scheduler.Scheduler): void {
    this.heap.push(entry)
    this.up(entry, this.heap.length - 1)
    if (this.ringing || (this.sleeper !== undefined && this.ringsAt <= entry.instant)) return
    this.stop()
    this.ringsAt = entry.instant
    // In no caller's name: it outlives whoever set it, and must not hold on to their context.
    this.sleeper = Runtime.runFork(Runtime.defaultRuntime, Effect.withClock(this.sleeping, this.clock), {
      immediate: false,
      scheduler
    })
  }

  /** Takes back what has not rung. `scheduler`: where to see about an alarm that has nothing left to ring for. */
  clear(entry: Entry, scheduler: Scheduler.Scheduler): void {
    this.remove(entry)
    if (this.heap.length > 0 || this.leaving === this.sleeper) return
    // The next call often comes in the same turn of the event loop.
    this.leaving = this.sleeper
    scheduler.scheduleTask(() => {
      this.leaving = undefined
      if (this.heap.length === 0) this.stop()
    }, 0)
  }

  private readonly sleeping: Effect.Effect<void> = Effect.suspend(() =>
    Effect.zipRight(
      sleepUntil(this.ringsAt),
      Effect.withFiberRuntime((sleeper) => {
        const now = this.clock.unsafeCurrentTimeNanos()
        const broken: Array<unknown> = []
        this.ringing = true
        for (let first = this.heap[0]; first !== undefined && first.instant <= now; first = this.heap[0]) {
          this.remove(first)
          try {
            first.ring(sleeper)
          } catch (error) {
            broken.push(error)
          }
        }
        this.ringing = false
        const told = Effect.forEach(broken, (error) => Effect.logError("An alarm broke", Cause.die(error)), {
          discard: true
        })
        const next = this.heap[0]
        if (next === undefined) {
          this.sleeper = undefined
          return told
        }
        this.ringsAt = next.instant
        return Effect.zipRight(told, this.sleeping)
      })
    )
  )

  private stop(): void {
    this.sleeper?.unsafeInterruptAsFork(FiberId.none)
    this.sleeper = undefined
  }

  private remove(entry: Entry): void {
    const { at } = entry
    if (at < 0) return
    entry.at = -1
    const last = this.heap.pop()
    if (last === undefined || last === entry) return
    this.up(last, at)
    this.down(last)
  }

  // Puts an entry where `at` is free, or above it.
  private up(entry: Entry, at: number): void {
    let place = at
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = this.heap[above]
      if (parent === undefined || parent.instant <= entry.instant) break
      this.put(parent, place)
      place = above
    }
    this.put(entry, place)
  }

  private down(entry: Entry): void {
    let place = entry.at
    for (;;) {
      const left = this.heap[2 * place + 1]
      const right = this.heap[2 * place + 2]
      const child = right !== undefined && left !== undefined && right.instant < left.instant ? right : left
      if (child === undefined || child.instant >= entry.instant) break
      const below = child.at
      this.put(child, place)
      place = below
    }
    this.put(entry, place)
  }

  private put(entry: Entry, place: number): void {
    this.heap[place] = entry
    entry.at = place
  }
}

const alarms = new WeakMap<Clock.Clock, Alarm>()

/** The alarm of a clock. @internal */
export const of = (clock: Clock.Clock): Alarm => {
  const known = alarms.get(clock)
  if (known !== undefined) return known
  const alarm = new Alarm(clock)
  alarms.set(clock, alarm)
  return alarm
}
