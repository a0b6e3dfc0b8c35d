/**
 * A deployment as the policy sees it: something that runs an attempt, and says what came of it. `retry` and `orElse` make
 * a runner out of runners, so the policy is written once for every operation and every transport.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Decision from "effect/ScheduleDecision"
import * as Intervals from "effect/ScheduleIntervals"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type * as Admission from "./Admission.js"
import type { Attempt, Kind } from "./Attempt.js"
import type { Reply } from "./Call.js"
import { Call } from "./Call.js"
import * as Deadline from "./Deadline.js"
import type { Passage } from "./internal/passage.js"
import * as Passages from "./internal/passage.js"
import * as Span from "./internal/span.js"
import { never, sleepUntil, toMillis, toNanos } from "./internal/time.js"
import * as Metrics from "./Metrics.js"
import type { Retryable } from "./Recovery.js"
import { isRecoverable, isRetryable } from "./Recovery.js"
import { limitOf, shortestWait } from "./RetryAfter.js"
import { attributes, spans } from "./Telemetry.js"

/**
 * A wait before an attempt, decided on by a Schedule. `notBefore` is an instant of `Clock.currentTimeNanos`. `hinted`: it is
 * the server's hint and no longer; then admission, which was told the hint, may know better since.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pause {
  readonly notBefore: bigint
  readonly planned: Duration.Duration
  readonly reason: "retry-after" | "backoff"
  readonly hinted: boolean
}

/**
 * What a policy above a runner has decided for the attempt to come.
 *
 * - `pause`: the wait before it. Defaults to none.
 * - `waitLimit`: how long the Schedule around the deployment lets calls wait, for admission, where they also wait for their
 *   first attempt. Defaults to admission's own.
 *
 * @since 0.1.0
 * @category models
 */
export interface Conditions {
  readonly pause?: Pause | undefined
  readonly waitLimit?: Duration.Duration | undefined
}

/**
 * Which deployment a runner begins with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Primary {
  readonly deployment: string
  readonly model: string
  readonly kind: Kind
}

/**
 * What is done with a deployment in one attempt. What it acquires is released when the attempt has failed, or the call that
 * it answered has ended.
 *
 * @since 0.1.0
 * @category models
 */
export type Use<Target, A, F, R> = (target: Target) => Effect.Effect<A, F, R>

/**
 * A deployment, or several behind a policy.
 *
 * `execute` waits as `conditions` say, then runs `use` against a deployment's `Target` as one attempt, with a span of its own. It
 * is polymorphic in the answer. `use` fails with what one reply came to (`F`); the caller gets the error (`E`), which
 * carries all attempts of the call. A runner of your own that wraps another hands `conditions` on: without them a retry
 * comes at once. What `use` acquires lives until the enclosing Scope closes, unless the attempt fails:
 * then it is released before anything else happens. Interruption ends a wait or a request at once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Runner<in out Target, in out F, in out E> {
  readonly primary: Primary
  readonly execute: <A, R>(
    use: Use<Target, A, F, R>,
    conditions?: Conditions
  ) => Effect.Effect<A, E, Exclude<R, Scope.Scope> | Call>
  /** The deployments behind it, in order. Absent where it does not say; then it is asked as a whole. */
  readonly members?: ReadonlyArray<Member<Target, F, E>> | undefined
}

/**
 * One deployment of a runner, with what the policy does for it: its retries, and no other deployment. For requests that
 * only one deployment can answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Member<in out Target, in out F, in out E> {
  readonly target: Target
  readonly runner: Runner<Target, F, E>
}

/**
 * What the policy has to know of a failed reply.
 *
 * @since 0.1.0
 * @category models
 */
export interface Failure {
  /** The tag of the error it becomes. */
  readonly _tag: string
  /** `error.type` of the attempt's span: a status, or a short name. Low in cardinality. */
  readonly errorType: string
  readonly retryAfter: Option.Option<Duration.Duration>
  /** No request was made: then the attempt does not count. Defaults to false. */
  readonly unsent?: boolean | undefined
}

