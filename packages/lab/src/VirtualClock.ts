/**
 * Effect's clock over a {@link Timeline}: fibers run in virtual time, as fast as they can, in an order that is the same
 * every time. For code that has to run as it is, where {@link Simulation} would need it taken apart.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import type * as Scheduler from "effect/Scheduler"
import { Timeline } from "./Timeline.js"

/**
 * Every fiber waits, and for nothing that time could bring: something other than the clock was to wake them.
 *
 * @since 0.1.0
 * @category errors
 */
export class Stalled extends Data.TaggedError("Stalled")<{ readonly atMs: number }> {
  override get message(): string {
    return `at ${this.atMs} ms of virtual time every fiber waits for something that is not time, such as a promise or a socket`
  }
}

/**
 * A clock that reads a timeline and sleeps on it. It starts at 0, in 1970.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Timeline, VirtualClock } from "@spillway/lab"
 * import { Effect } from "effect"
 *
 * const timeline = new Timeline.Timeline()
 *
 * // Ends when the timeline has been run for a second.
 * export const program = Effect.sleep("1 second").pipe(Effect.withClock(VirtualClock.make(timeline)))
 * ```
 */
export const make = (timeline: Timeline): Clock.Clock => {
  const nanos = () => BigInt(Math.round(timeline.now * 1e6))
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => timeline.now,
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: Effect.sync(() => timeline.now),
    currentTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Effect.async<void>((resume) => {
        if (!Duration.isFinite(duration)) return Effect.void
        const event = timeline.after(Duration.toMillis(duration), () => resume(Effect.void))
        return Effect.sync(() => timeline.cancel(event))
      })
  }
}

// Tasks in the order in which they came; nothing runs until it is told to.
class Agenda implements Scheduler.Scheduler {
  private tasks: Array<Scheduler.Task> = []

  shouldYield(): false {
    return false
  }

  scheduleTask(task: Scheduler.Task): void {
    this.tasks.push(task)
  }

  /** Runs all there is to run, and what comes of it. */
  run(): void {
    while (this.tasks.length > 0) {
      const { tasks } = this
      this.tasks = []
      for (const task of tasks) task()
    }
  }
}

// Instants of virtual time after which whoever else lives in this process gets a turn.
const slice = 1000

/**
 * Runs an effect in virtual time, from 0, on a scheduler and a timeline of its own. Time goes on only when no fiber can;
 * so what the effect waits for has to be the clock or another of its fibers, else it fails with {@link Stalled}. Interruption
 * ends it.
 *
 * @since 0.1.0
 * @category running
 * @example
 * ```ts
 * import { Clock, Effect } from "effect"
 * import { VirtualClock } from "@spillway/lab"
 *
 * // An hour, in no time.
 * export const later = Effect.sleep("1 hour").pipe(
 *   Effect.zipRight(Clock.currentTimeMillis),
 *   VirtualClock.run // => 3600000
 * )
 * ```
 */
export const run = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Stalled, R> =>
  Effect.suspend(() => {
    const timeline = new Timeline()
    const agenda = new Agenda()
    return Effect.gen(function* () {
      const done = yield* Deferred.make<Exit.Exit<A, E>>()
      let finished = false
      const fiber = yield* effect.pipe(
        Effect.withClock(make(timeline)),
        Effect.exit,
        Effect.tap((exit) =>
          Effect.zipRight(
            Deferred.succeed(done, exit),
            Effect.sync(() => (finished = true))
          )
        ),
        Effect.fork,
        Effect.locally(FiberRef.currentScheduler, agenda)
      )
      const drive: Effect.Effect<void, Stalled> = Effect.suspend(() => {
        for (let left = slice; left > 0; left--) {
          agenda.run()
          if (finished) return Effect.void
          if (!timeline.step()) return Effect.fail(new Stalled({ atMs: timeline.now }))
        }
        // Not yieldNow, which comes back before timers and signals had their turn.
        return Effect.zipRight(Effect.sleep(0), drive)
      })
      const stop = Effect.fiberIdWith((id) => {
        fiber.unsafeInterruptAsFork(id)
        return Effect.ignore(drive)
      })
      yield* Effect.onError(drive, () => stop)
      return yield* Effect.flatten(Deferred.await(done))
    })
  })
