/**
 * What the policy knows of an error: whether the same deployment may be tried again, or only the next one. It is a
 * protocol, like `Equal`: any error that carries {@link TypeId} takes part, and an error without it ends the call.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"

/**
 * The key under which an error says what may follow it.
 *
 * @since 0.1.0
 * @category type IDs
 */
export const TypeId: unique symbol = Symbol.for("@spillway/core/Recovery")

/**
 * The type of {@link TypeId}.
 *
 * @since 0.1.0
 * @category type IDs
 */
export type TypeId = typeof TypeId

/**
 * What may follow a failed attempt: `"retry"` this deployment again or go to the next one, `"next"` only the next one.
 *
 * @since 0.1.0
 * @category models
 */
export type Recovery = "retry" | "next"

/**
 * An error after which another deployment may still answer. `Fallback.orElse` and `Runner.orElse` take over exactly these.
 *
 * @since 0.1.0
 * @category models
 */
export interface Recoverable {
  readonly [TypeId]: Recovery
}

/**
 * An error that says when the same deployment may be tried again.
 *
 * - `throttled`: the server refused for lack of capacity (as opposed to a fault).
 * - `retryAfter`: the server's hint, counted from the moment of the failure. None when it gave no usable one.
 * - `since`: when the waiting began, in nanoseconds of `Clock.currentTimeNanos`: the start of the call, or of the attempt
 *   where there is no call.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Data, Duration, Option } from "effect"
 * import { Recovery } from "@spillway/core"
 *
 * // An error of your own that takes part in the policy.
 * export class Busy extends Data.TaggedError("Busy")<{ readonly since: bigint; readonly waitMs: number }> {
 *   readonly [Recovery.TypeId] = "retry"
 *   readonly throttled = true
 *   get retryAfter() {
 *     return Option.some(Duration.millis(this.waitMs))
 *   }
 * }
 * ```
 */
export interface Retryable extends Recoverable {
  readonly throttled: boolean
  readonly retryAfter: Option.Option<Duration.Duration>
  readonly since: bigint
}

/**
 * Whether another deployment may be tried after this error.
 *
 * @since 0.1.0
 * @category guards
 * @example
 * ```ts
 * import { Recovery } from "@spillway/core"
 *
 * Recovery.isRecoverable({ [Recovery.TypeId]: "next" }) // => true
 * Recovery.isRecoverable(new Error("boom")) // => false
 * ```
 */
export const isRecoverable = (error: unknown): error is Recoverable =>
  Predicate.hasProperty(error, TypeId) && (error[TypeId] === "retry" || error[TypeId] === "next")

/**
 * Whether the same deployment may be tried again after this error: it says so, and has all that {@link Retryable} asks for.
 *
 * @since 0.1.0
 * @category guards
 * @example
 * ```ts
 * import { Recovery } from "@spillway/core"
 *
 * Recovery.isRetryable({ [Recovery.TypeId]: "next" }) // => false
 * ```
 */
export const isRetryable = (error: unknown): error is Retryable =>
  isRecoverable(error) &&
  error[TypeId] === "retry" &&
  Predicate.hasProperty(error, "since") &&
  Predicate.isBigInt(error.since) &&
  Predicate.hasProperty(error, "throttled") &&
  Predicate.hasProperty(error, "retryAfter") &&
  Option.isOption(error.retryAfter)
