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
  /** How many operations a fiber does before it lets the others go on. */
  patience = 2048
  /** By how much timers ring too early, as Node's do: milliseconds. */
  early = 0
  readonly timers = new Set<Timer>()
  private tasks: Array<Scheduler.Task> = []

  shouldYield(fiber: Fiber.RuntimeFiber<unknown, unknown>): number | false {
    this.operations++
    this.onOperation?.()
    return fiber.currentOpCount > this.patience ? 0 : false
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
    if (!Duration.isFinite(duration)) return Effect.never
    return Effect.suspend(() => {
      let cancel: Effect.Effect<void> = Effect.void
      const sleeping = Effect.async<void>((resume) => {
        cancel = this.after(Duration.toMillis(duration), () => resume(Effect.void))
      })
      // Not as the value of what is above: that is not heard of by a fiber that is interrupted before its next operation.
      return Effect.onInterrupt(sleeping, () => cancel)
    })
  }

  /** Calls back in so many milliseconds; what it returns takes that back. */
  after(millis: number, ring: () => void): Effect.Effect<void> {
    const timer = { at: this.now + Math.max(0, millis - this.early), ring }
    this.timers.add(timer)
    return Effect.sync(() => void this.timers.delete(timer))
  }

  /** {@link after}, taken back when the signal is aborted. */
  schedule(millis: number, signal: AbortSignal, ring: () => void): void {
    const timer = { at: this.now + millis, ring }
    this.timers.add(timer)
    signal.addEventListener("abort", () => this.timers.delete(timer))
  }

  /** Runs all there is to run at this instant, where nobody waits for a promise. */
  run(): void {
    for (let task = this.tasks.shift(); task !== undefined; task = this.tasks.shift()) task()
  }

  /** Runs all there is to run at this instant. */
  async settle(): Promise<void> {
    for (;;) {
      this.run()
      // What promises and fibers on other schedulers have to do, until nothing comes of it any more.
      await new Promise((resolve) => setImmediate(resolve))
      if (this.tasks.length === 0) return
    }
  }

  private get first(): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.timers) if (first === undefined || timer.at < first.at) first = timer
    return first
  }

  /** The next instant at which anything happens. */
  get next(): number {
    return this.first?.at ?? Infinity
  }

  /** Goes to the next instant at which anything happens; false where there is none. */
  advance(): boolean {
    const { first } = this
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
