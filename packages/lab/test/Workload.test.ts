import { assert, describe, it } from "@effect/vitest"
import type { Request } from "@spillway/lab"
import { Workload } from "@spillway/lab"

const options = {
  tokensPerSecond: 50_000,
  outputWeight: 4,
  limits: { promptTokens: 128_000, outputTokens: 16_384 }
}

const demandOf = (workload: Workload.Workload, seeds: ReadonlyArray<number>): number => {
  let tokens = 0
  for (const seed of seeds) {
    for (const { at, outputTokens, promptTokens } of workload.arrivals(seed)) {
      if (at >= workload.measured.from && at <= workload.measured.to) tokens += promptTokens + 4 * outputTokens
    }
  }
  return tokens / ((workload.measured.to - workload.measured.from) / 1000) / seeds.length
}

const seeds = Array.from({ length: 12 }, (_, index) => index + 1)

describe("Workload.synthetic", () => {
  for (const [shape, load] of [
    ["steady", 1],
    ["onoff", 0.9],
    ["flash", 1.275],
    ["diurnal", 1.05]
  ] as const) {
    it(`${shape} asks for ${load} of capacity unless told otherwise, and for as much as it is told`, () => {
      assert.closeTo(Workload.synthetic(shape, options).demand, load * 50_000, 1)
      assert.closeTo(demandOf(Workload.synthetic(shape, options), seeds) / (load * 50_000), 1, 0.08)
      assert.closeTo(demandOf(Workload.synthetic(shape, { ...options, load: 2 }), seeds) / 100_000, 1, 0.08)
    })

    it(`${shape} is in order of time, and the same for the same seed only`, () => {
      const workload = Workload.synthetic(shape, options)
      const [first, again, other] = [1, 1, 2].map((seed) => [...workload.arrivals(seed)])

      assert.deepStrictEqual(first, again)
      assert.notDeepEqual(first?.slice(0, 10), other?.slice(0, 10))
      assert.isTrue(first?.every(({ at }, index) => at >= (first[index - 1]?.at ?? 0) && at <= workload.until))
    })
  }

  it("flash brings ten times the rate, for half a minute", () => {
    const workload = Workload.synthetic("flash", { ...options, seconds: 120 })
    const begins = workload.measured.from + 30_000
    const count = (from: number, to: number) =>
      seeds.reduce(
        (sum, seed) => sum + [...workload.arrivals(seed)].filter(({ at }) => at > from && at <= to).length,
        0
      )

    assert.closeTo(count(begins, begins + 30_000) / count(begins - 30_000, begins), 10, 1)
    assert.closeTo(count(begins + 30_000, begins + 60_000) / count(begins - 30_000, begins), 1, 0.15)
  })

  it("cuts what is longer than the model takes", () => {
    const workload = Workload.synthetic("steady", { ...options, limits: { promptTokens: 900, outputTokens: 150 } })
    const arrivals = [...workload.arrivals(1)]

    assert.strictEqual(Math.max(...arrivals.map((arrival) => arrival.promptTokens)), 900)
    assert.strictEqual(Math.max(...arrivals.map((arrival) => arrival.outputTokens)), 150)
  })
})

describe("Workload.fromTrace", () => {
  const trace = {
    rows: 3,
    times: Float64Array.of(0, 1000, 4000),
    promptTokens: Uint32Array.of(1000, 2000, 3000),
    outputTokens: Uint32Array.of(100, 0, 400)
  }
  const atOf = (workload: Workload.Workload): ReadonlyArray<number> =>
    Array.from(workload.arrivals(1), ({ at }: Request.Arrival) => at)

  it("plays at the speed of the record", () => {
    const workload = Workload.fromTrace(trace, { name: "calls.csv", tokensPerSecond: 1000, outputWeight: 4 })

    assert.deepStrictEqual(atOf(workload), [0, 1000, 4000])
    // 6000 tokens in and 500 out, in 4 seconds.
    assert.strictEqual(workload.demand, 2000)
  })

  it("plays faster or slower to ask for as much as it is told", () => {
    const workload = Workload.fromTrace(trace, { name: "calls.csv", tokensPerSecond: 1000, outputWeight: 4, load: 4 })

    assert.deepStrictEqual(atOf(workload), [0, 500, 2000])
    assert.strictEqual(workload.demand, 4000)
    assert.deepStrictEqual(workload.measured, { from: 0, to: 2000 })
  })
})
