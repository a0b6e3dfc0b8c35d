/**
 * When to try a throttled deployment again: the server's hint, read from its headers, and the Schedules that honour it.
 *
 * Every Schedule here takes any input, so it composes with every other Schedule without annotations, and stops at an
 * error that does not say it may be retried ({@link Recovery.isRetryable}). Put operators that change delays (jitter,
 * backoff) into `base`, never after `within`: after it they can shorten a wait below the hint and overspend the budget.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Decision from "effect/ScheduleDecision"
import * as Interval from "effect/ScheduleInterval"
import * as Intervals from "effect/ScheduleIntervals"
import type { Settings } from "./CallSettings.js"
import { CallSettings, longestWait } from "./CallSettings.js"
import { toMillis } from "./internal/time.js"
import type { Retryable } from "./Recovery.js"
import { isRetryable } from "./Recovery.js"

const decimal = /^\d+(\.\d+)?$/

// Longer than anybody waits, and short enough for every arithmetic that follows.
const longestHint = 10 * 365 * 24 * 3_600_000

// Up to the next whole one, but for what is only the product's rounding: 8.146 s are 8146.000000000001 ms to a computer.
const wholeMillis = (millis: number): number => Math.ceil(Math.round(millis * 1e6) / 1e6)

// A header that was sent twice arrives as a list: the longest of its hints is safe.
const positive = (value: string | undefined, unit: number): Option.Option<Duration.Duration> => {
  const hints = (value ?? "")
    .split(",")
    .map((part) => part.trim())
    .flatMap((part) => (decimal.test(part) ? [Math.min(wholeMillis(Number(part) * unit), longestHint)] : []))
  const longest = Math.max(0, ...hints)
  return longest > 0 ? Option.some(Duration.millis(longest)) : Option.none()
}

// Only what looks like one of the three HTTP dates: Date.parse alone accepts "-1" and reads it as a month of 2001.
const httpDate =
  /^[A-Za-z]{3,9}, \d{1,2}[ -][A-Za-z]{3}[ -]\d{2,4} \d{2}:\d{2}:\d{2}( GMT)?$|^[A-Za-z]{3} [A-Za-z]{3} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/

const untilDate = (value: string | undefined, now: number): Option.Option<Duration.Duration> => {
  const text = value?.trim() ?? ""
  if (!httpDate.test(text)) return Option.none()
  const millis = Math.ceil(Date.parse(text.endsWith("GMT") ? text : `${text} GMT`) - now)
  return millis > 0 ? Option.some(Duration.millis(millis)) : Option.none()
}

/**
 * Reads the server's hint from response headers (names in lower case): the first usable one of `retry-after-ms`,
 * `x-ms-retry-after-ms` (milliseconds) and `retry-after` (seconds, or an HTTP date measured against `now`, the wall clock
 * in milliseconds). Fractions are rounded up to a whole millisecond. Of a header that came more than once, the longest hint.
 *
 * Missing, zero, negative and unreadable values are no hint: services were seen to send `0` and `-1` for "unknown"
 * (openai-dotnet issue 838), and taking them literally would hammer a saturated deployment.
 *
 * Sources: Azure OpenAI documentation, "Provisioned throughput" (`retry-after-ms`, `retry-after`); RFC 9110, 10.2.3.
 *
 * @since 0.1.0
 * @category parsing
 * @example
 * ```ts
 * import { RetryAfter } from "@spillway/core"
 *
 * RetryAfter.fromHeaders({ "retry-after-ms": "12.5", "retry-after": "1" }, 0) // => Option.some(13 ms)
 * RetryAfter.fromHeaders({ "retry-after-ms": "0" }, 0) // => Option.none()
 * ```
 */
export const fromHeaders = (
  headers: Readonly<Record<string, string | undefined>>,
  now: number
): Option.Option<Duration.Duration> =>
  positive(headers["retry-after-ms"], 1).pipe(
    Option.orElse(() => positive(headers["x-ms-retry-after-ms"], 1)),
    Option.orElse(() => positive(headers["retry-after"], 1000)),
    Option.orElse(() => untilDate(headers["retry-after"], now))
  )

