import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { dated, inProcess, log, prompt, v1 } from "./support/calls.js"

const quick = { latency: { firstTokenMs: 0, tokensPerSecond: 1000 }, answerTokens: { min: 10, max: 10 } } as const

const standard = (options: {
  readonly tokensPerMinute: number
  readonly requestsPerMinute?: number
  readonly model?: string
}) =>
  inProcess({
    deployments: [{ name: "standard", kind: "standard", model: "gpt-4o", ...options, ...quick }]
  })

/** Calls one after the other, each answered in 10 ms. */
const served = (body: object) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(dated("standard", body))
    yield* TestClock.adjust("10 millis")
    return yield* Fiber.join(fiber)
  })

describe("a standard deployment", () => {
  it.effect("charges the prompt and max_tokens, and never gives back", () =>
    Effect.gen(function* () {
      const reply = yield* served({ ...prompt(8), max_tokens: 1000 })

      assert.strictEqual(reply.status, 200)
      assert.strictEqual(reply.headers["x-ratelimit-limit-tokens"], "10000")
      assert.strictEqual(reply.headers["x-ratelimit-remaining-tokens"], "8992")
      assert.strictEqual(
        (yield* served({ ...prompt(8), max_tokens: 1 })).headers["x-ratelimit-remaining-tokens"],
        "8983"
      )
    }).pipe(Effect.provide(standard({ tokensPerMinute: 10_000 })))
  )

  // Measured deltas: 28 characters 648, 233 characters 699, four messages of 981 characters 888.
  it.effect("estimates a call without max_tokens at prompt + 640, as measured", () =>
    Effect.gen(function* () {
      const chats = [
        [648, ["x".repeat(28)]],
        [699, ["x".repeat(233)]],
        [888, ["x".repeat(245), "x".repeat(245), "x".repeat(245), "x".repeat(246)]]
      ] as const
      let before = 100_000
      for (const [charge, texts] of chats) {
        const reply = yield* served({ messages: texts.map((content) => ({ role: "user", content })) })
        const after = Number(reply.headers["x-ratelimit-remaining-tokens"])
        assert.strictEqual(before - after, charge)
        before = after
      }
    }).pipe(Effect.provide(standard({ tokensPerMinute: 100_000 })))
  )

  it.effect("counts max_tokens alone for gpt-35-turbo, 16 without", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        (yield* served({ ...prompt(500), max_tokens: 100 })).headers["x-ratelimit-remaining-tokens"],
        "9900"
      )
      assert.strictEqual((yield* served(prompt(500))).headers["x-ratelimit-remaining-tokens"], "9884")
    }).pipe(Effect.provide(standard({ tokensPerMinute: 10_000, model: "gpt-35-turbo" })))
  )

  it.effect("allows a sixth of its requests per minute in any ten seconds", () =>
    Effect.gen(function* () {
      for (let left = 9; left >= 0; left--) {
        const reply = yield* served(prompt(1))
        assert.strictEqual(reply.headers["x-ratelimit-limit-requests"], "10")
        assert.strictEqual(reply.headers["x-ratelimit-remaining-requests"], String(left))
      }
      // The first came at 0, it is 100 now. This one counts as well, so the second has to leave, too.
      const refused = yield* dated("standard", prompt(1))

      assert.strictEqual(refused.status, 429)
      assert.strictEqual(refused.headers["policy-id"], "DeploymentRatelimit-Call")
      assert.strictEqual(refused.headers["retry-after-ms"], "9910")
      assert.strictEqual(refused.headers["retry-after"], "10")
      assert.strictEqual(refused.headers["x-ratelimit-remaining-requests"], "0")
      assert.deepStrictEqual(refused.body, {
        error: {
          code: "RateLimitReached",
          message:
            "Your requests to standard for gpt-4o in East US have exceeded the call rate limit for your current OpenAI S0 pricing tier. This request was for ChatCompletions_Create under Azure OpenAI API version 2024-10-21. Please retry after 10 seconds. To increase your default rate limit, visit: https://aka.ms/oai/quotaincrease."
        }
      })
      yield* TestClock.adjust("9910 millis")
      assert.strictEqual((yield* served(prompt(1))).status, 200)
    }).pipe(Effect.provide(standard({ tokensPerMinute: 10_000, requestsPerMinute: 60 })))
  )

  it.effect("rejects when fewer tokens remain than the call is charged, until enough have left the minute", () =>
    Effect.gen(function* () {
      yield* served({ ...prompt(72), max_tokens: 9000 })

      const refused = yield* v1("standard", { ...prompt(8), max_tokens: 1000 })

      assert.strictEqual(refused.status, 429)
      assert.strictEqual(refused.headers["policy-id"], "DeploymentRatelimit-Token")
      assert.strictEqual(refused.headers["x-ratelimit-remaining-tokens"], "928")
      assert.strictEqual(refused.headers["retry-after-ms"], "59990")
      assert.strictEqual(refused.headers["retry-after"], "60")
      assert.deepStrictEqual(refused.body, {
        error: {
          code: "RateLimitReached",
          message:
            "Your requests to standard for gpt-4o in East US have exceeded the token rate limit for your current OpenAI S0 pricing tier. This request was for ChatCompletions_Create under OpenAI Language Model Instance API. Please retry after 60 seconds. To increase your default rate limit, visit: https://aka.ms/oai/quotaincrease."
        }
      })
      assert.strictEqual((yield* served({ ...prompt(8), max_tokens: 920 })).status, 200)
      yield* TestClock.adjust("59980 millis")
      assert.strictEqual((yield* served({ ...prompt(8), max_tokens: 1000 })).status, 200)
      assert.deepStrictEqual(yield* log, [
        [0, "standard", 200],
        [10, "standard", 429],
        [10, "standard", 200],
        [60_000, "standard", 200]
      ])
    }).pipe(Effect.provide(standard({ tokensPerMinute: 10_000 })))
  )

  it.effect("counts a request that the model refuses", () =>
    Effect.gen(function* () {
      const refused = yield* dated("standard", { ...prompt(8), max_tokens: 20_000 })

      assert.strictEqual(refused.status, 400)
      assert.strictEqual(refused.headers["x-ratelimit-remaining-requests"], "0")
      assert.strictEqual(refused.headers["x-ratelimit-remaining-tokens"], "79992")
      assert.strictEqual((yield* dated("standard", prompt(8))).status, 429)
    }).pipe(Effect.provide(standard({ tokensPerMinute: 100_000, requestsPerMinute: 6 })))
  )

  it.effect("keeps one deployment's windows apart from another's", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(Effect.all([dated("a", prompt(1)), dated("b", prompt(1))], { concurrency: 2 }))
      yield* TestClock.adjust("10 millis")

      assert.deepStrictEqual(
        (yield* Fiber.join(fiber)).map((reply) => reply.status),
        [200, 200]
      )
      assert.strictEqual((yield* dated("a", prompt(1))).status, 429)
    }).pipe(
      Effect.provide(
        inProcess({
          deployments: [
            { name: "a", kind: "standard", model: "gpt-4o", requestsPerMinute: 6, ...quick },
            { name: "b", kind: "standard", model: "gpt-4o", requestsPerMinute: 6, ...quick }
          ]
        })
      )
    )
  )
})
