import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI } from "@spillway/azure-openai"
import { Script } from "@spillway/emulator"
import { Effect, HashMap, Layer, Logger, LogLevel } from "effect"
import { asLayers, hello, inProcess, inVirtualTime } from "./support/scenario.js"
import { recorder } from "./support/spans.js"

interface Line {
  readonly level: string
  readonly message: unknown
  readonly annotations: Readonly<Record<string, unknown>>
}

/** What a call that waits and then falls back logs, with its spans. */
const logged = (level: LogLevel.LogLevel) =>
  Effect.gen(function* () {
    const lines: Array<Line> = []
    const logger = Logger.make(({ annotations, logLevel, message }) => {
      const [only] = Array.isArray(message) ? message : [message]
      lines.push({
        level: logLevel.label,
        message: only,
        annotations: Object.fromEntries(HashMap.toEntries(annotations))
      })
    })
    const { layer, spans } = yield* recorder
    yield* inVirtualTime(
      AzureOpenAI.chat(hello).pipe(
        Effect.provide(Layer.orDie(asLayers({}))),
        Effect.provide([layer, Logger.add(logger), Logger.minimumLogLevel(level)])
      )
    )
    return { lines, spans }
  }).pipe(
    Effect.provide(
      inProcess(
        Script.make({
          ptu: [
            Script.throttled({ retryAfterMs: 2500, after: 100 }),
            Script.throttled({ retryAfterMs: 1500, after: 400 })
          ],
          std: [Script.answer({ after: 300 })]
        })
      )
    )
  )

describe("logs", () => {
  it.effect("have a line for every decision and one for the call at debug, with times and the ids of the trace", () =>
    Effect.gen(function* () {
      const { lines, spans } = yield* logged(LogLevel.Debug)
      const ids = { trace_id: `trace-${spans[0]?.id}`, span_id: spans[0]?.id }

      assert.deepStrictEqual(lines, [
        {
          level: "DEBUG",
          message: "spillway.retry",
          annotations: {
            ...ids,
            "spillway.deployment": "ptu",
            "spillway.wait.planned_ms": 2500,
            "spillway.elapsed_ms": 100,
            "spillway.response_ms": "100"
          }
        },
        {
          level: "INFO",
          message: "spillway.fallback",
          annotations: {
            ...ids,
            "spillway.fallback.from": "ptu",
            "spillway.fallback.to": "std",
            "error.type": "RateLimited",
            "spillway.elapsed_ms": 3000,
            "spillway.response_ms": "100,400"
          }
        },
        {
          level: "DEBUG",
          message: "spillway.call",
          annotations: {
            ...ids,
            "spillway.outcome": "fallback",
            "spillway.served_by": "standard",
            "spillway.deployment": "std",
            "spillway.attempts": 3,
            "spillway.waited_ms": 2500,
            "spillway.elapsed_ms": 3300,
            "spillway.response_ms": "100,400,300"
          }
        }
      ])
    })
  )

  it.effect("have only the fallback at info", () =>
    Effect.gen(function* () {
      const { lines } = yield* logged(LogLevel.Info)

      assert.deepStrictEqual(
        lines.map(({ message }) => message),
        ["spillway.fallback"]
      )
    })
  )

  it.effect("add no event to the span: it has the decision already", () =>
    Effect.gen(function* () {
      const { spans } = yield* logged(LogLevel.Debug)

      assert.deepStrictEqual(
        spans.flatMap(({ events }) => events.map(({ name }) => name)),
        ["spillway.retry", "spillway.fallback"]
      )
    })
  )
})
