/**
 * Where to go when a deployment is done: `orElse`, for any effect.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import type { Recoverable } from "./Recovery.js"
import { isRecoverable } from "./Recovery.js"

const mayRecover = <E>(error: E): error is Extract<E, Recoverable> => isRecoverable(error)

/**
 * Runs `that` when `self` fails with an error another deployment may recover ({@link Recoverable}); every other error
 * passes. Unlike `Effect.orElse` it does not send a rejected request a second time. Nothing is waited for; interruption
 * and defects pass.
 *
 * For deployments as Layers use `Deployment.orElse`: it keeps both under one call, with one root span.
 *
 * @since 0.1.0
 * @category error handling
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Fallback, Recovery, RetryAfter } from "@spillway/core"
 *
 * declare const ask: Effect.Effect<string, (Error & Recovery.Retryable) | "rejected">
 * declare const askElsewhere: Effect.Effect<string>
 *
 * // Effect<string, "rejected">
 * export const answer = ask.pipe(
 *   Effect.retry(RetryAfter.within("4 seconds")),
 *   Fallback.orElse(() => askElsewhere)
 * )
 * ```
 */
export const orElse: {
  <E, A2, E2, R2>(
    that: (error: Extract<E, Recoverable>) => Effect.Effect<A2, E2, R2>
  ): <A, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A | A2, Exclude<E, Recoverable> | E2, R | R2>
  <A, E, R, A2, E2, R2>(
    self: Effect.Effect<A, E, R>,
    that: (error: Extract<E, Recoverable>) => Effect.Effect<A2, E2, R2>
  ): Effect.Effect<A | A2, Exclude<E, Recoverable> | E2, R | R2>
} = dual(
  2,
  <A, E, R, A2, E2, R2>(
    self: Effect.Effect<A, E, R>,
    that: (error: Extract<E, Recoverable>) => Effect.Effect<A2, E2, R2>
  ): Effect.Effect<A | A2, Exclude<E, Recoverable> | E2, R | R2> =>
    Effect.catchAll(self, (error): Effect.Effect<A2, Exclude<E, Recoverable> | E2, R2> =>
      mayRecover(error) ? that(error) : Effect.fail(error as Exclude<E, Recoverable>)
    )
)
