import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http"
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import type { Collector } from "./collector.js"

type Done<Exporter extends { export: (items: never, done: never) => void }> = Parameters<Exporter["export"]>[1]

interface Result {
  readonly code: number
  readonly error?: Error
}

const [taken, failed] = [0, 1]

/** @internal */
export class TraceExporter extends OTLPTraceExporter {
  constructor(
    private readonly collector: Collector,
    headers: Record<string, string>
  ) {
    // Beyond its limit an exporter drops batches: the end of a burst sends a full queue at once.
    super({ url: collector.path("traces"), headers, concurrencyLimit: 100 })
  }
  override export(spans: Parameters<OTLPTraceExporter["export"]>[0], done: Done<OTLPTraceExporter>): void {
    void this.collector.isReachable().then((reachable) => {
      if (!reachable) return done({ code: failed })
      super.export(spans, (result: Result) => {
        if (result.code === failed) this.collector.tell("spans", result.error?.message ?? "refused")
        done(result)
      })
    })
  }
}

const isNotFound = (error: Error | undefined): boolean => error !== undefined && "code" in error && error.code === 404

/** @internal */
export class MetricExporter extends OTLPMetricExporter {
  // A tracing backend has no place for metrics, and says so by 404.
  private unwanted = false

  constructor(
    private readonly collector: Collector,
    headers: Record<string, string>
  ) {
    super({ url: collector.path("metrics"), headers })
  }
  override export(metrics: Parameters<OTLPMetricExporter["export"]>[0], done: Done<OTLPMetricExporter>): void {
    if (this.unwanted) return done({ code: taken })
    void this.collector.isReachable().then((reachable) => {
      if (!reachable) return done({ code: failed })
      super.export(metrics, (result: Result) => {
        if (result.code === taken) return done(result)
        if (isNotFound(result.error)) {
          this.unwanted = true
          return done({ code: taken })
        }
        this.collector.tell("metrics", result.error?.message ?? "refused")
        done(result)
      })
    })
  }
}
