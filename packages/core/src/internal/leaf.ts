import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import { Call } from "../Call.js"
import * as Deadline from "../Deadline.js"
import type { Passage } from "./passage.js"
import * as Passages from "./passage.js"
import * as Span from "./span.js"
import { never, sleepUntil, toMillis, toNanos } from "./time.js"
import * as Uninterrupted from "./uninterrupted.js"
import * as Metrics from "../Metrics.js"
import { attributes, spans } from "../Telemetry.js"
import type { Cut, Failure, Options, Pause, Runner, Use } from "../Runner.js"

// The compiler cannot know that what was excluded and then added is all there was.
const within = <R>(context: Context.Context<never>, scope: Scope.Scope, span: Tracer.Span): Context.Context<R> =>
  Span.within(context, span, Scope.Scope, scope) as Context.Context<R>

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * A runner over one deployment: the only place where attempt and wait spans are made and attempts are recorded.
 *
 * Without a wait and without a failure, an attempt costs one span. An attempt is cut off at the earlier of `timeout` and
 * the call's deadline.
 *
 * With `admission` every attempt first waits for its turn: within `CallSettings.longestWait` from the start of the call,
 * with the call's priority, in its order of arrival. A call whose turn would come later fails without being sent, and
 * without an attempt in its log. Its turn lasts until the attempt is over, for a stream until its end.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Runner } from "@spillway/core"
 * import { Duration } from "effect"
 *
 * // A deployment of another cloud, reached through a function of its own.
 * export const deployment = Runner.make({
 *   deployment: "eu-reserved",
 *   model: "mixtral",
 *   kind: "provisioned",
 *   target: (prompt: string) => `sent ${prompt}`,
 *   timeout: Duration.minutes(2),
 *   attributes: { "server.address": "inference.example.com" },
 *   cutOff: (cut) => failure(cut),
 *   toError: (failed: Runner.Failure, history) => new Error(`${failed.errorType} after ${history.attempts.length} attempts`)
 * })
 *
 * declare const failure: (errorType: string) => Runner.Failure
 * ```
 */
export const make = <Target, F extends Failure, E>(options: Options<Target, F, E>): Runner<Target, F, E> => {
  const { admission, deployment, kind, model, target } = options
  const metrics = Metrics.deployment(options)
  const timeout = toNanos(options.timeout)
  const spanOptions = {
    kind: "client",
    captureStackTrace: false,
    attributes: { ...options.attributes, [attributes.deployment]: deployment }
  } as const

  const toError = (call: Call["Type"], failure: F): E =>
    options.toError(failure, { attempts: [...call.attempts], since: call.startedAt, once: call.once })

  // To be run uninterruptibly.
  const attempt = <A, R>(
    use: Use<Target, A, F, R>,
    call: Call["Type"],
    restore: Restore,
    passage: Passage<F> | undefined
  ): Effect.Effect<A, E, Exclude<R, Scope.Scope>> =>
    Effect.withFiberRuntime((fiber) => {
      const clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
      const startedAt = clock.unsafeCurrentTimeNanos()
      const deadline = Option.getOrElse(call.deadline, () => never)
      if (deadline <= startedAt) return Effect.fail(toError(call, options.cutOff("deadline", {})))
      const cut: Cut = deadline <= startedAt + timeout ? "deadline" : "timeout"
      const resends = call.sentBy(runner)
      const number = call.attempts.length + 1
      const record = (outcome: string, failure?: F): void =>
        call.record(
          runner,
          {
            number,
            deployment,
            kind,
            outcome,
            ...(failure === undefined || Option.isNone(failure.retryAfter)
              ? {}
              : { retryAfterMs: Duration.toMillis(failure.retryAfter.value) }),
            startedMs: toMillis(startedAt - call.startedAt),
            durationMs: toMillis(clock.unsafeCurrentTimeNanos() - startedAt)
          },
          failure?.errorType
        )
      return Effect.flatMap(Effect.makeSpan(spans.attempt(kind), spanOptions), (span) =>
        Effect.flatMap(Scope.make(), (scope) => {
          span.attribute(attributes.attempt, number)
          if (resends > 0) span.attribute(attributes.resendCount, resends)
          call.recordSent(metrics)
          const endSpan = Span.ender(span, clock, fiber)
          // A finalizer that breaks must not keep the span open.
          const end = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
            Uninterrupted.ensure(
              Scope.close(scope, exit),
              Effect.sync(() => {
                call.recordEnded(metrics)
                endSpan(exit)
              })
            )
          const fail = (cause: Cause.Cause<F>): Effect.Effect<never, E> => {
            const failed = (): Exit.Exit<never, E> =>
              Either.match(Cause.failureOrCause(cause), {
                onLeft: (failure) => {
                  if (failure.unsent !== true) record(failure._tag, failure)
                  span.attribute(attributes.errorType, failure.errorType)
                  if (Option.isSome(failure.retryAfter)) {
                    span.attribute(attributes.retryAfterMs, Duration.toMillis(failure.retryAfter.value))
                  }
                  return Exit.fail(toError(call, failure))
                },
                onRight: (cause) => {
                  const outcome = Cause.isInterruptedOnly(cause) ? "interrupted" : "defect"
                  record(outcome)
                  span.attribute(attributes.errorType, outcome)
                  return Exit.failCause(cause)
                }
              })
            // Both causes surface where a finalizer breaks: it must not hide what the attempt came to.
            return Effect.onExit(
              Effect.suspend((): Effect.Effect<never, E> =>
                passage === undefined ? failed() : Effect.flatMap(Passages.refuse(call, passage, cause), failed)
              ),
              (exit) => end(exit)
            )
          }
          return Deadline.run(
            Effect.suspend(() => use(target)),
            {
              context: within<R>(fiber.currentContext, scope, span),
              restore,
              instant: cut === "deadline" ? deadline : startedAt + timeout,
              onPassed: () => options.cutOff(cut, call.reply),
              onFailure: fail,
              onSuccess: (answer) => {
                record("answered")
                const ending =
                  passage === undefined
                    ? end
                    : (exit: Exit.Exit<unknown, unknown>) =>
                        Uninterrupted.ensure(Passages.settle(call, passage), end(exit))
                return Effect.as(call.addFinalizer(ending), answer)
              }
            }
          )
        })
      )
    })

  // To be run uninterruptibly, but for `waiting`: `Effect.withSpan` loses a span that is interrupted as it begins.
  const waitSpan = (
    call: Call["Type"],
    began: bigint,
    waiting: Effect.Effect<void>,
    plan: { readonly reason: string; readonly planned: Duration.Duration }
  ): Effect.Effect<void> =>
    waiting.pipe(
      Effect.ensuring(Effect.map(Clock.currentTimeNanos, (ended) => call.recordWait(ended - began))),
      Effect.withSpan(spans.wait, {
        kind: "internal",
        captureStackTrace: false,
        attributes: {
          [attributes.deployment]: deployment,
          [attributes.waitReason]: plan.reason,
          [attributes.waitPlannedMs]: Duration.toMillis(plan.planned)
        }
      })
    )

  const wait = (call: Call["Type"], pause: Pause, restore: Restore): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeNanos, (began) =>
      // Also where the time has passed by now, as on a busy machine: whoever reads the trace finds every wait that was decided on.
      Duration.equals(pause.planned, Duration.zero)
        ? Effect.void
        : waitSpan(call, began, restore(sleepUntil(pause.notBefore)), pause)
    )

  const runner: Runner<Target, F, E> = {
    primary: { deployment, model, kind },
    execute: (use, conditions) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.withFiberRuntime((fiber) => {
          const call = Context.unsafeGet(fiber.currentContext, Call)
          if (admission === undefined) {
            const sending = attempt(use, call, restore, undefined)
            return conditions?.pause === undefined
              ? sending
              : Effect.zipRight(wait(call, conditions.pause, restore), sending)
          }
          const waitInLine: Passages.Wait = (waiting, plan) =>
            Effect.flatMap(Clock.currentTimeNanos, (began) => waitSpan(call, began, restore(waiting), plan))
          return Effect.flatMap(
            Passages.enter(admission, call, conditions, waitInLine, (failure) => toError(call, failure)),
            (passage) =>
              // An attempt that could not even begin gives its turn back as well; one that is settled stays so.
              Effect.catchAllCause(attempt(use, call, restore, passage), (cause) =>
                Effect.zipRight(passage.turn.failed, Effect.failCause(cause))
              )
          )
        })
      ),
    get members() {
      return [{ target, runner }]
    }
  }
  return runner
}
