import { assert, describe, it } from "@effect/vitest"
import { RateWindow } from "@spillway/emulator"
import { Either, FastCheck } from "effect"

describe("RateWindow", () => {
  const requests = RateWindow.make({ limit: 10, windowMs: 10_000 })
  const tokens = RateWindow.make({ limit: 10_000, windowMs: 60_000 })

  it("lets as many through as it is wide, and the next one when the first has left", () => {
    let window = requests
    for (let i = 0; i < 10; i++) window = Either.getOrThrow(RateWindow.admit(window, i * 100, 1))

    assert.strictEqual(RateWindow.remaining(window, 900), 0)
    assert.deepStrictEqual(RateWindow.admit(window, 1000, 1), Either.left(9000))
    assert.deepStrictEqual(RateWindow.admit(window, 9999, 1), Either.left(1))
    assert.isTrue(Either.isRight(RateWindow.admit(window, 10_000, 1)))
  })

  it("rejects when less remains than is asked: 928 left, 1008 wanted", () => {
    const window = RateWindow.record(tokens, 0, 10_000 - 928)

    assert.isTrue(Either.isRight(RateWindow.admit(window, 1, 928)))
    assert.deepStrictEqual(RateWindow.admit(window, 1, 1008), Either.left(59_999))
  })

  it("waits only for as many entries as it needs", () => {
    const window = [3000, 3000, 4000].reduce((state, amount, i) => RateWindow.record(state, i * 1000, amount), tokens)

    assert.strictEqual(RateWindow.waitFor(window, 10_000, 3000), 50_000)
    assert.strictEqual(RateWindow.waitFor(window, 10_000, 3001), 51_000)
    assert.strictEqual(RateWindow.waitFor(window, 10_000, 10_000), 52_000)
  })

  it("tells what can never fit to wait until it is empty, or a whole window", () => {
    assert.strictEqual(RateWindow.waitFor(tokens, 0, 10_001), 60_000)
    assert.strictEqual(RateWindow.waitFor(RateWindow.record(tokens, 0, 1), 20_000, 10_001), 40_000)
  })

  it("counts what does not fit when it is told to", () => {
    const window = [0, 0, 0].reduce((state) => RateWindow.record(state, 0, 10), requests)

    assert.strictEqual(RateWindow.used(window, 0), 30)
    assert.strictEqual(RateWindow.remaining(window, 0), 0)
    assert.strictEqual(RateWindow.remaining(window, 10_000), 10)
  })

  it.prop(
    "never lets more than the limit into any window, and names the first moment that has room",
    {
      limit: FastCheck.integer({ min: 1, max: 50 }),
      windowMs: FastCheck.integer({ min: 1, max: 200 }),
      arrivals: FastCheck.array(
        FastCheck.tuple(FastCheck.integer({ min: 0, max: 60 }), FastCheck.integer({ min: 1, max: 60 })),
        { maxLength: 60 }
      )
    },
    ({ arrivals, limit, windowMs }) => {
      // Oracle: the whole history, summed afresh for every question.
      const accepted: Array<readonly [at: number, amount: number]> = []
      const inWindow = (now: number) =>
        accepted.filter(([at]) => at > now - windowMs && at <= now).reduce((total, [, amount]) => total + amount, 0)
      let window = RateWindow.make({ limit, windowMs })
      let now = 0
      for (const [pause, amount] of arrivals) {
        now += pause
        const outcome = RateWindow.admit(window, now, amount)
        assert.strictEqual(RateWindow.used(window, now), inWindow(now))
        assert.strictEqual(Either.isRight(outcome), inWindow(now) + amount <= limit)
        if (Either.isRight(outcome)) {
          accepted.push([now, amount])
          window = outcome.right
        } else if (amount <= limit) {
          let first = now
          while (inWindow(first) + amount > limit) first++
          assert.strictEqual(outcome.left, first - now)
        }
      }
    }
  )
})