/**
 * What an error is made from besides the failure: all attempts of the call, the failed one last, and when it began.
 *
 * @since 0.1.0
 * @category models
 */
export interface History {
  readonly attempts: ReadonlyArray<Attempt>
  readonly since: bigint
  /** Whether the request must not run twice: then no error after which it may have run is recoverable. Defaults to false. */
  readonly once?: boolean | undefined
}

/**
 * Why an attempt was cut off: its own timeout, or the deadline of the call.
 *
 * @since 0.1.0
 * @category models
 */
export type Cut = "timeout" | "deadline"

/**
 * What {@link make} needs to run attempts against one deployment.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<Target, F extends Failure, E> {
  readonly deployment: string
  readonly model: string
  readonly kind: Kind
  readonly target: Target
  /** The longest a single attempt may take. */
  readonly timeout: Duration.Duration
  /** The gate that attempts wait at. Defaults to none: they are sent at once. */
  readonly admission?: Admission.Admitted<F> | undefined
  /** What tokens cost, for the estimate in the metrics. Defaults to no estimate. */
  readonly prices?: Metrics.Prices | undefined
  /** Attributes of every attempt's span. */
  readonly attributes: Record<string, unknown>
  /** What an attempt that was cut off failed with, given what had come of its reply. */
  readonly cutOff: (cut: Cut, reply: Reply) => F
  /** The caller's error for a failed attempt. */
  readonly toError: (failure: F, history: History) => E
}

// The compiler cannot know that what was excluded and then added is all there was.
const within = <R>(
  context: Context.Context<Exclude<R, Scope.Scope>>,
  scope: Scope.Scope,
  span: Tracer.Span
): Context.Context<R> =>
  Context.add(Context.add(context, Scope.Scope, scope), Tracer.ParentSpan, span) as Context.Context<R>

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * A runner over one deployment: the only place where attempt and wait spans are made and attempts are recorded.
 *
 * Without a wait and without a failure, an attempt costs one span. An attempt is cut off at the earlier of `timeout` and
 * the call's deadline.
 *
 * With `admission` every attempt first waits for its turn: within `CallSettings.longestWait` from the start of the call,
 * with the call's priority, in its order of arrival. A call whose turn would come later fails without being sent, and
 * without an attempt in its log. Its turn lasts until the attempt's scope closes, for a stream until its end.
 *
 * @since 0.1.0
 * @category constructors
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

  const overdue = (call: Call["Type"], passage: Passage<F> | undefined): Effect.Effect<never, E> => {
    const failed = Effect.failSync(() => toError(call, options.cutOff("deadline", {})))
    return passage === undefined ? failed : Effect.zipRight(passage.turn.failed, failed)
  }

  // To be run uninterruptibly.
  const attempt = <A, R>(
    use: Use<Target, A, F, R>,
    call: Call["Type"],
    restore: Restore,
    passage: Passage<F> | undefined
  ): Effect.Effect<A, E, Exclude<R, Scope.Scope>> =>
    Effect.contextWithEffect((context: Context.Context<Exclude<R, Scope.Scope>>) =>
      Effect.withFiberRuntime((fiber) => {
        const clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
        const startedAt = clock.unsafeCurrentTimeNanos()
        const deadline = Option.getOrElse(call.deadline, () => never)
        if (deadline <= startedAt) return overdue(call, passage)
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
              Effect.ensuring(
                Scope.close(scope, exit),
                Effect.sync(() => {
                  call.recordEnded(metrics)
                  endSpan(exit)
                })
              )
            const fail = (cause: Cause.Cause<F>): Effect.Effect<never, E> => {
              const failed = Either.match(Cause.failureOrCause(cause), {
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
              return Effect.ensuring(failed, end(failed))
            }
            const running = Deadline.run(
              Effect.suspend(() => use(target)),
              {
                context: within(context, scope, span),
                clock,
                restore,
                instant: cut === "deadline" ? deadline : startedAt + timeout,
                onPassed: () => options.cutOff(cut, call.reply)
              }
            )
            return Effect.flatMap(Effect.exit(running), (exit): Effect.Effect<A, E> => {
              if (Exit.isSuccess(exit)) {
                record("answered")
                call.addFinalizer(
                  passage === undefined ? end : (exit) => Effect.ensuring(Passages.settle(call, passage), end(exit))
                )
                return Exit.succeed(exit.value)
              }
              return passage === undefined
                ? fail(exit.cause)
                : Effect.zipRight(Passages.refuse(call, passage, exit.cause), fail(exit.cause))
            })
          })
        )
      })
    )

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

  const wait = (call: Call["Type"], pause: Pause): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeNanos, (began) =>
      // Also where the time has passed by now, as on a busy machine: whoever reads the trace finds every wait that was decided on.
      Duration.equals(pause.planned, Duration.zero)
        ? Effect.void
        : waitSpan(call, began, sleepUntil(pause.notBefore), pause)
    )

  const runner: Runner<Target, F, E> = {
    primary: { deployment, model, kind },
    execute: (use, conditions) =>
      Effect.flatMap(Call, (call) => {
        if (admission !== undefined) {
          return Effect.uninterruptibleMask((restore) => {
            const wait: Passages.Wait = (waiting, plan) =>
              Effect.flatMap(Clock.currentTimeNanos, (began) => waitSpan(call, began, restore(waiting), plan))
            return Passages.enter(admission, call, conditions, wait).pipe(
              Effect.mapError((failure) => toError(call, failure)),
              Effect.flatMap((passage) => attempt(use, call, restore, passage))
            )
          })
        }
        const sending = Effect.uninterruptibleMask((restore) => attempt(use, call, restore, undefined))
        return conditions?.pause === undefined ? sending : Effect.zipRight(wait(call, conditions.pause), sending)
      }),
    get members() {
      return [{ target, runner }]
    }
  }
  return runner
}

