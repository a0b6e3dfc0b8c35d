import type * as Clock from "effect/Clock"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import type * as Tracer from "effect/Tracer"

/**
 * What ends a span that was made by `Effect.makeSpan`, as Effect ends its own. `Effect.makeSpanScoped` wants a Scope from the
 * context, and to change the context costs as much as the span.
 *
 * @internal
 */
export const ender = (
  span: Tracer.Span,
  clock: Clock.Clock,
  fiber: Fiber.RuntimeFiber<unknown, unknown>
): ((exit: Exit.Exit<unknown, unknown>) => void) => {
  const timed = fiber.getFiberRef(FiberRef.currentTracerTimingEnabled)
  return (exit) => span.end(timed ? clock.unsafeCurrentTimeNanos() : 0n, exit)
}
