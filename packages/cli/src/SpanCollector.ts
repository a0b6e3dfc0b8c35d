/** Keeps the spans of an effect, whoever makes them: the tracer in force goes on to do its work. */
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

/** Runs `self` and also returns the spans that were started meanwhile, in that order. */
export const collect = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<readonly [A, ReadonlyArray<Tracer.Span>], E, R> =>
  Effect.tracerWith((tracer) => {
    const spans: Array<Tracer.Span> = []
    const collecting = Tracer.make({
      span: (...args) => {
        const span = tracer.span(...args)
        spans.push(span)
        return span
      },
      context: (f, fiber) => tracer.context(f, fiber)
    })
    return Effect.map(Effect.withTracer(self, collecting), (value) => [value, spans] as const)
  })
