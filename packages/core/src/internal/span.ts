import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import type * as Tracer from "effect/Tracer"

/** A span that is ended by hand. @internal */
export class Open {
  constructor(
    readonly span: Tracer.Span,
    private readonly clock: Clock.Clock,
    private readonly timed: boolean
  ) {}

  attribute(key: string, value: unknown): void {
    this.span.attribute(key, value)
  }

  end(exit: Exit.Exit<unknown, unknown>): void {
    this.span.end(this.timed ? this.clock.unsafeCurrentTimeNanos() : 0n, exit)
  }
}

/**
 * Begins a span. `Effect.makeSpanScoped` wants its Scope from the context, and to change the context costs as much as the
 * span.
 *
 * @internal
 */
export const begin = (name: string, options: Tracer.SpanOptions, clock: Clock.Clock): Effect.Effect<Open> =>
  Effect.zipWith(
    Effect.makeSpan(name, options),
    FiberRef.get(FiberRef.currentTracerTimingEnabled),
    (span, timed) => new Open(span, clock, timed)
  )
