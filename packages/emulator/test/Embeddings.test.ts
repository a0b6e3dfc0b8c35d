import { assert, describe, it } from "@effect/vitest"
import { Script } from "@spillway/emulator"
import { Effect, Fiber, Schema, TestClock } from "effect"
import { inProcess, log, type Received, scripted, send } from "./support/calls.js"

const resource = inProcess({
  deployments: [
    { name: "small", kind: "standard", model: "text-embedding-3-small", tokensPerMinute: 30_000 },
    { name: "large", kind: "standard", model: "text-embedding-3-large" },
    { name: "ada", kind: "standard", model: "text-embedding-ada-002", latency: { firstTokenMs: 70 } },
    { name: "chat", kind: "standard", model: "gpt-4o" }
  ]
})

const embed = (deployment: string, body: object) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(send("/openai/v1/embeddings", JSON.stringify({ model: deployment, ...body })))
    yield* TestClock.adjust("1 seconds")
    return yield* Fiber.join(fiber)
  })

const Embeddings = Schema.Struct({
  object: Schema.Literal("list"),
  model: Schema.String,
  data: Schema.Array(
    Schema.Struct({
      object: Schema.Literal("embedding"),
      index: Schema.Int,
      embedding: Schema.Union(Schema.String, Schema.Array(Schema.Number))
    })
  ),
  usage: Schema.Struct({ prompt_tokens: Schema.Int, total_tokens: Schema.Int })
})

const read = ({ body, status }: Received) => {
  assert.strictEqual(status, 200, JSON.stringify(body))
  return Schema.decodeUnknownSync(Embeddings)(body)
}

const vectors = (reply: Received) => read(reply).data.map(({ embedding }) => embedding as ReadonlyArray<number>)

const length = (vector: ReadonlyArray<number> | undefined) => Math.hypot(...(vector ?? []))

describe("embeddings", () => {
  it.effect("are vectors of length one, the same for the same text and model, in both URL styles", () =>
    Effect.gen(function* () {
      const [one] = vectors(yield* embed("small", { input: "weir" }))
      const fiber = yield* Effect.fork(
        send("/openai/deployments/small/embeddings?api-version=2024-10-21", JSON.stringify({ input: ["gate", "weir"] }))
      )
      yield* TestClock.adjust("1 seconds")
      const dated = yield* Fiber.join(fiber)
      const [other, same] = vectors(dated)
      const [large] = vectors(yield* embed("large", { input: "weir" }))

      assert.deepStrictEqual([one?.length, large?.length], [1536, 3072])
      assert.deepStrictEqual(same, one)
      assert.notDeepEqual(other, one)
      assert.notDeepEqual(large?.slice(0, 1536), one)
      for (const vector of [one, other, large]) assert.approximately(length(vector), 1, 1e-6)
      assert.deepStrictEqual(
        read(dated).data.map(({ index }) => index),
        [0, 1]
      )
      assert.strictEqual(dated.headers["x-ratelimit-remaining-tokens"], String(30_000 - 1 - 2))
    }).pipe(Effect.provide(resource))
  )

  it.effect("can be shorter, and are then still of length one", () =>
    Effect.gen(function* () {
      const [short] = vectors(yield* embed("small", { input: "weir", dimensions: 8 }))

      assert.strictEqual(short?.length, 8)
      assert.approximately(length(short), 1, 1e-6)
    }).pipe(Effect.provide(resource))
  )

  it.effect("are the same numbers in base64: 32 bits each, the lowest byte first", () =>
    Effect.gen(function* () {
      const [floats] = vectors(yield* embed("small", { input: "weir", dimensions: 16 }))
      const [encoded] = read(yield* embed("small", { input: "weir", dimensions: 16, encoding_format: "base64" })).data

      const bytes = Buffer.from(String(encoded?.embedding), "base64")
      assert.strictEqual(bytes.length, 64)
      assert.deepStrictEqual(
        Array.from({ length: 16 }, (_, index) => bytes.readFloatLE(index * 4)),
        floats
      )
    }).pipe(Effect.provide(resource))
  )

  it.effect("count a quarter of the characters, or the tokens given, and take the time to the first token", () =>
    Effect.gen(function* () {
      const usage = (input: unknown) => Effect.map(embed("ada", { input }), (reply) => read(reply).usage.total_tokens)

      assert.strictEqual(yield* usage("x".repeat(44)), 11)
      assert.strictEqual(yield* usage(["x".repeat(44), "x".repeat(216)]), 65)
      assert.strictEqual(yield* usage([1, 2, 3]), 3)
      assert.strictEqual(yield* usage([[1, 2, 3], [4]]), 4)
      const fiber = yield* Effect.fork(embed("ada", { input: "x" }))
      yield* TestClock.adjust("69 millis")
      assert.isNull(fiber.unsafePoll())
      yield* Fiber.interrupt(fiber)
      assert.strictEqual((yield* log).length, 5)
    }).pipe(Effect.provide(resource))
  )

  const refusals: ReadonlyArray<readonly [claim: string, deployment: string, body: object, message: RegExp]> = [
    ["no input", "small", {}, /Missing required parameter: 'input'/],
    ["an empty text", "small", { input: "" }, /input cannot be empty/],
    ["an empty list", "small", { input: [] }, /input cannot be empty/],
    ["2049 texts", "small", { input: Array.from({ length: 2049 }, () => "x") }, /maximum length 2048, .* length 2049/],
    ["a text over the model's window", "small", { input: "x".repeat(4 * 8193) }, /8192 tokens\. .* 8193 tokens/],
    ["dimensions the model has not", "small", { input: "x", dimensions: 1537 }, /from 1 to 1536/],
    ["dimensions of a model that has one length", "ada", { input: "x", dimensions: 8 }, /does not support specifying/],
    ["another encoding", "small", { input: "x", encoding_format: "hex" }, /'float' or 'base64'/],
    ["a chat model", "chat", { input: "x" }, /^The embeddings operation does not work with the specified model, gpt-4o/]
  ]
  it.effect.each(refusals.map((row) => ({ claim: row[0], row })))(
    "are refused for $claim",
    ({ row: [, deployment, body, message] }) =>
      Effect.gen(function* () {
        const reply = yield* embed(deployment, body)

        assert.strictEqual(reply.status, 400)
        assert.match((reply.body as { error: { message: string } }).error.message, message)
      }).pipe(Effect.provide(resource))
  )

  it.effect("are throttled under their own name", () =>
    Effect.gen(function* () {
      yield* embed("small", { input: Array.from({ length: 4 }, () => "x".repeat(4 * 7000)) })
      const throttled = yield* embed("small", { input: "x".repeat(4 * 7000) })

      assert.strictEqual(throttled.status, 429)
      assert.strictEqual(throttled.headers["policy-id"], "DeploymentRatelimit-Token")
      assert.match(
        JSON.stringify(throttled.body),
        /exceeded the token rate limit.*This request was for Embeddings_Create/
      )
    }).pipe(Effect.provide(resource))
  )

  it.effect("can be scripted", () =>
    Effect.gen(function* () {
      const first = yield* embed("d", { input: "weir" })
      const second = yield* embed("d", { input: "weir" })

      assert.strictEqual(first.status, 429)
      assert.strictEqual(read(second).model, "text-embedding-3-small")
    }).pipe(Effect.provide(scripted({ d: [Script.throttled(), Script.answer()] })))
  )
})
