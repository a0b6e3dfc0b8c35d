import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"

/**
 * `Effect.ensuring` for who cannot be interrupted anyway. To say so once more, as that does, costs several times as much as what
 * it is said around.
 *
 * @internal
 */
export const ensure = <A, E, R, R2>(
  self: Effect.Effect<A, E, R>,
  finalizer: Effect.Effect<unknown, never, R2>
): Effect.Effect<A, E, R | R2> =>
  Effect.matchCauseEffect(self, {
    onFailure: (cause) =>
      Effect.matchCauseEffect(finalizer, {
        onFailure: (broken) => Effect.failCause(Cause.sequential(cause, broken)),
        onSuccess: () => Effect.failCause(cause)
      }),
    onSuccess: (answer) => Effect.as(finalizer, answer)
  })