/**
 * The smallest wait after a throttle that came without a usable hint: 50 milliseconds. The median of the hints seen on a
 * saturated deployment lies near it.
 *
 * @since 0.1.0
 * @category constants
 */
export const smallestGuess: Duration.Duration = Duration.millis(50)

/**
 * The shortest wait that respects an error: its hint; without one {@link smallestGuess} for a throttle, none for a fault.
 *
 * @since 0.1.0
 * @category decisions
 * @example
 * ```ts
 * import { Duration, Option } from "effect"
 * import { Recovery, RetryAfter } from "@spillway/core"
 *
 * const busy = { [Recovery.TypeId]: "retry", throttled: true, retryAfter: Option.some(Duration.millis(120)), since: 0n } as const
 *
 * RetryAfter.shortestWait(busy) // => 120 ms
 * ```
 */
export const shortestWait = (error: Retryable): Duration.Duration =>
  Option.getOrElse(error.retryAfter, () => (error.throttled ? smallestGuess : Duration.zero))

/**
 * Whether a wait still fits: falls back only when elapsed + wait > limit, so a wait that ends exactly at the limit is
 * taken. All in milliseconds.
 *
 * @since 0.1.0
 * @category decisions
 * @example
 * ```ts
 * import { RetryAfter } from "@spillway/core"
 *
 * RetryAfter.affordable({ elapsed: 3000, wait: 1000, limit: 4000 }) // => true
 * RetryAfter.affordable({ elapsed: 3000, wait: 1001, limit: 4000 }) // => false
 * ```
 */
export const affordable = (times: {
  readonly elapsed: number
  readonly wait: number
  readonly limit: number
}): boolean => times.elapsed + times.wait <= times.limit

/**
 * A guess where no hint came: 50 ms, doubled with every retry up to 2 s, and up to half as much again by `random`
 * (from 0 to 1), so that callers who were refused together do not come back together. In whole milliseconds.
 *
 * @since 0.1.0
 * @category decisions
 * @example
 * ```ts
 * import { RetryAfter } from "@spillway/core"
 *
 * RetryAfter.guess(0, 0) // => 50
 * RetryAfter.guess(1, 0.5) // => 125
 * ```
 */
export const guess = (retriesSoFar: number, random: number): number =>
  Math.ceil(Math.min(50 * 2 ** retriesSoFar, 2000) * (1 + random / 2))

/**
 * Backoff after a fault: 500 ms, doubled with every retry up to 8 s, less up to a quarter by `random` (from 0 to 1).
 * In whole milliseconds. The same curve as the retries of the OpenAI SDKs.
 *
 * @since 0.1.0
 * @category decisions
 * @example
 * ```ts
 * import { RetryAfter } from "@spillway/core"
 *
 * RetryAfter.backoff(0, 0) // => 500
 * RetryAfter.backoff(9, 1) // => 6000
 * ```
 */
export const backoff = (retriesSoFar: number, random: number): number =>
  Math.ceil(Math.min(500 * 2 ** retriesSoFar, 8000) * (1 - random / 4))

const elapsedMillis = (since: bigint): Effect.Effect<number> =>
  Effect.map(Clock.currentTimeNanos, (now) => toMillis(now - since))

type Step<S> = readonly [S, Duration.Duration, Decision.ScheduleDecision]

// An attempt that starts at the deadline has no time left.
const beforeDeadline = (elapsed: number, settings: Settings): boolean =>
  Option.match(settings.deadline, { onNone: () => true, onSome: (deadline) => elapsed < Duration.toMillis(deadline) })

const stop = <S>(state: S): Step<S> => [state, Duration.zero, Decision.done]

const waitFor = <S>(state: S, now: number, millis: number): Step<S> => [
  state,
  Duration.millis(millis),
  Decision.continueWith(Interval.after(now + millis))
]

const delayOf = (now: number, decision: Decision.Continue): number =>
  Math.max(0, Intervals.start(decision.intervals) - now)

const limitKey: unique symbol = Symbol.for("@spillway/core/RetryAfter/limit")

