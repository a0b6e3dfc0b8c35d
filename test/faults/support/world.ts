import { Clock, Duration, Effect } from "effect"
import type { Exit, Fiber, Scheduler } from "effect"

interface Timer {
  readonly at: number
  readonly ring: () => void
}

// What lasts longer is taken to go on for ever.
const longest = 1_000_000

/**
 * A scheduler and a clock of its own: time goes on only when no fiber can. It shares nothing with the clocks of Effect's
 * tests and of the lab, so that what is wrong there cannot hide what is wrong here.
 */
export class World implements Scheduler.Scheduler, Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  /** Milliseconds since this world began. */
  now = 0
  /** How many operations fibers have done. */
  operations = 0
  /** Called before each of them. What it sends to a fiber arrives before that fiber's next operation. */
  onOperation: (() => void) | undefined = undefined
  readonly timers = new Set<Timer>()
  private tasks: Array<Scheduler.Task> = []

  shouldYield(fiber: Fiber.RuntimeFiber<unknown, unknown>): number | false {
    this.operations++
    this.onOperation?.()
    return fiber.currentOpCount > 2048 ? 0 : false
  }

  scheduleTask(task: Scheduler.Task): void {
    this.tasks.push(task)
  }

  /** `epoch`: the time of day at which it begins. */
  constructor(private readonly epoch = 0) {}

  unsafeCurrentTimeMillis(): number {
    return this.epoch + this.now
  }

  unsafeCurrentTimeNanos(): bigint {
    return BigInt(Math.round(this.now * 1e6))
  }

  readonly currentTimeMillis = Effect.sync(() => this.unsafeCurrentTimeMillis())
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.async<void>((resume) => {
      if (!Duration.isFinite(duration)) return Effect.void
      return this.after(Duration.toMillis(duration), () => resume(Effect.void))
    })
  }

  /** Calls back in so many milliseconds; what it returns takes that back. */
  after(millis: number, ring: () => void): Effect.Effect<void> {
    const timer = { at: this.now + millis, ring }
    this.timers.add(timer)
    return Effect.sync(() => void this.timers.delete(timer))
  }

  /** {@link after}, taken back when the signal is aborted. */
  schedule(millis: number, signal: AbortSignal, ring: () => void): void {
    const timer = { at: this.now + millis, ring }
    this.timers.add(timer)
    signal.addEventListener("abort", () => this.timers.delete(timer))
  }

  /** Runs all there is to run at this instant. */
  async settle(): Promise<void> {
    for (;;) {
      for (let task = this.tasks.shift(); task !== undefined; task = this.tasks.shift()) task()
      // What promises and fibers on other schedulers have to do, until nothing comes of it any more.
      await new Promise((resolve) => setImmediate(resolve))
      if (this.tasks.length === 0) return
    }
  }

  /** Goes to the next instant at which anything happens; false where there is none. */
  advance(): boolean {
    let first: Timer | undefined
    for (const timer of this.timers) if (first === undefined || timer.at < first.at) first = timer
    if (first === undefined) return false
    this.timers.delete(first)
    this.now = Math.max(this.now, first.at)
    first.ring()
    return true
  }

  fork<A, E>(effect: Effect.Effect<A, E>): Fiber.RuntimeFiber<A, E> {
    return Effect.runFork(Effect.withClock(effect, this), { scheduler: this })
  }

  /** Runs until a fiber has ended; undefined where nothing that could still happen would end it. */
  async until<A, E>(fiber: Fiber.RuntimeFiber<A, E>): Promise<Exit.Exit<A, E> | undefined> {
    for (;;) {
      await this.settle()
      const exit = fiber.unsafePoll()
      if (exit !== null) return exit
      if (this.operations > longest || !this.advance()) return undefined
    }
  }
}
