import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, Deployment } from "@spillway/azure-openai"
import { RetryAfter } from "@spillway/core"
import { Emulator, Script } from "@spillway/emulator"
import { Effect, Fiber, Layer, Option, Redacted, TestClock, Tracer } from "effect"
import * as SpanCollector from "../src/SpanCollector.js"
import * as SpanTree from "../src/SpanTree.js"
import { plain } from "../src/Style.js"

const at = (deployment: string): Deployment.Options => ({
  deployment,
  model: "gpt-4o",
  endpoint: "https://contoso.openai.azure.com",
  apiKey: Redacted.make("a-key")
})

const Chat = Deployment.provisioned(at("ptu")).pipe(
  Deployment.retry(RetryAfter.within("4 seconds")),
  Deployment.orElse(Deployment.standard(at("std"))),
  Layer.provide(Emulator.layerClient),
  Layer.provide(
    Emulator.layerScripted(
      Script.make({
        ptu: [
          Script.throttled({ retryAfterMs: 1000, after: "40 millis" }),
          Script.throttled({ retryAfterMs: 3000, after: "40 millis" })
        ],
        std: [Script.answer({ text: "hi", after: "520 millis" })]
      })
    )
  )
)

const call = AzureOpenAI.chat({ messages: [{ role: "user", content: "hi" }] }).pipe(
  Effect.provide(Layer.orDie(Chat)),
  SpanCollector.collect
)

describe("SpanTree", () => {
  it.effect("renders a call with its attempts and waits, to scale", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(call)
      yield* TestClock.adjust("5 seconds")
      const [, spans] = yield* Fiber.join(fiber)
      const root = spans.find((span) => Option.isNone(span.parent))
      assert.isDefined(root)
      if (root === undefined) return

      assert.deepStrictEqual(SpanTree.render(root, spans, { style: plain }).split("\n"), [
        "chat gpt-4o                +0  1600 ms  ────────────────────────────────  fallback",
        "├─ attempt provisioned     +0    40 ms  █                                 429, retry after 1000 ms",
        "├─ wait                   +40  1000 ms  ░░░░░░░░░░░░░░░░░░░░",
        "├─ attempt provisioned  +1040    40 ms                      █             429, retry after 3000 ms",
        "└─ attempt standard     +1080   520 ms                       ██████████   200"
      ])
    })
  )

  it.effect("the tracer in force goes on to make the spans, and keeps them as they are", () =>
    Effect.gen(function* () {
      const made: Array<string> = []
      const native = yield* Effect.tracer
      const recording = Tracer.make({
        span: (...args) => {
          made.push(args[0])
          return native.span(...args)
        },
        context: (f, fiber) => native.context(f, fiber)
      })

      const [value, spans] = yield* Effect.succeed("value").pipe(
        Effect.withSpan("inner"),
        Effect.withSpan("outer"),
        SpanCollector.collect,
        Effect.withTracer(recording)
      )

      assert.strictEqual(value, "value")
      assert.deepStrictEqual(made, ["outer", "inner"])
      assert.deepStrictEqual(
        spans.map(({ name }) => name),
        ["outer", "inner"]
      )
      assert.strictEqual(SpanTree.render(spans[0] ?? assert.fail(), spans, { style: plain }).split("\n").length, 2)
    })
  )
})