const mayRetry = <E>(error: E): error is Extract<E, Retryable> => isRetryable(error)

/**
 * Tries the same runner again for as long as `schedule` says so. The Schedule sees the errors that may be retried and no
 * others; whatever its delay, no retry comes before the server's hint (`RetryAfter.shortestWait`), none is waited for
 * that would start after the call's deadline. The wait is handed down with the retry, so it is a span and not a gap; with
 * admission, where calls also wait for their first attempt, so is the Schedule's limit (`RetryAfter.limitOf`).
 *
 * @since 0.1.0
 * @category combinators
 */
export const retry: {
  <E, Out>(
    schedule: Schedule.Schedule<Out, Extract<NoInfer<E>, Retryable>>
  ): <Target, F>(self: Runner<Target, F, E>) => Runner<Target, F, E>
  <Target, F, E, Out>(
    self: Runner<Target, F, E>,
    schedule: Schedule.Schedule<Out, Extract<E, Retryable>>
  ): Runner<Target, F, E>
} = dual(
  2,
  <Target, F, E, Out>(
    self: Runner<Target, F, E>,
    schedule: Schedule.Schedule<Out, Extract<E, Retryable>>
  ): Runner<Target, F, E> => {
    // When to try again, or the error itself where the Schedule, or the call's deadline, ends it.
    const decide = (
      error: Extract<E, Retryable>,
      state: unknown,
      fellBack: boolean
    ): Effect.Effect<readonly [unknown, Pause], E, Call> =>
      Effect.gen(function* () {
        const call = yield* Call
        const clock = yield* Clock.clockWith(Effect.succeed)
        const nowMillis = clock.unsafeCurrentTimeMillis()
        const now = clock.unsafeCurrentTimeNanos()
        const [next, , decision] = yield* schedule.step(nowMillis, error, state)
        if (Decision.isDone(decision)) return yield* Effect.fail<E>(error)
        const delay = Duration.millis(Math.max(0, Intervals.start(decision.intervals) - nowMillis))
        const planned = Duration.max(delay, shortestWait(error))
        const notBefore = now + toNanos(planned)
        if (Option.exists(call.deadline, (deadline) => notBefore >= deadline)) return yield* Effect.fail<E>(error)
        yield* call.recordRetry(now, self.primary.deployment, planned, fellBack)
        const hinted = Option.exists(error.retryAfter, (hint) => Duration.lessThanOrEqualTo(planned, hint))
        const reason = Option.isSome(error.retryAfter) ? "retry-after" : "backoff"
        return [next, { notBefore, planned, reason, hinted }]
      })
    // A Schedule that says how long a call may wait says so to admission too, which the first attempt already waits for.
    const waitLimit = Option.getOrUndefined(limitOf(schedule))
    const retried: Runner<Target, F, E> = {
      primary: self.primary,
      get members() {
        return self.members?.map(({ runner, target }) => ({
          target,
          runner: runner === self ? retried : retry(runner, schedule)
        }))
      },
      execute: <A, R>(use: Use<Target, A, F, R>, conditions?: Conditions) => {
        // A retry goes back to where it began: at the call's first deployment, or past it.
        const attempt = (
          fellBack: boolean,
          state: unknown,
          conditions: Conditions | undefined
        ): Effect.Effect<A, E, Exclude<R, Scope.Scope> | Call> =>
          Effect.catchAll(self.execute(use, conditions), (error) =>
            mayRetry(error)
              ? Effect.flatMap(decide(error, state, fellBack), ([next, pause]) =>
                  attempt(fellBack, next, { ...conditions, pause })
                )
              : Effect.fail(error)
          )
        const first = waitLimit === undefined ? conditions : { ...conditions, waitLimit }
        return Effect.flatMap(Call, (call) => attempt(call.fellBack, schedule.initial, first))
      }
    }
    return retried
  }
)

