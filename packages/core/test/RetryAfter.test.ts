import { assert, describe, it } from "@effect/vitest"
import type { Recovery as Protocol } from "@spillway/core"
import { CallSettings, Recovery, RetryAfter } from "@spillway/core"
import {
  Duration,
  Effect,
  FastCheck,
  Option,
  Random,
  Schedule,
  ScheduleDecision,
  ScheduleIntervals,
  TestClock
} from "effect"

const hint = (headers: Record<string, string>, now = 0) =>
  Option.getOrUndefined(Option.map(RetryAfter.fromHeaders(headers, now), Duration.toMillis))

const error = (options: {
  readonly retryAfter?: number
  readonly throttled?: boolean
  readonly recovery?: Protocol.Recovery
  readonly since?: bigint
}): Protocol.Retryable => ({
  [Recovery.TypeId]: options.recovery ?? "retry",
  throttled: options.throttled ?? true,
  retryAfter: Option.map(Option.fromNullable(options.retryAfter), Duration.millis),
  since: options.since ?? 0n
})

/** The delays a Schedule asks for, without running anything. */
const delays = <In>(schedule: Schedule.Schedule<unknown, In>, inputs: ReadonlyArray<In>) =>
  Effect.gen(function* () {
    const found: Array<number> = []
    let state: unknown = schedule.initial
    for (const input of inputs) {
      const [next, , decision] = yield* schedule.step(0, input, state)
      if (ScheduleDecision.isDone(decision)) break
      found.push(ScheduleIntervals.start(decision.intervals))
      state = next
    }
    return found
  })

describe("fromHeaders", () => {
  const cases: ReadonlyArray<readonly [Record<string, string>, number | undefined]> = [
    [{ "retry-after-ms": "1500" }, 1500],
    [{ "retry-after-ms": "12.5" }, 13],
    [{ "retry-after-ms": " 7 " }, 7],
    [{ "retry-after-ms": "0.01" }, 1],
    [{ "retry-after-ms": "300, 900" }, 900],
    [{ "retry-after-ms": `1${"0".repeat(400)}` }, 315_360_000_000],
    [{ "x-ms-retry-after-ms": "40" }, 40],
    [{ "retry-after": "2" }, 2000],
    [{ "retry-after": "0.0005" }, 1],
    // 8146.000000000001 to a computer.
    [{ "retry-after": "8.146" }, 8146],
    [{ "retry-after": "128.228" }, 128_228],
    [{ "retry-after": "86400" }, 86_400_000],
    [{ "retry-after-ms": "43", "retry-after": "1" }, 43],
    [{ "retry-after-ms": "0", "retry-after": "1" }, 1000],
    [{ "retry-after-ms": "soon", "x-ms-retry-after-ms": "9" }, 9],
    [{ "retry-after": "Thu, 01 Jan 1970 00:00:02 GMT" }, 2000],
    [{ "retry-after": "Wed, 31 Dec 1969 23:59:59 GMT" }, undefined],
    [{ "retry-after": "Thursday, 01-Jan-70 00:00:02 GMT" }, 2000],
    [{ "retry-after": "Thu Jan  1 00:00:02 1970" }, 2000],
    ...["", "0", "-1", "-0.5", "NaN", "Infinity", "1e3", "0x10", "12 ms", "soon", "null"].map(
      (value) => [{ "retry-after-ms": value }, undefined] as const
    ),
    ...["", "0", "-1", "NaN", "Thu", "1970-01-01", "tomorrow"].map(
      (value) => [{ "retry-after": value }, undefined] as const
    ),
    [{}, undefined]
  ]

  it.each(cases.map(([headers, expected]) => ({ headers, expected })))(
    "$headers is $expected",
    ({ expected, headers }) => {
      assert.strictEqual(hint(headers), expected)
    }
  )

  it("measures a date against the wall clock it is given", () => {
    assert.strictEqual(hint({ "retry-after": "Thu, 01 Jan 1970 00:01:00 GMT" }, 59_250), 750)
  })

  it("is a whole number of milliseconds, never less than the header says, for every decimal", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.nat(10_000_000), FastCheck.nat(999), (whole, fraction) => {
        const text = `${whole}.${String(fraction).padStart(3, "0")}`
        const found = hint({ "retry-after-ms": text })
        const thousandths = whole * 1000 + fraction
        // By integers: the oracle shares neither parsing nor rounding with the code.
        return thousandths === 0
          ? found === undefined
          : found !== undefined && found * 1000 >= thousandths && found * 1000 < thousandths + 1000
      })
    )
  })

  it("never fails and never goes below a millisecond, whatever the headers hold", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.string(), FastCheck.string(), FastCheck.integer(), (ms, seconds, now) => {
        const found = hint({ "retry-after-ms": ms, "retry-after": seconds }, now)
        return found === undefined || (Number.isInteger(found) && found >= 1)
      })
    )
  })
})

describe("decisions", () => {
  it("a wait is affordable up to the limit and not a millisecond beyond", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.nat(100_000), FastCheck.nat(100_000), (elapsed, wait) => {
        const limit = elapsed + wait
        return (
          RetryAfter.affordable({ elapsed, wait, limit }) &&
          RetryAfter.affordable({ elapsed, wait, limit: limit + 1 }) &&
          !RetryAfter.affordable({ elapsed, wait: wait + 1, limit }) &&
          !RetryAfter.affordable({ elapsed: elapsed + 1, wait, limit })
        )
      })
    )
  })

  it("a guess grows from 50 ms to at most 3 s, and is never below its curve", () => {
    const curve = [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000]
    for (const [retries, least] of curve.entries()) {
      assert.strictEqual(RetryAfter.guess(retries, 0), least)
      assert.strictEqual(RetryAfter.guess(retries, 1), least * 1.5)
    }
    assert.strictEqual(RetryAfter.guess(2000, 1), 3000)
  })

  it("backoff grows from 375..500 ms to 6..8 s", () => {
    const curve = [500, 1000, 2000, 4000, 8000, 8000]
    for (const [retries, most] of curve.entries()) {
      assert.strictEqual(RetryAfter.backoff(retries, 0), most)
      assert.strictEqual(RetryAfter.backoff(retries, 1), most * 0.75)
    }
  })
})

