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
}

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
  defaultValue: (): Settings => ({ maxWait: Option.none(), deadline: Option.none() })
}) {}

const withSetting =
  (set: (duration: Duration.Duration) => Partial<Settings>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>, duration: Duration.DurationInput): Effect.Effect<A, E, R> =>
    Effect.flatMap(CallSettings, (settings) =>
      Effect.provideService(self, CallSettings, { ...settings, ...set(Duration.decode(duration)) })
    )

/**
 * Bounds the wait for throttled capacity in every call inside `self`: the time from the start of the call to the retry.
 * A wait that ends exactly at the bound is waited for; a longer one goes to the next deployment at once. `0` never waits.
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
  withSetting((maxWait) => ({ maxWait: Option.some(maxWait) }))
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
  withSetting((deadline) => ({ deadline: Option.some(deadline) }))
)
