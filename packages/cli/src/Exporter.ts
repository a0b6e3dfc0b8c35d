/** Spans and metrics of a command, exported where the environment says so. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Exports } from "./Environment.js"
import * as Style from "./Style.js"
import { version } from "./Version.js"

/** Exports spans and metrics; does nothing, and loads nothing, where there is nowhere to. Loading takes a tenth of a second. */
export const layer = (exports: Option.Option<Exports>): Layer.Layer<never> =>
  Option.match(exports, {
    onNone: () => Layer.empty,
    onSome: ({ otlp, prometheus, serviceName }) =>
      Layer.unwrapEffect(
        Effect.map(
          Effect.promise(() => import("@spillway/opentelemetry/NodeTelemetry")),
          (NodeTelemetry) =>
            NodeTelemetry.layer({
              serviceName,
              serviceVersion: version,
              ...(otlp === undefined ? {} : { otlp: { endpoint: otlp } }),
              ...(prometheus === undefined ? {} : { prometheus }),
              onProblem: (problem) =>
                Effect.sync(() => {
                  process.stderr.write(`${Style.stderr.yellow("OTEL_EXPORTER_OTLP_ENDPOINT")}: ${problem}\n`)
                })
            })
        )
      )
  })
