/**
 * What one caller accepts: set around a call, read by the policy below it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"

/**
 * The settings of a call.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  /**
   * The longest time from the start of the call to a retry on a throttled deployment. Replaces the duration given to
   * `RetryAfter.within`. Defaults to none: the Schedule's own.
   */
  readonly maxWait: Option.Option<Duration.Duration>
  /**
   * How long the whole call may take, counted from its start: no attempt starts after it, no wait goes beyond it, and a
   * request in flight is cancelled at it. Defaults to none.
   */
  readonly deadline: Option.Option<Duration.Duration>
  /**
   * The longest time to a stream's first output, for each attempt, counted from its sending. Defaults to none: the
   * deployment's own.
   */
  readonly firstOutput: Option.Option<Duration.Duration>
  /** Who goes first where calls wait for admission. Defaults to `interactive`. */
  readonly priority: Priority
  /** How much of the time before the deadline is not to be spent on waiting. Defaults to none. */
  readonly fallbackReserve: Duration.Duration
}

/**
 * The class of a call where calls wait for admission: `interactive` (0) goes before `batch` (10), always. A number makes a
 * class of your own; lower goes first.
 *
 * @since 0.1.0
 * @category models
 */
export type Priority = "interactive" | "batch" | number

/**
 * The settings in force, empty unless set around the call. A `Context.Reference`, so nothing needs to be provided.
 *
 * @since 0.1.0
 * @category tags
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { CallSettings } from "@spillway/core"
 *
 * export const budget = Effect.map(CallSettings.CallSettings, (settings) => settings.maxWait)
 * ```
 */
export class CallSettings extends Context.Reference<CallSettings>()("@spillway/core/CallSettings", {
  defaultValue: (): Settings => ({
    maxWait: Option.none(),
    deadline: Option.none(),
    firstOutput: Option.none(),
    priority: "interactive",
    fallbackReserve: Duration.zero
  })
}) {}

const withSetting =
  <I>(set: (input: I) => Partial<Settings>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>, input: I): Effect.Effect<A, E, R> =>
    Effect.flatMap(CallSettings, (settings) =>
      Effect.provideService(self, CallSettings, { ...settings, ...set(input) })
    )

/**
 * Bounds the wait for prepaid capacity in every call inside `self`: the time from the start of the call to a retry that
 * `RetryAfter.within` decides on, or to the call's turn where there is admission. Other Schedules do not read it: what
 * comes after, such as Standard's `RetryAfter.retries`, is bounded by {@link withDeadline}. A wait that ends exactly at the bound is waited for; a longer one goes to the next deployment at once. `0` never waits.
 * The innermost setting wins. Negative durations count as `0`.
 *
 * @since 0.1.0
 * @category settings
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { CallSettings } from "@spillway/core"
 *
 * const call = Effect.succeed("an answer")
 *
 * export const impatient = call.pipe(CallSettings.withMaxWait("500 millis"))
 * ```
 */
export const withMaxWait: {
  (maxWait: Duration.DurationInput): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, maxWait: Duration.DurationInput): Effect.Effect<A, E, R>
} = dual(
  2,
  withSetting((maxWait: Duration.DurationInput) => ({ maxWait: Option.some(Duration.decode(maxWait)) }))
)

/**
 * Bounds the whole of every call inside `self`, attempts and waits of all deployments together. A wait that would end
 * after the deadline is not begun, nor is an attempt at another deployment once it has passed; a request that is in
 * flight when it passes is cancelled. The innermost setting wins. Negative durations count as `0`.
 *
 * @since 0.1.0
 * @category settings
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { CallSettings } from "@spillway/core"
 *
 * const call = Effect.succeed("an answer")
 *
 * export const bounded = call.pipe(CallSettings.withDeadline("30 seconds"))
 * ```
 */
export const withDeadline: {
  (deadline: Duration.DurationInput): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, deadline: Duration.DurationInput): Effect.Effect<A, E, R>
} = dual(
  2,
  withSetting((deadline: Duration.DurationInput) => ({ deadline: Option.some(Duration.decode(deadline)) }))
)