const mark = <Out, In, R>(schedule: Schedule.Schedule<Out, In, R>, limit: Duration.Duration) =>
  Object.assign(schedule, { [limitKey]: limit })

/**
 * How long a Schedule lets a call wait at most, where it says so: {@link within} does, and {@link withLimit}. Operators
 * make other Schedules, which do not.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { RetryAfter } from "@spillway/core"
 *
 * RetryAfter.limitOf(RetryAfter.within("10 seconds")) // => Option.some(10 s)
 * RetryAfter.limitOf(RetryAfter.retries(2)) // => Option.none()
 * ```
 */
export const limitOf = (schedule: object): Option.Option<Duration.Duration> =>
  Predicate.hasProperty(schedule, limitKey) && Duration.isDuration(schedule[limitKey])
    ? Option.some(schedule[limitKey])
    : Option.none()

/**
 * Lets calls wait in line for admission as long as `limit`, where `CallSettings.withMaxWait` does not say otherwise.
 * Changes nothing about the Schedule itself. `within(d)` has a limit of `d` already; this is for other Schedules, and for
 * what operators make of `within`.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { RetryAfter } from "@spillway/core"
 *
 * export const patient = RetryAfter.retries(3).pipe(RetryAfter.withLimit("20 seconds"))
 * ```
 */
export const withLimit: {
  (limit: Duration.DurationInput): <Out, In, R>(self: Schedule.Schedule<Out, In, R>) => Schedule.Schedule<Out, In, R>
  <Out, In, R>(self: Schedule.Schedule<Out, In, R>, limit: Duration.DurationInput): Schedule.Schedule<Out, In, R>
} = dual(
  2,
  <Out, In, R>(self: Schedule.Schedule<Out, In, R>, limit: Duration.DurationInput): Schedule.Schedule<Out, In, R> =>
    mark(
      Schedule.makeWithState(self.initial, (now, input: In, state: unknown) => self.step(now, input, state)),
      Duration.decode(limit)
    )
)

/**
 * Retries throttles for as long as the caller can afford it: waits the server's hint (or `base`'s delay, if that is
 * longer; without both, {@link guess}) and gives up as soon as time already spent + wait would exceed `maxWait`.
 *
 * Time counts from the start of the call (`Retryable.since`); under plain `Effect.retry`, from the start of the first
 * attempt. `CallSettings.withMaxWait` around a call replaces `maxWait`. Faults (5xx, lost connections) are not retried:
 * going elsewhere is quicker. Giving up sleeps nothing, so a fallback starts at once. Interruption ends a wait at once.
 * `CallSettings.withFallbackReserve` may end it sooner. With admission, calls wait in line within the same limit.
 *
 * Outputs the wait it decided on.
 *
 * @since 0.1.0
 * @category schedules
 * @example
 * ```ts
 * import { Schedule } from "effect"
 * import { RetryAfter } from "@spillway/core"
 *
 * export const plain = RetryAfter.within("4 seconds")
 *
 * // At most 3 retries, and at least a growing, jittered delay between them: jitter goes into `base`.
 * export const gentle = RetryAfter.within(
 *   "4 seconds",
 *   Schedule.exponential("100 millis").pipe(Schedule.jittered, Schedule.intersect(Schedule.recurs(3)))
 * )
 * ```
 */
