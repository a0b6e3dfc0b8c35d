/**
 * An end to how long an effect may take, set as an instant.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as Alarm from "./internal/alarm.js"
import { never } from "./internal/time.js"

/**
 * Fails with `onPassed` when the monotonic clock (`Clock.currentTimeNanos`) reaches `instant`: then `self` is interrupted,
 * and waited for.
 *
 * `Effect.timeoutFail` for the hot path: `self` may be interrupted at the instant even where the caller may not be, and all
 * that wait for an instant of one clock share one timer, which runs on the scheduler of who set the earliest of them. An
 * `instant` that has come already still lets `self` begin.
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
      Effect.contextWithEffect((context: Context.Context<R>) =>
        run(self, { context, restore, instant, onPassed, onFailure: Effect.failCause, onSuccess: Effect.succeed })
      )
    )
)

/** @internal */
export interface Running<A, E, R, A2, E2, E3> {
  /** What `self` runs in. */
  readonly context: Context.Context<R>
  readonly restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly instant: bigint
  readonly onPassed: () => E2
  readonly onFailure: (cause: Cause.Cause<E | E2>) => Effect.Effect<A2, E3>
  readonly onSuccess: (answer: A) => Effect.Effect<A2, E3>
}

/**
 * {@link failAt}, for who has put a context together, and what comes after it: the fiber that `self` gets begins with the
 * one, and the other follows uninterruptibly. To be run uninterruptibly, once.
 *
 * @internal
 */
export const run = <A, E, R, A2, E2, E3>(
  self: Effect.Effect<A, E, R>,
  { context, instant, onFailure, onPassed, onSuccess, restore }: Running<A, E, R, A2, E2, E3>
): Effect.Effect<A2, E3> => {
  let child: Fiber.RuntimeFiber<Exit.Exit<A, E>> | undefined
  let given = FiberRefs.empty()
  // What it changed in its fiber is the caller's, but for the context. Most change nothing, and to join them costs as much as a span.
  const join = (child: Fiber.RuntimeFiber<unknown>, exit: Exit.Exit<A, E>): Effect.Effect<A, E> => {
    const refs = child.getFiberRefs()
    for (const [ref, stack] of refs.locals) {
      if (stack !== given.locals.get(ref) && ref !== FiberRef.currentContext && ref !== FiberRef.currentRuntimeFlags) {
        return Effect.zipRight(Effect.inheritFiberRefs(FiberRefs.delete(refs, FiberRef.currentContext)), exit)
      }
    }
    return exit
  }
  // Whoever is interrupted already does not get here, so begins nothing.
  const running = Effect.withFiberRuntime<A, E | E2>((parent, { runtimeFlags }) => {
    given = parent.getFiberRefs()
    const started = Runtime.runFork(
      Runtime.make({
        context,
        runtimeFlags: RuntimeFlags.enable(runtimeFlags, RuntimeFlags.Interruption),
        fiberRefs: given
      }),
      // As a value: a failure that nobody waits for yet is logged as one that nobody handles. A defect of what is released as it is
      // cut off still is, and should be: nothing else tells of it.
      Effect.exit(self)
    )
    child = started
    const exit = started.unsafePoll()
    if (exit !== null) return join(started, Exit.flatten(exit))
    return Effect.async<A, E | E2>((resume) => {
      if (instant >= never) {
        started.addObserver((exit) => resume(join(started, Exit.flatten(exit))))
        return
      }
      const alarm = Alarm.of(Context.get(parent.currentDefaultServices, Clock.Clock))
      let passed = false
      const entry = new Alarm.Entry(instant, () => {
        passed = true
        started.unsafeInterruptAsFork(parent.id())
      })
      alarm.set(entry, parent.currentScheduler)
      started.addObserver((ended) => {
        const exit = Exit.flatten(ended)
        alarm.clear(entry, parent.currentScheduler)
        resume(passed && Exit.isInterrupted(exit) ? Effect.failSync(onPassed) : join(started, exit))
      })
    })
  })
  return Effect.matchCauseEffect(restore(running), {
    // Still at it: then it was the caller who was interrupted.
    onFailure: (cause) =>
      child === undefined || child.unsafePoll() !== null
        ? onFailure(cause)
        : Effect.flatMap(Fiber.interrupt(child), (ended) => {
            const exit = Exit.flatten(ended)
            const broken = Exit.isFailure(exit) ? Cause.keepDefects(exit.cause) : Option.none()
            return onFailure(Option.isSome(broken) ? Cause.sequential(cause, broken.value) : cause)
          }),
    onSuccess
  })
}
