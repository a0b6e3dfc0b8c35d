/**
 * A deployment as the policy sees it: something that runs an attempt, and says what came of it. `retry` and `orElse` make
 * a runner out of runners, so the policy is written once for every operation and every transport.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Decision from "effect/ScheduleDecision"
import * as Intervals from "effect/ScheduleIntervals"
import type * as Scope from "effect/Scope"
import type * as Admission from "./Admission.js"
import type { Attempt, Kind } from "./Attempt.js"
import type { Reply } from "./Call.js"
import { Call } from "./Call.js"
import { toNanos } from "./internal/time.js"
import type * as Metrics from "./Metrics.js"
import type { Retryable } from "./Recovery.js"
import { isRecoverable, isRetryable } from "./Recovery.js"
import { limitOf, shortestWait } from "./RetryAfter.js"

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
 * comes at once. What `use` acquires lives until the call ends (with `Call.runScoped`, until its Scope closes), unless
 * the attempt fails: then it is released before anything else happens. Interruption ends a wait or a request at once.
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
  /** The deployment's name, in errors, spans and metrics. */
  readonly deployment: string
  /** The model behind it. */
  readonly model: string
  /** How it is paid for. */
  readonly kind: Kind
  /** What an attempt is sent through: handed to `execute`'s function, and to nothing else. */
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

export { make } from "./internal/leaf.js"

const mayRetry = <E>(error: E): error is Extract<E, Retryable> => isRetryable(error)

/**
 * Tries the same runner again for as long as `schedule` says so. The Schedule sees the errors that may be retried and no
 * others; whatever its delay, no retry comes before the server's hint (`RetryAfter.shortestWait`), none is waited for
 * that would start after the call's deadline. The wait is handed down with the retry, so it is a span and not a gap; with
 * admission, where calls also wait for their first attempt, so is the Schedule's limit (`RetryAfter.limitOf`).
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { RetryAfter, Runner } from "@spillway/core"
 *
 * declare const ptu: Runner.Runner<string, Runner.Failure, Error>
 * declare const standard: Runner.Runner<string, Runner.Failure, Error>
 *
 * export const patient = Runner.retry(ptu, RetryAfter.within("4 seconds"))
 * ```
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
        return Effect.withFiberRuntime<A, E, Exclude<R, Scope.Scope> | Call>((fiber) =>
          attempt(Context.unsafeGet(fiber.currentContext, Call).fellBack, schedule.initial, first)
        )
      }
    }
    return retried
  }
)

/**
 * Goes to `that` when `self` is done and failed with an error another deployment may recover. A `when` of your own replaces
 * that rule, also for a request that must not run twice. The error of the last deployment is the one that surfaces. Does
 * nothing once the call's deadline has passed.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Runner } from "@spillway/core"
 *
 * declare const ptu: Runner.Runner<string, Runner.Failure, Error>
 * declare const standard: Runner.Runner<string, Runner.Failure, Error>
 *
 * export const chain = Runner.orElse(ptu, standard)
 * ```
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
 * @example
 * ```ts
 * import { Runner } from "@spillway/core"
 *
 * Runner.isRunner({}) // => false
 * ```
 */
export const isRunner = (value: unknown): value is Runner<unknown, unknown, unknown> =>
  typeof value === "object" && value !== null && "execute" in value && "primary" in value
