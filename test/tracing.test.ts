import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, Deployment, Telemetry } from "@spillway/azure-openai"
import { Emulator, Script } from "@spillway/emulator"
import { Effect, Fiber, Layer, Stream, TestClock } from "effect"
import { at, hello, inProcess, inVirtualTime } from "./support/scenario.js"
import { recorder, render } from "./support/spans.js"

const headersSent = Effect.gen(function* () {
  const emulator = yield* Emulator.Emulator
  const [request] = yield* emulator.requests
  return request?.headers ?? {}
})

/** The spans of one call to a deployment. */
const call = (options: Partial<Deployment.Options>) =>
  Effect.gen(function* () {
    const { layer, spans } = yield* recorder
    yield* AzureOpenAI.chat(hello).pipe(
      Effect.provide(Layer.orDie(Deployment.provisioned(at("ptu", options)))),
      Effect.provide(layer)
    )
    return { spans, headers: yield* headersSent }
  })

const once = inProcess(Script.make({ ptu: [Script.answer({ text: "hi" })] }))

describe("propagation", () => {
  it.effect("is off: no trace id reaches the service", () =>
    Effect.gen(function* () {
      const { headers } = yield* call({})

      assert.notProperty(headers, "traceparent")
      assert.notProperty(headers, "b3")
    }).pipe(Effect.provide(once))
  )

  it.effect("sends the attempt's ids in the W3C header, and no other", () =>
    Effect.gen(function* () {
      const { headers, spans } = yield* call({ propagate: true })
      const attempt = spans.find(({ name }) => name === "attempt provisioned")

      assert.strictEqual(headers["traceparent"], `00-trace-${spans[0]?.id}-${attempt?.id}-01`)
      assert.notProperty(headers, "b3")
    }).pipe(Effect.provide(once))
  )
})

describe("the HTTP client's own span", () => {
  it.effect("is not made", () =>
    Effect.gen(function* () {
      const { spans } = yield* call({})

      assert.deepStrictEqual(
        spans.map(({ name }) => name),
        ["chat gpt-4o", "attempt provisioned"]
      )
    }).pipe(Effect.provide(once))
  )

  it.effect("is made below the attempt's where asked for, without the key", () =>
    Effect.gen(function* () {
      const { spans } = yield* call({ httpSpans: true })
      const [, attempt, http] = spans

      assert.deepStrictEqual(
        spans.map(({ name }) => name),
        ["chat gpt-4o", "attempt provisioned", "http.client POST"]
      )
      assert.strictEqual(http?.parent, attempt?.id)
      assert.strictEqual(http?.attributes.get("http.request.header.api-key"), "<redacted>")
      assert.strictEqual(http?.attributes.get("http.response.status_code"), 200)
    }).pipe(Effect.provide(once))
  )
})

describe("a span that ends without an answer tells why", () => {
  it.effect("failed, interrupted and defective are three things", () =>
    Effect.gen(function* () {
      const { layer, spans } = yield* recorder
      const [failing, hanging, dying] = [
        Deployment.provisioned(at("failing")),
        Deployment.provisioned(at("hanging")),
        Deployment.provisioned(at("dying")).pipe(
          Layer.provide(
            Layer.succeed(
              HttpClient.HttpClient,
              HttpClient.make(() => Effect.die(new Error("a bug of the client")))
            )
          )
        )
      ].map(Layer.orDie)
      const ask = (deployment: typeof failing) =>
        AzureOpenAI.chat(hello).pipe(
          Effect.provide(deployment ?? Layer.die("none")),
          Effect.exit,
          Effect.provide(layer)
        )
      yield* ask(failing)
      const fiber = yield* Effect.fork(ask(hanging))
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interrupt(fiber)
      yield* ask(dying)

      assert.strictEqual(
        render(spans),
        [
          "chat gpt-4o [client] 0..0 error attempts=1 error.type=Unavailable outcome=failed waited_ms=0",
          "  attempt provisioned [client] 0..0 error attempt=1 deployment=failing error.type=connection_error",
          "chat gpt-4o [client] 0..100 interrupted attempts=1 outcome=interrupted waited_ms=0",
          "  attempt provisioned [client] 0..100 interrupted attempt=1 deployment=hanging error.type=interrupted",
          "chat gpt-4o [client] 100..100 error attempts=1 error.type=defect outcome=failed waited_ms=0",
          "  attempt provisioned [client] 100..100 error attempt=1 deployment=dying error.type=defect"
        ].join("\n")
      )
    }).pipe(Effect.provide(inProcess(Script.make({ failing: [Script.refuse()], hanging: [Script.silent] }))))
  )
})

describe("prompts and answers", () => {
  const both = (spans: ReadonlyArray<{ readonly attributes: Map<string, unknown> }>) => [
    spans[0]?.attributes.get("gen_ai.input.messages"),
    spans[0]?.attributes.get("gen_ai.output.messages")
  ]

  it.effect("are not in spans", () =>
    Effect.gen(function* () {
      const { spans } = yield* call({})

      assert.deepStrictEqual(both(spans), [undefined, undefined])
    }).pipe(Effect.provide(once))
  )

  it.effect("are on the root where asked for", () =>
    Effect.gen(function* () {
      const { spans } = yield* Telemetry.withContent(call({}), true)

      assert.deepStrictEqual(both(spans), [
        `[{"role":"user","parts":[{"type":"text","content":"hello"}]}]`,
        `[{"role":"assistant","parts":[{"type":"text","content":"hi"}],"finish_reason":"stop"}]`
      ])
      assert.notProperty(Object.fromEntries(spans[1]?.attributes ?? []), "gen_ai.input.messages")
    }).pipe(Effect.provide(once))
  )

  it.effect("of a stream as well, once it has ended", () =>
    Effect.gen(function* () {
      const { layer, spans } = yield* recorder
      yield* inVirtualTime(Stream.runDrain(AzureOpenAI.chatStream({ messages: hello.messages }))).pipe(
        Telemetry.withContent(true),
        Effect.provide(Layer.orDie(Deployment.provisioned(at("ptu")))),
        Effect.provide(layer)
      )

      assert.deepStrictEqual(both(spans), [
        `[{"role":"user","parts":[{"type":"text","content":"hello"}]}]`,
        `[{"role":"assistant","parts":[{"type":"text","content":"hi you"}],"finish_reason":"stop"}]`
      ])
    }).pipe(
      Effect.provide(
        inProcess(
          Script.make({
            ptu: [
              Script.reply({
                headers: { "content-type": "text/event-stream" },
                body: [
                  `data: {"id":"x","choices":[{"index":0,"delta":{"content":"hi "}}]}\n\n`,
                  `data: {"id":"x","choices":[{"index":0,"delta":{"content":"you"},"finish_reason":"stop"}]}\n\n`,
                  "data: [DONE]\n\n"
                ].join("")
              })
            ]
          })
        )
      )
    )
  )
})