export const within = <R = never>(
  maxWait: Duration.DurationInput,
  base?: Schedule.Schedule<unknown, Retryable, R>
): Schedule.Schedule<Duration.Duration, unknown, R> => {
  const limit = Duration.decode(maxWait)
  interface State {
    readonly since: Option.Option<bigint>
    readonly retries: number
    readonly base: unknown
  }
  const schedule = Schedule.makeWithState<State, unknown, Duration.Duration, R>(
    { since: Option.none(), retries: 0, base: base?.initial },
    (now, error, state) => {
      if (!isRetryable(error) || !error.throttled) return Effect.succeed(stop(state))
      const since = Option.getOrElse(state.since, () => error.since)
      const baseStep: Effect.Effect<readonly [unknown, unknown, Decision.ScheduleDecision | undefined], never, R> =
        base === undefined ? Effect.succeed([undefined, undefined, undefined]) : base.step(now, error, state.base)
      return Effect.flatMap(baseStep, ([baseState, , decision]) => {
        if (decision !== undefined && Decision.isDone(decision)) return Effect.succeed(stop(state))
        const hint = Option.map(error.retryAfter, Duration.toMillis)
        const delay = decision === undefined ? 0 : delayOf(now, decision)
        return Effect.all([
          elapsedMillis(since),
          CallSettings,
          Option.isNone(hint) && delay === 0
            ? Effect.map(Random.next, (random) => guess(state.retries, random))
            : Effect.succeed(Math.max(delay, Duration.toMillis(shortestWait(error))))
        ]).pipe(
          Effect.map(([elapsed, settings, wait]) => {
            const own = Duration.toMillis(longestWait(settings, limit))
            return affordable({ elapsed, wait, limit: own }) && beforeDeadline(elapsed + wait, settings)
              ? waitFor({ since: Option.some(since), retries: state.retries + 1, base: baseState }, now, wait)
              : stop(state)
          })
        )
      })
    }
  )
  return mark(schedule, limit)
}

/**
 * Retries throttles and transient faults at most `n` times (2 retries are 3 attempts): after the server's hint, or after
 * {@link backoff} where none came. A hint longer than `cap` ends it, as does a wait that would go past the call's
 * deadline (`CallSettings.withDeadline`); there is no other limit on time. `cap` defaults to 60 seconds.
 *
 * Outputs the wait it decided on.
 *
 * @since 0.1.0
 * @category schedules
 * @example
 * ```ts
 * import { RetryAfter } from "@spillway/core"
 *
 * export const standard = RetryAfter.retries(2)
 * export const patient = RetryAfter.retries(5, { cap: "5 minutes" })
 * ```
 */
export const retries = (
  n: number,
  options?: { readonly cap?: Duration.DurationInput | undefined }
): Schedule.Schedule<Duration.Duration> => {
  const cap = Duration.toMillis(options?.cap ?? "60 seconds")
  interface State {
    readonly since: Option.Option<bigint>
    readonly retries: number
  }
  return Schedule.makeWithState<State, unknown, Duration.Duration>(
    { since: Option.none(), retries: 0 },
    (now, error, state) => {
      if (!isRetryable(error) || !(state.retries < n)) return Effect.succeed(stop(state))
      const since = Option.getOrElse(state.since, () => error.since)
      return Effect.all([elapsedMillis(since), CallSettings, Random.next]).pipe(
        Effect.map(([elapsed, settings, random]) => {
          const wait = Option.match(error.retryAfter, {
            onNone: () => backoff(state.retries, random),
            onSome: Duration.toMillis
          })
          return (Option.isSome(error.retryAfter) && wait > cap) || !beforeDeadline(elapsed + wait, settings)
            ? stop(state)
            : waitFor({ since: Option.some(since), retries: state.retries + 1 }, now, wait)
        })
      )
    }
  )
}

/**
 * Lengthens every delay of a Schedule to {@link shortestWait}, so that it never comes back before the server asked.
 * Inputs that are not retryable pass unchanged. Put it last under plain `Effect.retry`; `Deployment.retry` and
 * `Runner.retry` do the same by themselves.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Schedule } from "effect"
 * import { RetryAfter } from "@spillway/core"
 *
 * export const polite = Schedule.spaced("10 millis").pipe(Schedule.jittered, RetryAfter.floor)
 * ```
 */
export const floor = <Out, In, R>(self: Schedule.Schedule<Out, In, R>): Schedule.Schedule<Out, In, R> =>
  Schedule.makeWithState<unknown, In, Out, R>(self.initial, (now, input, state) =>
    Effect.map(self.step(now, input, state), ([next, out, decision]) => {
      if (Decision.isDone(decision) || !isRetryable(input)) return [next, out, decision] as const
      const wait = Math.max(delayOf(now, decision), Duration.toMillis(shortestWait(input)))
      return [next, out, Decision.continueWith(Interval.after(now + wait))] as const
    })
  )
