/** The spans of a call, made again by hand: what is beyond them is Spillway's own. */
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

export interface Recorded {
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly attributes: Readonly<Record<string, unknown>>
}

/** The spans that one run of `self` makes, outermost first, with the attributes they end with. */
export const record = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<ReadonlyArray<Recorded>, E, R> =>
  Effect.tracerWith((tracer) => {
    const spans: Array<Tracer.Span> = []
    const recording = Tracer.make({
      context: (f, fiber) => tracer.context(f, fiber),
      span: (...args) => {
        const span = tracer.span(...args)
        spans.push(span)
        return span
      }
    })
    return Effect.map(Effect.withTracer(self, recording), () =>
      spans.map(({ attributes, kind, name }) => ({ name, kind, attributes: Object.fromEntries(attributes) }))
    )
  })

/** `self` inside spans like these, in the cheapest way that Effect has. */
export const within = <A, E, R>(self: Effect.Effect<A, E, R>, spans: ReadonlyArray<Recorded>): Effect.Effect<A, E, R> =>
  spans.reduceRight<Effect.Effect<A, E, R>>(
    (inner, { attributes, kind, name }) =>
      Effect.withSpan(inner, name, { kind, captureStackTrace: false, attributes }) as Effect.Effect<A, E, R>,
    self
  )
