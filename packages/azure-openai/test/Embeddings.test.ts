import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, Deployment, Embeddings } from "@spillway/azure-openai"
import { Effect, Exit, Layer, Schema } from "effect"
import { values } from "../../../test/support/metrics.js"
import { recorder } from "./support/recorder.js"
import type { Prepared } from "./support/wire.js"
import { ptu, standard, wire } from "./support/wire.js"

// [1, -2.5, 0.1] as little-endian 32-bit floats, written down by hand: 0000803f 000020c0 cdcccc3d.
const base64 = "AACAPwAAIMDNzMw9"
const numbers = [1, -2.5, Math.fround(0.1)]

const answer = (data: ReadonlyArray<unknown>): Prepared => ({
  pieces: [JSON.stringify({ object: "list", data, model: "emb", usage: { prompt_tokens: 4, total_tokens: 4 } })]
})

describe("AzureOpenAI.embeddings", () => {
  it.effect("asks for Base64, decodes it, and gives the vectors in the order of the inputs", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([
        answer([
          { index: 1, embedding: [0.5] },
          { index: 0, embedding: base64 }
        ])
      ])
      const { layer: tracer, spans, tree } = recorder()

      const { inputTokens, served, vectors } = yield* AzureOpenAI.embeddings({ input: ["a", "b"], dimensions: 3 }).pipe(
        Effect.provide([standard().pipe(Layer.provide(layer)), tracer])
      )

      assert.deepStrictEqual(vectors, [numbers, [0.5]])
      assert.strictEqual(inputTokens, 4)
      assert.strictEqual(served.servedBy, "standard")
      assert.strictEqual(sent[0]?.url, "https://contoso.openai.azure.com/openai/v1/embeddings")
      assert.deepStrictEqual(sent[0]?.body, {
        input: ["a", "b"],
        dimensions: 3,
        encoding_format: "base64",
        model: "gpt-4o"
      })
      assert.strictEqual(tree(), "embeddings gpt-4o ok 0-0\n  attempt standard ok 0-0")
      assert.strictEqual(spans[0]?.attributes.get("gen_ai.embeddings.dimension.count"), 3)
    })
  )

  it.effect("encodes a vector to what it decodes from", () =>
    Effect.gen(function* () {
      const encoded = Schema.encodeSync(Embeddings.Vector)(numbers)
      assert.deepStrictEqual(Schema.decodeUnknownSync(Embeddings.Vector)(encoded), numbers)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Schema.decodeUnknown(Embeddings.Vector)("AACA"))))
    })
  )

  it.effect("falls back, and stops at an answer with a vector missing", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([{ status: 429, pieces: ["{}"] }, answer([{ index: 1, embedding: [1] }])])

      const error = yield* AzureOpenAI.embeddings({ input: ["a", "b"] }).pipe(
        Effect.flip,
        Effect.provide(ptu().pipe(Deployment.orElse(standard()), Layer.provide(layer)))
      )

      assert.strictEqual(error._tag === "Malformed" && error.path, "data.1")
      assert.strictEqual(sent.length, 2)
    })
  )

  it.effect("asks for numbers where they are asked for, takes tokens for one input, and tells names and usage", () =>
    Effect.gen(function* () {
      const hostile = JSON.stringify({ data: [{ index: 0, embedding: [1] }], model: "SECRET text as a model" })
      const { layer, sent } = wire([answer([{ index: 0, embedding: [1, 2] }]), { pieces: [hostile] }])
      const { layer: tracer, spans } = recorder()

      const { vectors } = yield* AzureOpenAI.embeddings({ input: [1, 2, 3], encoding_format: "float" }).pipe(
        Effect.zipLeft(AzureOpenAI.embeddings({ input: [[1], [2]].slice(1) })),
        Effect.provide([standard({ deployment: "emb-told" }).pipe(Layer.provide(layer)), tracer])
      )

      assert.deepStrictEqual(vectors, [[1, 2]])
      assert.deepStrictEqual([sent[0]?.body?.["encoding_format"], sent[0]?.body?.["input"]], ["float", [1, 2, 3]])
      const [told, untold] = spans.filter(({ parent }) => parent === undefined).map(({ attributes }) => attributes)
      assert.strictEqual(told?.get("gen_ai.response.model"), "emb")
      assert.strictEqual(told?.get("gen_ai.usage.input_tokens"), 4)
      assert.isFalse(untold?.has("gen_ai.response.model"))
      const counted = yield* values("spillway.tokens", { deployment: "emb-told" }, "token_type")
      assert.strictEqual(counted["input"], 4)
    })
  )

  it.effect("takes no vector of anything but numbers", () =>
    Effect.gen(function* () {
      for (const embedding of [[1, "2"], [null], {}, 5, "AACA"]) {
        const { layer } = wire([answer([{ index: 0, embedding }])])
        const error = yield* AzureOpenAI.embeddings({ input: "a" }).pipe(
          Effect.flip,
          Effect.provide(standard().pipe(Layer.provide(layer)))
        )
        assert.strictEqual(error._tag === "Malformed" && error.path, "data.0.embedding")
      }
    })
  )

  it.effect("sends nothing for inputs that cannot be right", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([])
      for (const input of ["", [], ["a", ""], Array.from({ length: 2049 }, () => "a")]) {
        const error = yield* AzureOpenAI.embeddings({ input }).pipe(
          Effect.flip,
          Effect.provide(standard().pipe(Layer.provide(layer)))
        )
        assert.strictEqual(error._tag, "BadRequest")
      }
      assert.strictEqual(sent.length, 0)
    })
  )
})

describe("AzureOpenAI.embed", () => {
  it.effect("sends what is asked for together in requests of 256", () =>
    Effect.gen(function* () {
      const texts = Array.from({ length: 600 }, (_, n) => String(n))
      const batch = (from: number, to: number) =>
        answer(texts.slice(from, to).map((text, index) => ({ index, embedding: [Number(text)] })))
      const { layer, sent } = wire([batch(0, 256), batch(256, 512), batch(512, 600)])

      const vectors = yield* Effect.forEach(texts, (text) => AzureOpenAI.embed(text), { batching: true }).pipe(
        Effect.provide(standard().pipe(Layer.provide(layer)))
      )

      assert.deepStrictEqual(
        sent.map(({ body }) => [body?.["input"]].flat().length),
        [256, 256, 88]
      )
      assert.deepStrictEqual(
        vectors,
        texts.map((text) => [Number(text)])
      )
    })
  )

  it.effect("keeps lengths of vectors apart, and fails a batch as one", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([
        { status: 401, pieces: ["{}"] },
        { status: 401, pieces: ["{}"] }
      ])

      const exits = yield* Effect.all(
        [
          AzureOpenAI.embed("a", { dimensions: 1 }),
          AzureOpenAI.embed("b"),
          AzureOpenAI.embed("c", { dimensions: 1 })
        ].map(Effect.exit),
        { batching: true }
      ).pipe(Effect.provide(standard().pipe(Layer.provide(layer))))

      assert.deepStrictEqual(
        sent.map(({ body }) => body?.["dimensions"]),
        [1, undefined]
      )
      for (const exit of exits) {
        assert.strictEqual(Exit.isFailure(exit) && exit.cause._tag === "Fail" && exit.cause.error._tag, "Unauthorized")
      }
    })
  )
})
