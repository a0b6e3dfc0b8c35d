/** The OpenTelemetry SDK as a program has it, up to the exporter: spans are made, batched and handed over, and sent nowhere. */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { ExportResultCode } from "@opentelemetry/core"
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base"
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace-base"
import * as Layer from "effect/Layer"

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
