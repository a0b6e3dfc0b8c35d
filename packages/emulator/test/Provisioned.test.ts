import { assert, describe, it } from "@effect/vitest"
import { Emulator, type EmulatorConfig } from "@spillway/emulator"
import { Effect, Fiber, Option, TestClock } from "effect"
import { dated, inProcess, log, prompt, v1 } from "./support/calls.js"

// 24 PTUs of gpt-4o are 60 000 tokens a minute: one a millisecond. One second deep: 1000 tokens are 100 %.
const bucket = {
  name: "ptu",
  kind: "provisioned",
  model: "gpt-4o",
  ptus: 24,
  windowSeconds: 1,
  // 40 ms a token, answers of 10 tokens: 100 + 400 ms.
  latency: { firstTokenMs: 100 },
  answerTokens: { min: 10, max: 10 }
} as const satisfies EmulatorConfig.Deployment

const single = inProcess({ deployments: [bucket] })

const utilization = Effect.flatMap(Emulator.Emulator, (emulator) =>
  Effect.map(emulator.utilization("ptu"), Option.getOrThrow)
)

describe("a provisioned deployment", () => {
  it.effect("charges prompt + weight x max_tokens on arrival, and what was used in the end", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(dated("ptu", { ...prompt(100), max_tokens: 50 }))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* utilization, (100 + 4 * 50 - 1) / 1000)

      yield* TestClock.adjust("498 millis")
      assert.isNull(fiber.unsafePoll())
      assert.strictEqual(yield* utilization, 0)

      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
      // 100 + 4 x 10 used, but 300 had been charged and all of it drained: the refund cannot go below empty.
      assert.strictEqual(yield* utilization, 0)
    }).pipe(Effect.provide(single))
  )

  it.effect("corrects upwards, too, when the estimate was too low", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(dated("low", prompt(100)))
      yield* TestClock.adjust("500 millis")
      yield* Fiber.join(fiber)

      const emulator = yield* Emulator.Emulator
      // 100 + 4 x 2 = 108 charged and drained after 108 ms; 100 + 4 x 10 used, so 32 come on top.
      assert.deepStrictEqual(yield* emulator.utilization("low"), Option.some(0.032))
    }).pipe(Effect.provide(inProcess({ deployments: [{ ...bucket, name: "low", defaultMaxTokens: 2 }] })))
  )

  it.effect("takes 640 tokens for max_tokens where there is none, and every choice counts", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(dated("ptu", prompt(40)))
      yield* TestClock.adjust("0 millis")
      assert.strictEqual(yield* utilization, 2.6)
      yield* Fiber.interrupt(fiber)

      const three = yield* Effect.fork(dated("ptu", { ...prompt(40), max_completion_tokens: 20, n: 3 }))
      yield* TestClock.adjust("0 millis")
      assert.strictEqual(yield* utilization, 0.04 + 0.28)
      yield* Fiber.interrupt(three)
    }).pipe(Effect.provide(single))
  )

  it.effect("throttles from exactly 100 % on, with the time until it is below", () =>
    Effect.gen(function* () {
      const first = yield* Effect.fork(dated("ptu", { ...prompt(600), max_tokens: 100 }))
      yield* TestClock.adjust("0 millis")

      const throttled = yield* dated("ptu", prompt(1))

      assert.strictEqual(throttled.status, 429)
      assert.strictEqual(throttled.headers["retry-after-ms"], "1")
      assert.strictEqual(throttled.headers["retry-after"], "1")
      assert.deepStrictEqual(throttled.body, {
        error: {
          code: "429",
          message:
            "Requests have exceeded the throughput limit on your Provisioned-Managed deployment. If you continue to exceed your limit, consider increasing the number of provisioned throughput units deployed."
        }
      })
      yield* TestClock.adjust("1 millis")
      const second = yield* Effect.fork(dated("ptu", prompt(1)))
      yield* TestClock.adjust("600 millis")
      assert.strictEqual((yield* Fiber.join(first)).status, 200)
      assert.strictEqual((yield* Fiber.join(second)).status, 200)
      assert.deepStrictEqual(yield* log, [
        [0, "ptu", 200],
        [0, "ptu", 429],
        [1, "ptu", 200]
      ])
    }).pipe(Effect.provide(single))
  )

  it.effect("says the same wait under v1, to the millisecond, and rounds seconds up", () =>
    Effect.gen(function* () {
      const first = yield* Effect.fork(v1("ptu", { ...prompt(1000), max_tokens: 500 }))
      yield* TestClock.adjust("100 millis")

      // 3000 poured, 100 drained: 1901 ms until below 1000.
      const throttled = yield* v1("ptu", prompt(1))

      assert.strictEqual(throttled.headers["retry-after-ms"], "1901")
      assert.strictEqual(throttled.headers["retry-after"], "2")
      yield* Fiber.interrupt(first)
    }).pipe(Effect.provide(single))
  )

  it.effect("costs a throttled call nothing", () =>
    Effect.gen(function* () {
      const first = yield* Effect.fork(dated("ptu", { ...prompt(1000), max_tokens: 500 }))
      yield* TestClock.adjust("0 millis")
      const before = yield* utilization

      const replies = yield* Effect.all(
        Array.from({ length: 50 }, () => dated("ptu", { ...prompt(500), max_tokens: 500 }))
      )

      assert.isTrue(replies.every((reply) => reply.status === 429 && reply.headers["retry-after-ms"] === "2001"))
      assert.strictEqual(yield* utilization, before)
      yield* Fiber.interrupt(first)
    }).pipe(Effect.provide(single))
  )

  it.effect("costs a call that the model refuses nothing", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* dated("ptu", { ...prompt(10), max_tokens: 1_000_000 })).status, 400)
      assert.strictEqual((yield* dated("ptu", prompt(128_001))).status, 400)
      assert.strictEqual((yield* dated("ptu", {})).status, 400)
      assert.strictEqual(yield* utilization, 0)
    }).pipe(Effect.provide(single))
  )

  it.effect("sends no rate-limit headers", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(dated("ptu", { ...prompt(600), max_tokens: 100 }))
      yield* TestClock.adjust("0 millis")
      const throttled = yield* dated("ptu", prompt(1))
      yield* TestClock.adjust("1 seconds")
      const served = yield* Fiber.join(fiber)

      for (const { headers } of [throttled, served]) {
        assert.deepStrictEqual(
          Object.keys(headers).filter((name) => name.startsWith("x-ratelimit")),
          []
        )
        assert.strictEqual(headers["x-ms-deployment-name"], "ptu")
      }
    }).pipe(Effect.provide(single))
  )

  it.effect("charges an interrupted call for what was generated by then", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(dated("ptu", { ...prompt(500), max_tokens: 100 }))
      // 100 ms to the first token, then 40 ms each: 5 tokens at 320 ms.
      yield* TestClock.adjust("320 millis")
      yield* Fiber.interrupt(fiber)

      assert.strictEqual(yield* utilization, (500 + 4 * 5 - 320) / 1000)
      assert.deepStrictEqual(yield* log, [[0, "ptu", "interrupted"]])
      assert.strictEqual(yield* Effect.flatMap(Emulator.Emulator, (emulator) => emulator.inFlight), 0)
    }).pipe(Effect.provide(single))
  )

  it.effect("admits the first of a thousand that arrive together until it is full, and tells the rest one time", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 1000 }, () => dated("ptu", { ...prompt(60), max_tokens: 10 })),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("500 millis")
      const replies = yield* Fiber.join(fiber)

      // 100 each: the tenth makes it 1000, so ten are in and 990 are out.
      assert.strictEqual(replies.filter((reply) => reply.status === 200).length, 10)
      assert.deepStrictEqual(
        new Set(replies.filter((reply) => reply.status === 429).map((reply) => reply.headers["retry-after-ms"])),
        new Set(["1"])
      )
      assert.strictEqual(yield* Effect.flatMap(Emulator.Emulator, (emulator) => emulator.inFlight), 0)
    }).pipe(Effect.provide(single))
  )

  it.effect("refuses prompts over 128 000 tokens on the models that take longer ones on Standard", () =>
    Effect.gen(function* () {
      const refused = yield* dated("ptu", prompt(128_001))
      assert.strictEqual(refused.status, 400)
      assert.deepStrictEqual(refused.body, {
        error: {
          message:
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 128001 tokens. Please reduce the length of the messages.",
          type: "invalid_request_error",
          param: "messages",
          code: "context_length_exceeded"
        }
      })

      const fiber = yield* Effect.fork(dated("standard", prompt(128_001)))
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
    }).pipe(
      Effect.provide(
        inProcess({
          deployments: [
            { ...bucket, model: "gpt-4.1" },
            { name: "standard", kind: "standard", model: "gpt-4.1", answerTokens: { min: 10, max: 10 } }
          ]
        })
      )
    )
  )
})
