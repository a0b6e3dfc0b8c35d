/**
 * The OpenTelemetry SDK for Node as one Layer, with settings that lose nothing at exit and never stand in a call's way.
 *
 * @since 0.1.0
 */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus"
import type { MetricReader } from "@opentelemetry/sdk-metrics"
import { PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics"
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace-base"
import type * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import { Collector } from "./internal/collector.js"
import * as Otlp from "./internal/otlp.js"

/**
 * A collector that takes OTLP over HTTP, such as Jaeger.
 *
 * @since 0.1.0
 * @category models
 */
export interface OtlpOptions {
  /** Its base URL, such as `http://localhost:4318`: `/v1/traces` and `/v1/metrics` are added. */
  readonly endpoint: string | URL
  /** Headers of every export, such as the credentials of a hosted collector. Defaults to none. */
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  /** Defaults to true. A collector that answers metrics with 404, as Jaeger does, is not sent any more of them. */
  readonly metrics?: boolean | undefined
  /** How often metrics are sent. Defaults to 10 seconds, and once at the end. */
  readonly metricsInterval?: Duration.DurationInput | undefined
}

/**
 * A page for Prometheus to scrape: `http://HOST:PORT/metrics`.
 *
 * @since 0.1.0
 * @category models
 */
export interface PrometheusOptions {
  /** The port to listen on. Defaults to 9464, OpenTelemetry's own. */
  readonly port?: number | undefined
  /** The address to listen on. Defaults to `127.0.0.1`; in a container it has to be `0.0.0.0`. */
  readonly host?: string | undefined
}

/**
 * What to export, and where to.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** What the program is called in traces. */
  readonly serviceName: string
  /** Defaults to none. */
  readonly serviceVersion?: string | undefined
  /** Where spans go, and metrics unless told otherwise. Defaults to nowhere. */
  readonly otlp?: OtlpOptions | undefined
  /** Defaults to no page. */
  readonly prometheus?: PrometheusOptions | undefined
  /** The most spans that are kept until they are sent; those beyond it are lost. Defaults to 100,000, some 200 MB. */
  readonly queueSize?: number | undefined
  /** The longest that the end of the program waits for what is left to be sent. Defaults to 30 seconds. */
  readonly shutdownTimeout?: Duration.DurationInput | undefined
  /** Told once, when something could not be exported for the first time. Defaults to a warning in the log. */
  readonly onProblem?: ((problem: string) => Effect.Effect<void>) | undefined
}

const headersOf = ({ headers }: OtlpOptions): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, value]) => [
      name,
      Redacted.isRedacted(value) ? Redacted.value(value) : value
    ])
  )

/**
 * Exports spans and metrics for as long as its scope is open; when the scope closes, what is left is sent.
 *
 * Provide it at the edge of the program, outside everything that makes spans, and let the scope close: `NodeRuntime.runMain`
 * and `ManagedRuntime.dispose` do, `process.exit` does not. Spans are sent in batches of up to 2048 from a queue of
 * `queueSize`; OpenTelemetry's own defaults (a queue of 2048, 3 seconds at the end) lose most of a burst.
 *
 * No call waits for a collector or fails with it. One that cannot be reached, answers with an error or is too slow is told
 * of once, by `onProblem`; its batches are tried again for 10 seconds each and then dropped. The end of the program waits
 * for it no longer than `shutdownTimeout`. Fails as a defect where the Prometheus port is taken.
 *
 * Sampling: attributes are set after a span has started, so a head sampler sees only the name. Sample in the collector.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { NodeTelemetry } from "@spillway/opentelemetry"
 *
 * const Telemetry = NodeTelemetry.layer({
 *   serviceName: "support-desk",
 *   otlp: { endpoint: "http://localhost:4318" },
 *   prometheus: { port: 9464 }
 * })
 *
 * export const main = Effect.log("calls go here").pipe(Effect.withSpan("main"), Effect.provide(Telemetry))
 * ```
 */
export const layer = (options: Options): Layer.Layer<never> =>
  Layer.unwrapScoped(
    Effect.gen(function* () {
      const runtime = yield* Effect.runtime<never>()
      const tell = options.onProblem ?? ((problem: string) => Effect.logWarning(problem))
      const { otlp, prometheus } = options
      const collector =
        otlp === undefined
          ? Option.none<Collector>()
          : Option.some(new Collector(new URL(otlp.endpoint), (problem) => Runtime.runFork(runtime)(tell(problem))))
      const page = prometheus === undefined ? Option.none() : Option.some(yield* scrapePage(prometheus))
      return Layer.discard(
        NodeSdk.layer(() => ({
          resource: {
            serviceName: options.serviceName,
            ...(options.serviceVersion === undefined ? {} : { serviceVersion: options.serviceVersion })
          },
          ...Option.match(collector, {
            onNone: () => ({}),
            onSome: (collector) => ({
              spanProcessor: new BatchSpanProcessor(
                new Otlp.TraceExporter(collector, headersOf(otlp ?? { endpoint: "" })),
                {
                  maxQueueSize: options.queueSize ?? 100_000,
                  maxExportBatchSize: 2048,
                  scheduledDelayMillis: 1000
                }
              )
            })
          }),
          ...readers(collector, otlp, page),
          shutdownTimeout: options.shutdownTimeout ?? "30 seconds"
        }))
      )
    })
  )

// Listening before anything is called, so that a port that is taken shows at once.
const scrapePage = ({ host, port }: PrometheusOptions): Effect.Effect<MetricReader> =>
  Effect.async<MetricReader>((resume) => {
    const page: PrometheusExporter = new PrometheusExporter(
      { host: host ?? "127.0.0.1", port: port ?? 9464 },
      (error) => resume(error ? Effect.die(error) : Effect.succeed(page))
    )
  })

const readers = (
  collector: Option.Option<Collector>,
  otlp: OtlpOptions | undefined,
  page: Option.Option<MetricReader>
): { readonly metricReader?: Arr.NonEmptyReadonlyArray<MetricReader> } => {
  const [first, ...others] = [
    ...Option.toArray(page),
    ...(otlp === undefined || otlp.metrics === false
      ? []
      : Option.toArray(collector).map(
          (collector) =>
            new PeriodicExportingMetricReader({
              exporter: new Otlp.MetricExporter(collector, headersOf(otlp)),
              exportIntervalMillis: Duration.toMillis(otlp.metricsInterval ?? "10 seconds")
            })
        ))
  ]
  return first === undefined ? {} : { metricReader: [first, ...others] }
}
