import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import * as Meter from "../src/internal/meter.js"

const rates = { deployment: "ptu", outputWeight: 4, defaultMaxTokens: 640 }
const demand = (inputTokens: number, outputTokens?: number) => ({ inputTokens, outputTokens })
const usage = (inputTokens: number, outputTokens: number, cachedTokens = 0) => ({
  inputTokens,
  cachedTokens,
  outputTokens
})

const logging = (logs: Array<string>) =>
  Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ message }) => {
      logs.push(String(message))
    })
  )

describe("what a call is charged", () => {
  it.effect("its prompt and the longest answer, output weighted; in the end what it took, less what was cached", () =>
    Effect.gen(function* () {
      const quote = Meter.make(rates)

      assert.strictEqual((yield* quote(demand(1000, 50))).cost, 1200)
      assert.strictEqual((yield* quote(demand(1000))).cost, 1000 + 4 * 640)
      assert.strictEqual((yield* quote(undefined)).cost, 4 * 640)
      assert.strictEqual((yield* quote(demand(1000, 50))).actual(usage(1100, 20, 600)), 500 + 80)
    })
  )

  it.effect("learns by how much its count of the prompt is off", () =>
    Effect.gen(function* () {
      const quote = Meter.make(rates)
      const learn = (counted: number, actual: number) =>
        Effect.map(quote(demand(counted, 1)), (quote) => quote.actual(usage(actual, 1)))

      yield* learn(1000, 1500)
      assert.strictEqual((yield* quote(demand(200, 0))).cost, 300)
      // A ratio of sums: long prompts say more than short ones.
      yield* learn(3000, 3300)
      assert.approximately((yield* quote(demand(1000, 0))).cost, 1200, 1e-9)
      // Old lessons fade: after many calls whose count was right, it is taken as it is.
      for (let n = 0; n < 1000; n++) yield* learn(1000, 1000)
      assert.approximately((yield* quote(demand(1000, 0))).cost, 1000, 1)
    })
  )

  it.effect("warns once of max_tokens far above what answers take, when it has seen enough of them", () => {
    const logs: Array<string> = []
    return Effect.gen(function* () {
      const quote = Meter.make(rates)
      const answered = Effect.map(quote(demand(10, 4000)), (quote) => quote.actual(usage(10, 900)))
      for (let n = 0; n < 20; n++) yield* answered
      assert.deepStrictEqual(logs, [])

      yield* quote(demand(10, 3600))
      assert.deepStrictEqual(logs, [])
      yield* quote(demand(10, 3601))
      yield* quote(demand(10, 9000))

      assert.strictEqual(logs.length, 1)
      assert.include(logs[0], "ptu: a request with max_tokens 3601, while answers take 900 on average")
    }).pipe(Effect.provide(logging(logs)))
  })
})
