import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, Deployment } from "@spillway/azure-openai"
import { CallSettings, RetryAfter } from "@spillway/core"
import { Effect, Exit, Fiber, Layer, Option, TestClock } from "effect"
import { recorder } from "./support/recorder.js"
import type { Prepared } from "./support/wire.js"
import { ptu, standard, wire } from "./support/wire.js"

const answer = (values: ReadonlyArray<number>): Prepared => ({
  pieces: [JSON.stringify({ data: values.map((value, index) => ({ index, embedding: [value] })), model: "emb" })]
})

/** Answers each text with its length, after a while; remembers what came when. */
const lengths = (delay: string) => {
  const sent: Array<readonly [at: number, inputs: number]> = []
  let cut = 0
  const client = HttpClient.make((request) =>
    Effect.gen(function* () {
      const body = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : "{}"
      const input: ReadonlyArray<string> = JSON.parse(body).input
      const clock = yield* Effect.clock
      sent.push([clock.unsafeCurrentTimeMillis(), input.length])
      yield* Effect.sleep(delay as `${number} millis`).pipe(Effect.onInterrupt(() => Effect.sync(() => void cut++)))
      const data = input.map((text, index) => ({ index, embedding: [text.length] }))
      return HttpClientResponse.fromWeb(request, new Response(JSON.stringify({ data })))
    })
  )
  return { layer: Layer.succeed(HttpClient.HttpClient, client), sent, cut: () => cut }
}

const all = (texts: ReadonlyArray<string>) =>
  Effect.forEach(texts, (text) => AzureOpenAI.embed(text), { batching: true })

const texts = (n: number) => Array.from({ length: n }, (_, k) => "x".repeat((k % 7) + 1))

describe("AzureOpenAI.embed", () => {
  it.effect("keeps to the deadline of its caller, alone and in a batch", () =>
    Effect.gen(function* () {
      const { layer } = lengths("600000 millis")
      for (const effect of [AzureOpenAI.embed("a"), Effect.asVoid(all(["a", "b"]))]) {
        const fiber = yield* Effect.flip(effect).pipe(
          CallSettings.withDeadline("1 second"),
          Effect.provide(standard().pipe(Layer.provide(layer))),
          Effect.fork
        )
        yield* TestClock.adjust("999 millis")
        assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "DeadlineExceeded")
      }
    })
  )

  it.effect("keeps to the maximum wait of its caller", () =>
    Effect.gen(function* () {
      const busy: Prepared = { status: 429, headers: { "retry-after-ms": "1000" }, pieces: ["{}"] }
      const { layer, sent } = wire([busy])
      const policy = ptu().pipe(Deployment.retry(RetryAfter.within("4 seconds")), Layer.provide(layer))

      const error = yield* AzureOpenAI.embed("a").pipe(CallSettings.withMaxWait(0), Effect.flip, Effect.provide(policy))

      assert.strictEqual(error._tag, "RateLimited")
      assert.strictEqual(sent.length, 1)
    })
  )

  it.effect("has its call below its caller's span", () =>
    Effect.gen(function* () {
      const { layer } = wire([answer([1]), answer([1, 2])])
      const { layer: tracer, tree } = recorder()

      yield* AzureOpenAI.embed("a").pipe(
        Effect.zipRight(all(["b", "c"])),
        Effect.withSpan("mine"),
        Effect.provide([standard().pipe(Layer.provide(layer)), tracer])
      )

      const call = "  embeddings gpt-4o ok 0-0\n    attempt standard ok 0-0"
      assert.strictEqual(tree(), `mine ok 0-0\n${call}\n${call}`)
    })
  )

  it.effect("lets go of its request when it is interrupted", () =>
    Effect.gen(function* () {
      const { cut, layer, sent } = lengths("600000 millis")
      const fiber = yield* AzureOpenAI.embed("a").pipe(
        Effect.timeoutOption("200 millis"),
        Effect.provide(standard().pipe(Layer.provide(layer))),
        Effect.fork
      )

      yield* TestClock.adjust("199 millis")
      assert.deepStrictEqual([sent.length, cut()], [1, 0])
      yield* TestClock.adjust("1 millis")

      assert.isTrue(Option.isNone(yield* Fiber.join(fiber)))
      assert.strictEqual(cut(), 1)
    })
  )

  it.effect("does not take another deployment's vectors out of a cache", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([answer([1]), answer([2])])
      const deployments = yield* Effect.all(
        ["small", "large"].map((deployment) => Layer.build(standard({ deployment }).pipe(Layer.provide(layer))))
      )

      const vectors = yield* Effect.forEach([...deployments, ...deployments], (context) =>
        Effect.provide(AzureOpenAI.embed("a"), context)
      ).pipe(Effect.withRequestCaching(true))

      assert.deepStrictEqual(vectors, [[1], [2], [1], [2]])
      assert.strictEqual(sent.length, 2)
    }).pipe(Effect.scoped)
  )

  it.effect("fails for a text that cannot be right alone, and says so once", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([answer([1, 3])])

      const exits = yield* Effect.forEach(["a", "", "c"], (text) => Effect.exit(AzureOpenAI.embed(text)), {
        batching: true
      }).pipe(Effect.provide(standard().pipe(Layer.provide(layer))))

      assert.deepStrictEqual(
        exits.map((exit) =>
          Exit.match(exit, {
            onFailure: (cause) => (cause._tag === "Fail" ? cause.error.message : cause._tag),
            onSuccess: (vector) => vector
          })
        ),
        [[1], "gpt-4o: request refused because of input (0 requests sent)", [3]]
      )
      assert.deepStrictEqual(
        sent.map(({ body }) => body?.["input"]),
        [["a", "c"]]
      )
    })
  )

  it.effect("has four requests of 256 under way at a time", () =>
    Effect.gen(function* () {
      const { layer, sent } = lengths("1000 millis")
      const wanted = texts(1300)
      const fiber = yield* all(wanted).pipe(Effect.provide(standard().pipe(Layer.provide(layer))), Effect.fork)
      for (let n = 0; n < 3; n++) yield* TestClock.adjust("1 second")

      const vectors = yield* Fiber.join(fiber)

      assert.deepStrictEqual(sent, [...[0, 0, 0, 0].map((at) => [at, 256] as const), [1000, 256], [1000, 20]])
      assert.deepStrictEqual(
        vectors,
        wanted.map((text) => [text.length])
      )
    })
  )

  it.effect("sends what is under different settings apart, and what is under equal ones together", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([answer([1, 2]), answer([3])])

      const vectors = yield* Effect.all(
        [
          AzureOpenAI.embed("a").pipe(CallSettings.withDeadline("1 second")),
          AzureOpenAI.embed("b").pipe(CallSettings.withDeadline("1000 millis")),
          AzureOpenAI.embed("c").pipe(CallSettings.withDeadline("2 seconds"))
        ],
        { batching: true }
      ).pipe(Effect.provide(standard().pipe(Layer.provide(layer))))

      assert.deepStrictEqual(
        sent.map(({ body }) => body?.["input"]),
        [["a", "b"], ["c"]]
      )
      assert.deepStrictEqual(vectors, [[1], [2], [3]])
    })
  )
})