describe("within", () => {
  it.effect("waits each hint while time spent + hint fits the budget", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("3 seconds")

      assert.deepStrictEqual(yield* delays(RetryAfter.within("4 seconds"), [error({ retryAfter: 1000 })]), [1000])
      assert.deepStrictEqual(yield* delays(RetryAfter.within("4 seconds"), [error({ retryAfter: 1001 })]), [])
    })
  )

  it.effect("counts from the first error's start, whatever later errors say", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("3 seconds")
      const later = error({ retryAfter: 1001, since: 3_000_000_000n })

      assert.deepStrictEqual(yield* delays(RetryAfter.within("4 seconds"), [error({ retryAfter: 1 }), later]), [1])
      assert.deepStrictEqual(yield* delays(RetryAfter.within("4 seconds"), [later]), [1001])
    })
  )

  it.effect("stops at faults, at what may not be retried here, and at foreign errors", () =>
    Effect.gen(function* () {
      const schedule = RetryAfter.within("4 seconds")

      assert.deepStrictEqual(yield* delays(schedule, [error({ throttled: false, retryAfter: 10 })]), [])
      assert.deepStrictEqual(yield* delays(schedule, [error({ recovery: "next", retryAfter: 10 })]), [])
      assert.deepStrictEqual(yield* delays<unknown>(schedule, [new Error("boom")]), [])
      assert.deepStrictEqual(yield* delays<unknown>(schedule, [undefined]), [])
    })
  )

  it.effect("the call's own maximum wait replaces the Schedule's", () =>
    Effect.gen(function* () {
      const schedule = RetryAfter.within("4 seconds")
      const inputs = [error({ retryAfter: 2000 })]

      assert.deepStrictEqual(yield* delays(schedule, inputs).pipe(CallSettings.withMaxWait("1 second")), [])
      assert.deepStrictEqual(
        yield* delays(RetryAfter.within(0), inputs).pipe(CallSettings.withMaxWait("2 seconds")),
        [2000]
      )
    })
  )

  it.effect("property: no wait is below the hint, none ends past the budget, and it gives up only when it must", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("5 seconds")
      const samples = FastCheck.sample(
        FastCheck.tuple(
          FastCheck.nat(5000),
          FastCheck.integer({ min: 1, max: 5000 }),
          FastCheck.nat(5000),
          FastCheck.nat(500)
        ),
        500
      )
      for (const [elapsed, wait, budget, base] of samples) {
        const since = BigInt(5000 - elapsed) * 1_000_000n
        const schedule = RetryAfter.within(budget, Schedule.spaced(base))
        const found = yield* delays(schedule, [error({ retryAfter: wait, since })])
        const least = Math.max(wait, base)
        assert.deepStrictEqual(found, elapsed + least <= budget ? [least] : [], String([elapsed, wait, budget, base]))
      }
    })
  )
})

describe("retries", () => {
  it.effect("2 retries are 3 attempts, of throttles and faults alike", () =>
    Effect.gen(function* () {
      const inputs = [
        error({ retryAfter: 300 }),
        error({ throttled: false, retryAfter: 200 }),
        error({ retryAfter: 1 })
      ]

      assert.deepStrictEqual(yield* delays(RetryAfter.retries(2), inputs), [300, 200])
      assert.deepStrictEqual(yield* delays(RetryAfter.retries(0), inputs), [])
    })
  )

  it.effect("backs off where no hint came", () =>
    Effect.gen(function* () {
      const inputs = [error({ throttled: false }), error({}), error({ throttled: false })]
      const found = yield* Effect.withRandom(delays(RetryAfter.retries(3), inputs), Random.make("seed"))

      assert.strictEqual(found.length, 3)
      for (const [i, most] of [500, 1000, 2000].entries()) {
        assert.isAtMost(found[i] ?? Infinity, most)
        assert.isAtLeast(found[i] ?? 0, most * 0.75)
      }
    })
  )

  it.effect("a hint beyond the cap ends it, one at the cap does not", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* delays(RetryAfter.retries(2), [error({ retryAfter: 60_000 })]), [60_000])
      assert.deepStrictEqual(yield* delays(RetryAfter.retries(2), [error({ retryAfter: 60_001 })]), [])
      assert.deepStrictEqual(
        yield* delays(RetryAfter.retries(2, { cap: "2 minutes" }), [error({ retryAfter: 60_001 })]),
        [60_001]
      )
    })
  )
})

describe("floor", () => {
  it.effect("lengthens what is too short and leaves the rest", () =>
    Effect.gen(function* () {
      const inputs = [error({ retryAfter: 80 }), error({ retryAfter: 120 }), error({}), error({ throttled: false })]

      assert.deepStrictEqual(yield* delays(RetryAfter.floor(Schedule.spaced(100)), inputs), [100, 120, 100, 100])
      assert.deepStrictEqual(yield* delays(RetryAfter.floor(Schedule.forever), inputs), [80, 120, 50, 0])
    })
  )

  it.effect("ends when the Schedule ends, and passes what is not retryable", () =>
    Effect.gen(function* () {
      const inputs = [error({ retryAfter: 80, recovery: "next" }), error({ retryAfter: 80 })]

      assert.deepStrictEqual(yield* delays(RetryAfter.floor(Schedule.recurs(1)), inputs), [0])
    })
  )
})
