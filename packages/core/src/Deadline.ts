/**
 * An end to how long an effect may take, set as an instant.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import { dual } from "effect/Function"
import * as Runtime from "effect/Runtime"
import * as Alarm from "./internal/alarm.js"
import { never } from "./internal/time.js"

/**
 * Fails with `onPassed` when the monotonic clock (`Clock.currentTimeNanos`) reaches `instant`: then `self` is interrupted,
 * and waited for.
 *
 * `Effect.timeoutFail` for the hot path: `self` may be interrupted at the instant even where the caller may not be, and all
 * that wait for an instant of one clock share one timer. An `instant` that has come already still lets `self` begin.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Clock, Effect } from "effect"
 * import { Deadline } from "@spillway/core"
 *
 * export const first = Effect.flatMap(Clock.currentTimeNanos, (now) =>
 *   Effect.never.pipe(Deadline.failAt(now + 2_000_000_000n, () => "two seconds have passed"))
 * )
 * ```
 */
export const failAt: {
  <E2>(instant: bigint, onPassed: () => E2): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | E2, R>
  <A, E, R, E2>(self: Effect.Effect<A, E, R>, instant: bigint, onPassed: () => E2): Effect.Effect<A, E | E2, R>
} = dual(
  3,
  <A, E, R, E2>(self: Effect.Effect<A, E, R>, instant: bigint, onPassed: () => E2): Effect.Effect<A, E | E2, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.clockWith((clock) =>
        Effect.contextWithEffect((context: Context.Context<R>) =>
          run(self, { context, clock, restore, instant, onPassed })
        )
      )
    )
)

/** @internal */
export interface Running<R, E2> {
  /** What `self` runs in. */
  readonly context: Context.Context<R>
  readonly clock: Clock.Clock
  readonly restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly instant: bigint
  readonly onPassed: () => E2
}

/**
 * {@link failAt}, for who has put a context together: the fiber that `self` gets begins with it. To be run
 * uninterruptibly.
 *
 * @internal
 */
export const run = <A, E, R, E2>(
  self: Effect.Effect<A, E, R>,
  { clock, context, instant, onPassed, restore }: Running<R, E2>
): Effect.Effect<A, E | E2> =>
  // Whoever is interrupted already begins nothing.
  Effect.zipRight(
    restore(Effect.void),
    Effect.withFiberRuntime<A, E | E2>((parent, { runtimeFlags }) => {
      let given: FiberRefs.FiberRefs | undefined
      const child = Runtime.runFork(
        Runtime.make({ context, runtimeFlags, fiberRefs: parent.getFiberRefs() }),
        // As a value: a failure that nobody waits for yet is logged as one that nobody handles.
        Effect.withFiberRuntime<Exit.Exit<A, E>, never, R>((child) => {
          given = child.getFiberRefs()
          return Effect.exit(Effect.interruptible(self))
        })
      )
      // What it changed in its fiber is the caller's, but for what it was given.
      const join = (exit: Exit.Exit<A, E>): Effect.Effect<A, E> => {
        const refs = child.getFiberRefs()
        return refs === given
          ? exit
          : Effect.zipRight(Effect.inheritFiberRefs(FiberRefs.delete(refs, FiberRef.currentContext)), exit)
      }
      const exit = child.unsafePoll()
      if (exit !== null) return join(Exit.flatten(exit))
      const waiting = Effect.async<A, E | E2>((resume) => {
        if (instant >= never) {
          child.addObserver((exit) => resume(join(Exit.flatten(exit))))
          return
        }
        const alarm = Alarm.of(clock)
        let passed = false
        const entry = new Alarm.Entry(instant, () => {
          passed = true
          child.unsafeInterruptAsFork(parent.id())
        })
        alarm.set(entry, parent.currentScheduler)
        child.addObserver((ended) => {
          const exit = Exit.flatten(ended)
          alarm.clear(entry, parent.currentScheduler)
          resume(passed && Exit.isInterrupted(exit) ? Effect.failSync(onPassed) : join(exit))
        })
      })
      return Effect.onInterrupt(restore(waiting), () => Fiber.interrupt(child))
    })
  )
