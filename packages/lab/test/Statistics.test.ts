import { assert, describe, it } from "@effect/vitest"
import { Statistics } from "@spillway/lab"

describe("Statistics", () => {
  it("percentile is a value that occurred", () => {
    const sorted = [10, 20, 30, 40]

    assert.deepStrictEqual(
      [0, 0.25, 0.26, 0.5, 0.99, 1].map((share) => Statistics.percentile(sorted, share)),
      [10, 10, 20, 20, 40, 40]
    )
    assert.strictEqual(Statistics.percentile([], 0.5), 0)
  })

  it("halfInterval is that of Student's t", () => {
    // Deviation 1 of three values: t(0.975, 2) / sqrt(3).
    assert.closeTo(Statistics.halfInterval([1, 2, 3]) ?? 0, 4.303 / Math.sqrt(3), 1e-9)
    assert.strictEqual(Statistics.halfInterval([5, 5, 5, 5]), 0)
    assert.isUndefined(Statistics.halfInterval([1]))
    // Known quantiles for 40 and 120 degrees of freedom: 2.021 and 1.980.
    for (const [freedom, quantile] of [
      [40, 2.021],
      [120, 1.98]
    ] as const) {
      const values = Array.from({ length: freedom + 1 }, (_, index) => (index % 2 === 0 ? 1 : -1))
      const mean = Statistics.mean(values)
      const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / freedom)
      assert.closeTo(
        Statistics.halfInterval(values) ?? 0,
        (quantile * deviation) / Math.sqrt(freedom + 1),
        0.002 * deviation
      )
    }
  })
})
