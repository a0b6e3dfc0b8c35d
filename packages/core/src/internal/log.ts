import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as HashSet from "effect/HashSet"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Tracer from "effect/Tracer"

/**
 * Writes a log line with the ids of the call's trace on it, so that any logger shows them. What goes on the line is only
 * worked out where the level is on.
 *
 * @internal
 */
export const write = (
  span: Tracer.Span,
  level: LogLevel.LogLevel,
  message: string,
  what: () => Record<string, unknown>
): Effect.Effect<void> =>
  Effect.withFiberRuntime((fiber) =>
    LogLevel.lessThan(level, fiber.getFiberRef(FiberRef.currentMinimumLogLevel))
      ? Effect.void
      : Effect.logWithLevel(level, message).pipe(
          Effect.annotateLogs({ ...what(), trace_id: span.traceId, span_id: span.spanId }),
          Effect.withParentSpan(span),
          // The span has the decision as an event of its own already.
          Effect.locallyWith(FiberRef.currentLoggers, HashSet.remove(Logger.tracerLogger))
        )
  )
