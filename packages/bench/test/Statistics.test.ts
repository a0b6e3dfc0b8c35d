import { assert, describe, it } from "@effect/vitest"
import * as Statistics from "../src/Statistics.js"

describe("Statistics", () => {
  it("the median of an odd number is the one in the middle, of an even number lies between two", () => {
    assert.strictEqual(Statistics.median([9, 1, 5]), 5)
    assert.strictEqual(Statistics.median([4, 1, 2, 100]), 3)
    assert.strictEqual(Statistics.median([7]), 7)
  })

  it("a quantile is found between the two nearest", () => {
    const values = [30, 10, 20, 40, 50] as const
    assert.strictEqual(Statistics.quantile(values, 0), 10)
    assert.strictEqual(Statistics.quantile(values, 1), 50)
    assert.strictEqual(Statistics.quantile(values, 0.9), 46)
    assert.deepStrictEqual(Statistics.middle(values), [20, 40])
  })
})
