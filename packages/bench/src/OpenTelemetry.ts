/** The OpenTelemetry SDK as a program has it, up to the exporter: spans are made, batched and handed over, and sent nowhere. */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { ExportResultCode } from "@opentelemetry/core"
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base"
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace-base"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Scope from "effect/Scope"

/** Counts what it is given. */
export class Counter implements SpanExporter {
  exported = 0

  export(spans: ReadonlyArray<ReadableSpan>, done: (result: { readonly code: ExportResultCode }) => void): void {
    this.exported += spans.length
    done({ code: ExportResultCode.SUCCESS })
  }

  shutdown(): Promise<void> {
    return Promise.resolve()
  }
}

/** With the queue of `@spillway/opentelemetry`: a span that is dropped for lack of room would cost less than one that is sent. */
export const layer = (exporter: SpanExporter): Layer.Layer<never> =>
  Layer.discard(
    NodeSdk.layer(() => ({
      resource: { serviceName: "bench" },
      spanProcessor: new BatchSpanProcessor(exporter, {
        maxQueueSize: 100_000,
        maxExportBatchSize: 2048,
        scheduledDelayMillis: 1000
      })
    }))
  )

/**
 * {@link layer}, for who measures without it as well: to build a layer changes the tracer of the fiber that builds it, so this
 * one is built in a fiber of its own.
 */
export const runtime = (
  exporter: SpanExporter
): Effect.Effect<ManagedRuntime.ManagedRuntime<never, never>, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => ManagedRuntime.make(layer(exporter))),
    ({ disposeEffect }) => disposeEffect
  )