/**
 * Bounds the time to a stream's first output, in every call inside `self`: each attempt for itself, from its sending, waits
 * not counted. An attempt that has not begun by then is given up, and the policy goes on: to the next deployment, or to the
 * same one if not even the headers came. It can only shorten what the deployment allows: the smaller of this and its
 * `firstOutputTimeout` holds. Calls without a stream do not read it; {@link withDeadline} bounds a call as a whole. The
 * innermost setting wins. Negative durations count as `0`.
 *
 * @since 0.1.0
 * @category settings
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { CallSettings } from "@spillway/core"
 *
 * const call = Effect.succeed("a stream that has begun")
 *
 * export const lively = call.pipe(CallSettings.withFirstOutput("2 seconds"), CallSettings.withDeadline("30 seconds"))
 * ```
 */
export const withFirstOutput: {
  (firstOutput: Duration.DurationInput): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, firstOutput: Duration.DurationInput): Effect.Effect<A, E, R>
} = dual(
  2,
  withSetting((firstOutput: Duration.DurationInput) => ({ firstOutput: Option.some(Duration.decode(firstOutput)) }))
)

/**
 * Says who goes first where calls wait for admission: in every call inside `self`. Within a class the order is that of
 * arrival. Strict: while interactive calls wait, no batch call is sent; batch calls live from the time in between, so give
 * them a long `withMaxWait`. Without admission it does nothing. The innermost setting wins.
 *
 * @since 0.1.0
 * @category settings
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { CallSettings } from "@spillway/core"
 *
 * const call = Effect.succeed("an answer")
 *
 * export const overnight = call.pipe(CallSettings.withPriority("batch"), CallSettings.withMaxWait("60 seconds"))
 * ```
 */
export const withPriority: {
  (priority: Priority): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, priority: Priority): Effect.Effect<A, E, R>
} = dual(
  2,
  withSetting((priority: Priority) => ({ priority }))
)

/**
 * Keeps the last part of the time before the deadline free, so that a fallback does not start too late to answer: waits
 * for throttled capacity, in line or between retries of `RetryAfter.within`, end at `deadline - reserve` at the latest,
 * whatever the maximum wait. Without `withDeadline` it does nothing. The innermost setting wins.
 *
 * @since 0.1.0
 * @category settings
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { CallSettings } from "@spillway/core"
 *
 * const call = Effect.succeed("an answer")
 *
 * // Waits 2 seconds at most, so that Standard has 3.
 * export const bounded = call.pipe(CallSettings.withDeadline("5 seconds"), CallSettings.withFallbackReserve("3 seconds"))
 * ```
 */
export const withFallbackReserve: {
  (reserve: Duration.DurationInput): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, reserve: Duration.DurationInput): Effect.Effect<A, E, R>
} = dual(
  2,
  withSetting((reserve: Duration.DurationInput) => ({ fallbackReserve: Duration.decode(reserve) }))
)

/**
 * The longest time from the start of a call to a retry on a throttled deployment: the call's own maximum wait, else the
 * policy's, and no more than leaves the reserve before the deadline.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { Duration, Option } from "effect"
 * import { CallSettings } from "@spillway/core"
 *
 * const settings: CallSettings.Settings = {
 *   maxWait: Option.none(),
 *   deadline: Option.some(Duration.seconds(5)),
 *   firstOutput: Option.none(),
 *   priority: "interactive",
 *   fallbackReserve: Duration.seconds(3)
 * }
 *
 * CallSettings.longestWait(settings, Duration.seconds(4)) // => 2 seconds
 * ```
 */
export const longestWait = (settings: Settings, policy: Duration.Duration): Duration.Duration => {
  const maxWait = Option.getOrElse(settings.maxWait, () => policy)
  return Option.isSome(settings.deadline) && Duration.greaterThan(settings.fallbackReserve, Duration.zero)
    ? Duration.min(maxWait, Duration.subtract(settings.deadline.value, settings.fallbackReserve))
    : maxWait
}

/**
 * A class as a number, lower first. What is neither a class nor a number counts as `interactive`.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { CallSettings } from "@spillway/core"
 *
 * CallSettings.rankOf("interactive") // => 0
 * CallSettings.rankOf("batch") // => 10
 * CallSettings.rankOf(5) // => 5
 * ```
 */
export const rankOf = (priority: Priority): number => {
  if (priority === "batch") return 10
  // What is no number has no place in an order, and would break the line for everybody.
  return Predicate.isNumber(priority) && !Number.isNaN(priority) ? priority : 0
}
