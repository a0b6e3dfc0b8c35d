import { EmbeddingModel, LanguageModel } from "@effect/ai"
import { OpenAiClient, OpenAiEmbeddingModel, OpenAiLanguageModel } from "@effect/ai-openai"
import { CallSettings } from "@spillway/core"
import type { Deployment } from "@spillway/azure-openai"
import { HttpClientBridge } from "@spillway/azure-openai"
import { InStreamThrottle, Script } from "@spillway/emulator"
import { Effect, Layer, Logger, LogLevel, Redacted, Schema, Stream } from "effect"
import { assert, describe, it } from "vitest"
import { ample, busyThen, eventually, full, play, theirs } from "./support/server.js"
import type { Server } from "./support/server.js"

const clientOver = (deployment: Layer.Layer<Deployment.Deployment>) =>
  OpenAiClient.layer({ apiKey: Redacted.make(theirs), apiUrl: "https://unused.example/v1" }).pipe(
    Layer.provide(HttpClientBridge.layer),
    Layer.provide(deployment)
  )

const run = <A, E>(server: Server, effect: Effect.Effect<A, E, LanguageModel.LanguageModel>) =>
  effect.pipe(
    Effect.provide(OpenAiLanguageModel.layer({ model: "gpt-4o" }).pipe(Layer.provide(clientOver(server.chat)))),
    Effect.provide(Logger.minimumLogLevel(LogLevel.None)),
    Effect.runPromise
  )

const generate = LanguageModel.generateText({ prompt: "Hi" })

const text = LanguageModel.streamText({ prompt: "Hi" }).pipe(
  Stream.map((part) => (part.type === "text-delta" ? part.delta : "")),
  Stream.mkString
)

describe("@effect/ai-openai", () => {
  it("generates and streams the same text, and objects", async () => {
    const server = await ample()

    const whole = await run(server, generate)
    const pieces = await run(server, text)
    const { value } = await run(
      server,
      LanguageModel.generateObject({ prompt: "Hi", schema: Schema.Struct({ name: Schema.String }) })
    )

    assert.isNotEmpty(whole.text)
    assert.strictEqual(pieces, whole.text)
    assert.isString(value.name)
    assert.deepStrictEqual(await server.asked(), ["gpt-4o-ptu 200", "gpt-4o-ptu 200", "gpt-4o-ptu 200"])
  })

  it("waits for the PTUs, in and before a stream, and goes to Standard when the caller cannot", async () => {
    const waited = await busyThen(
      Script.answer({ text: "hello" }),
      Script.stream(InStreamThrottle.make("failedThenError", InStreamThrottle.quota, { retryAfterMs: 50 })),
      Script.answer({ text: "streamed" })
    )
    assert.strictEqual((await run(waited, generate)).text, "hello")
    assert.strictEqual(await run(waited, text), "streamed")
    assert.deepStrictEqual(await waited.asked(), [
      "gpt-4o-ptu 429",
      "gpt-4o-ptu 200",
      "gpt-4o-ptu 200",
      "gpt-4o-ptu 200"
    ])

    const fellBack = await play([Script.throttled({ retryAfterMs: 200 })], [Script.answer({ text: "standard" })])
    assert.strictEqual((await run(fellBack, CallSettings.withMaxWait(generate, "100 millis"))).text, "standard")
  })

  it("embeds", async () => {
    const server = await ample()

    const vectors = await Effect.flatMap(EmbeddingModel.EmbeddingModel, (model) =>
      model.embedMany(["one", "two"])
    ).pipe(
      Effect.provide(
        OpenAiEmbeddingModel.layerBatched({ model: "text-embedding-3-small" }).pipe(
          Layer.provide(clientOver(server.embeddings))
        )
      ),
      Effect.runPromise
    )

    assert.deepStrictEqual(
      vectors.map(({ length }) => length),
      [1536, 1536]
    )
    assert.deepStrictEqual(await server.asked(), ["embeddings 200"])
  })

  it("sees a throttle as its HttpResponseError, with status and hint", async () => {
    const server = await full()

    const error = await run(server, Effect.flip(generate))

    assert.strictEqual(error._tag, "HttpResponseError")
    assert.deepStrictEqual(
      error._tag === "HttpResponseError" && [error.response.status, error.response.headers["retry-after-ms"]],
      [429, "30000"]
    )
  })

  it("interrupts a stream, and leaves nothing in flight", async () => {
    const server = await play([Script.answer({ text: "word ".repeat(200), every: "20 millis" })])

    await run(
      server,
      LanguageModel.streamText({ prompt: "Hi" }).pipe(
        Stream.filter((part) => part.type === "text-delta"),
        Stream.take(3),
        Stream.runDrain
      )
    )

    await eventually(async () => (await server.inFlight()) === 0)
  })
})
