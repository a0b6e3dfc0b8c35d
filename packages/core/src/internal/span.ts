import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Tracer from "effect/Tracer"

/**
 * `context` with a span to be the parent of others, and one service more: in one copy of what may be an application's whole
 * context.
 *
 * @internal
 */
export const within = <R, I, S>(
  context: Context.Context<R>,
  span: Tracer.Span,
  tag: Context.Tag<I, S>,
  service: S
): Context.Context<R | I | Tracer.ParentSpan> =>
  Context.unsafeMake(new Map(context.unsafeMap).set(Tracer.ParentSpan.key, span).set(tag.key, service))

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
