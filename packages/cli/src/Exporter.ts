/** Spans and metrics of a command, sent to an OpenTelemetry collector where the environment names one. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Collector } from "./Environment.js"

/** Exports to `collector`; does nothing, and loads nothing, where there is none. */
export const layer = (collector: Option.Option<Collector>): Layer.Layer<never> =>
  Option.match(collector, {
    onNone: () => Layer.empty,
    onSome: (collector) =>
      Layer.unwrapEffect(
        Effect.map(
          Effect.promise(() => import("./OpenTelemetry.js")),
          ({ layer }) => layer(collector)
        )
      )
  })