/**
 * Goes to `that` when `self` is done and failed with an error another deployment may recover, or one that `when` accepts
 * in its place. The error of the last deployment is the one that surfaces. Does nothing once the call's deadline has passed.
 *
 * @since 0.1.0
 * @category combinators
 */
export const orElse: {
  <Target, F, E>(
    that: Runner<Target, F, E>,
    options?: { readonly when?: ((error: E) => boolean) | undefined }
  ): (self: Runner<Target, F, E>) => Runner<Target, F, E>
  <Target, F, E>(
    self: Runner<Target, F, E>,
    that: Runner<Target, F, E>,
    options?: { readonly when?: ((error: E) => boolean) | undefined }
  ): Runner<Target, F, E>
} = dual(
  (args) => isRunner(args[0]) && isRunner(args[1]),
  <Target, F, E>(
    self: Runner<Target, F, E>,
    that: Runner<Target, F, E>,
    options?: { readonly when?: ((error: E) => boolean) | undefined }
  ): Runner<Target, F, E> => {
    const when = options?.when ?? isRecoverable
    return {
      primary: self.primary,
      members: self.members && that.members ? [...self.members, ...that.members] : undefined,
      execute: (use, conditions) =>
        Effect.catchAll(self.execute(use, conditions), (error) => {
          if (!when(error)) return Effect.fail(error)
          return Effect.flatMap(Effect.zip(Call, Clock.currentTimeNanos), ([call, now]) => {
            if (Option.exists(call.deadline, (deadline) => now >= deadline)) return Effect.fail(error)
            const from = call.attempts.at(-1)?.deployment ?? self.primary.deployment
            const decided = call.recordFallback(now, from, that.primary.deployment, error)
            return Effect.zipRight(decided, that.execute(use))
          })
        })
    }
  }
)

/**
 * Whether a value is a {@link Runner}.
 *
 * @since 0.1.0
 * @category guards
 */
export const isRunner = (value: unknown): value is Runner<unknown, unknown, unknown> =>
  typeof value === "object" && value !== null && "execute" in value && "primary" in value
