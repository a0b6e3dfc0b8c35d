/** Keeps the spans of an effect, whoever makes them: the tracer in force goes on to do its work. */
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

const collecting = (tracer: Tracer.Tracer, spans: Array<Tracer.Span>): Tracer.Tracer =>
  Tracer.make({
    span: (...args) => {
      const span = tracer.span(...args)
      spans.push(span)
      return span
    },
    context: (f, fiber) => tracer.context(f, fiber)
  })

/** Runs `self` and also returns the spans that were started meanwhile, in that order. */
export const collect = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<readonly [A, ReadonlyArray<Tracer.Span>], E, R> =>
  Effect.tracerWith((tracer) => {
    const spans: Array<Tracer.Span> = []
    return Effect.map(Effect.withTracer(self, collecting(tracer, spans)), (value) => [value, spans] as const)
  })

/** Runs `self`, and then `report` with the spans that were started meanwhile, whether it failed or not. */
export const tap =
  <R2>(report: (spans: ReadonlyArray<Tracer.Span>) => Effect.Effect<void, never, R2>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | R2> =>
    Effect.tracerWith((tracer) => {
      const spans: Array<Tracer.Span> = []
      return Effect.ensuring(
        Effect.withTracer(self, collecting(tracer, spans)),
        Effect.suspend(() => report(spans))
      )
    })
