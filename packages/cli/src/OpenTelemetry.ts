/**
 * The OpenTelemetry SDK, set up so that a command that ends loses nothing. Loaded only where it is used: it takes a tenth of a second.
 */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http"
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics"
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace-base"
import * as Layer from "effect/Layer"
import { connect } from "node:net"
import type * as Environment from "./Environment.js"
import * as Style from "./Style.js"
import { version } from "./Version.js"

const connectTimeoutMs = 2000

const probe = (url: URL): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect(
      Number(url.port || (url.protocol === "https:" ? 443 : 80)),
      url.hostname.replaceAll(/[[\]]/g, "")
    )
    const end = (problem: string | undefined) => {
      socket.destroy()
      resolve(problem)
    }
    socket.setTimeout(connectTimeoutMs, () => end("no connection in time"))
    socket.once("connect", () => end(undefined))
    socket.once("error", (error) => end(error.message))
  })

// The exporters try a collector that does not answer again for ten seconds each. One that cannot even be reached is found out at the
// first export instead, and told of once, whatever number of batches is lost.
class Collector {
  private reachable: Promise<boolean> | undefined
  private told = false

  constructor(readonly url: URL) {}

  path(signal: "traces" | "metrics"): string {
    return `${this.url.href.replace(/\/+$/, "")}/v1/${signal}`
  }

  isReachable(): Promise<boolean> {
    this.reachable ??= probe(this.url).then((problem) => {
      if (problem !== undefined) this.tell(problem)
      return problem === undefined
    })
    return this.reachable
  }

  tell(problem: string): void {
    if (this.told) return
    this.told = true
    const name = Style.stderr.yellow("OTEL_EXPORTER_OTLP_ENDPOINT")
    process.stderr.write(`${name}: spans and metrics were not taken by ${this.url.origin}: ${problem}\n`)
  }
}

type Done<Exporter extends { export: (items: never, done: never) => void }> = Parameters<Exporter["export"]>[1]

class TraceExporter extends OTLPTraceExporter {
  constructor(private readonly collector: Collector) {
    super({ url: collector.path("traces"), concurrencyLimit: 100 })
  }
  override export(spans: Parameters<OTLPTraceExporter["export"]>[0], done: Done<OTLPTraceExporter>): void {
    exportTo(this.collector, done, (done) => super.export(spans, done))
  }
}

class MetricExporter extends OTLPMetricExporter {
  constructor(private readonly collector: Collector) {
    super({ url: collector.path("metrics") })
  }
  override export(metrics: Parameters<OTLPMetricExporter["export"]>[0], done: Done<OTLPMetricExporter>): void {
    exportTo(this.collector, done, (done) => super.export(metrics, done))
  }
}

interface Result {
  readonly code: number
  readonly error?: Error
}

const failed = 1

const exportTo = (
  collector: Collector,
  done: (result: Result) => void,
  send: (done: (result: Result) => void) => void
): void => {
  void collector.isReachable().then((reachable) => {
    if (!reachable) return done({ code: failed })
    send((result) => {
      if (result.code === failed) collector.tell(result.error?.message ?? "refused")
      done(result)
    })
  })
}

/** Exports spans and metrics over OTLP/HTTP until the layer's scope closes, which sends what is left. */
export const layer = ({ serviceName, url }: Environment.Collector): Layer.Layer<never> =>
  Layer.discard(
    NodeSdk.layer(() => {
      const collector = new Collector(url)
      return {
        resource: { serviceName, serviceVersion: version },
        // A burst makes more spans at once than the defaults hold (2048), and a slow collector takes longer than 3 s.
        spanProcessor: new BatchSpanProcessor(new TraceExporter(collector), {
          maxQueueSize: 100_000,
          maxExportBatchSize: 2048
        }),
        metricReader: new PeriodicExportingMetricReader({ exporter: new MetricExporter(collector) }),
        shutdownTimeout: "30 seconds"
      }
    })
  )
