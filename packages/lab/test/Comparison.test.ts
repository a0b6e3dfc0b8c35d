import { assert, describe, it } from "@effect/vitest"
import { Baselines, Comparison, Report, Robustness, Spillway, Sweep } from "@spillway/lab"
import { Effect, Option, Schema } from "effect"
import { scenario } from "./support/lab.js"

const small = scenario("steady", 1.5, {
  traffic: { _tag: "Synthetic", shape: "steady", seconds: 20 },
  windowSeconds: 1
})
const options = { scenario: small, seeds: 2, policies: [Spillway.spillway, Baselines.spillAtOnce] }

describe("Comparison.run", () => {
  it.effect("answers in the shape it promises, the oracle beside the policies, costs as the prices say", () =>
    Effect.gen(function* () {
      const prices = { inputPerMillion: 1, outputPerMillion: 4, ptuPerHour: 2 }
      const { courses, result } = yield* Comparison.run({ ...options, prices })
      const encoded = yield* Schema.decodeUnknown(Comparison.Result)(JSON.parse(JSON.stringify(result)))

      assert.deepStrictEqual(encoded, result)
      assert.deepStrictEqual(
        result.policies.map((policy) => policy.name),
        ["spillway", "spill at once"]
      )
      assert.strictEqual(result.oracle.name, "oracle")
      assert.strictEqual(result.oracle.standardTokenShareExcess, 0)
      assert.strictEqual(result.oracle.standardTokenShareCi, 0)
      assert.closeTo(result.load, 1.5, 1e-9)
      const atOnce = result.policies[1]
      assert.isDefined(atOnce)
      // At 1 dollar a million weighted tokens, what Standard gets of 1.5 times 12 500 tokens a second, nearly.
      assert.closeTo(
        (atOnce?.standardCostPerHour ?? 0) / ((atOnce?.standardTokenShare ?? 0) * 1.5 * 12_500 * 0.0036),
        1,
        0.5
      )
      assert.closeTo(atOnce?.costPerHour ?? 0, 600 + (atOnce?.standardCostPerHour ?? 0), 1e-9)
      assert.isAbove(atOnce?.standardTokenShareCi ?? 0, 0)
      assert.deepStrictEqual(
        courses.map((course) => course.name),
        ["oracle", "spillway", "spill at once"]
      )
    })
  )

  it.effect("has no interval for a single seed", () =>
    Effect.gen(function* () {
      const { result } = yield* Comparison.run({ ...options, seeds: 1 })

      assert.isNull(result.policies[0]?.standardTokenShareCi)
    })
  )

  it.effect("tells how far it is, never backwards, up to the end", () =>
    Effect.gen(function* () {
      const told: Array<number> = []
      yield* Comparison.run({ ...options, onProgress: ({ done }) => told.push(done) })

      assert.isTrue(told.every((done, index) => done >= (told[index - 1] ?? 0) && done <= 1))
      assert.closeTo(told.at(-1) ?? 0, 1, 0.05)
    })
  )
})

describe("Sweep", () => {
  it.effect("keeps the traffic while it varies the PTUs", () =>
    Effect.gen(function* () {
      const { points } = yield* Sweep.run({ scenario: small, seeds: 1, ptus: [150, 300, 600], maxWaitMs: [1000, 4000] })

      assert.deepStrictEqual(
        points.map(({ maxWaitMs, ptus }) => [ptus, maxWaitMs] as const),
        [
          [150, 1000],
          [150, 4000],
          [300, 1000],
          [300, 4000],
          [600, 1000],
          [600, 4000]
        ]
      )
      const shares = points.map((point) => point.spillway.standardTokenShare)
      assert.isAbove(shares[0] ?? 0, (shares[2] ?? 0) + 0.2)
      assert.isAbove(shares[2] ?? 0, shares[4] ?? 0)
    })
  )

  const point = (ptus: number, maxWaitMs: number, costPerHour: number): Sweep.Point => {
    const distribution = { p50: 0, p95: 0, p99: 0 }
    const perClass = { interactive: distribution, batch: distribution }
    const policy = {
      name: "spillway",
      description: "",
      standardTokenShare: 0,
      standardTokenShareCi: null,
      standardTokenShareExcess: 0,
      standardRequestShare: 0,
      rejectedPerRequest: 0,
      standardRejectedPerRequest: 0,
      ptuUtilisation: 0,
      waitMs: perClass,
      latencyMs: perClass,
      overBudgetShare: 0,
      failedShare: 0,
      costPerHour,
      standardCostPerHour: 0
    }
    return { ptus, maxWaitMs, spillway: policy, spillAtOnce: policy }
  }

  it("recommends the cheapest, and a shorter wait where it costs next to nothing", () => {
    const cheap = point(200, 1000, 100.4)
    const result = Sweep.recommend([
      point(100, 1000, 120),
      cheap,
      point(200, 4000, 100),
      point(300, 1000, 100.45),
      point(400, 1000, 140)
    ])

    assert.deepStrictEqual(result.recommended, cheap)
    assert.isFalse(result.atEdge)
  })

  it("says when the best lies at the end of the range", () => {
    assert.isTrue(Sweep.recommend([point(100, 0, 50), point(200, 0, 60)]).atEdge)
    assert.isFalse(Sweep.recommend([point(100, 0, 50), point(100, 4000, 60)]).atEdge)
  })
})

describe("Report.render", () => {
  it.effect("is one file that loads and runs nothing, holds all figures, and escapes names", () =>
    Effect.gen(function* () {
      const named = { ...small, model: { ...small.model, name: "<script>alert(1)</script>" } }
      const compared = yield* Comparison.run({ ...options, scenario: named, seeds: 1 })
      const sweep = yield* Sweep.run({ scenario: named, seeds: 1, ptus: [200, 400], maxWaitMs: [4000] })
      const cell = compared.result.oracle
      const row: Robustness.Row = {
        variant: "as expected",
        windowSeconds: 10,
        oracle: cell,
        spillway: { ...cell, name: "spillway" },
        publishedRule: { ...cell, name: "published rule" },
        spillAtOnce: { ...cell, name: "spill at once" }
      }

      const html = Report.render({
        scenario: named,
        ...compared,
        sweep: Option.some(sweep),
        robustness: Option.some([row])
      })

      assert.strictEqual(html.match(/<svg/g)?.length, 8)
      assert.notMatch(html, /<script|<link|@import|<img|url\(|href=|src=/)
      assert.deepStrictEqual(
        [...new Set(html.match(/https?:\/\/[^"\s<]+/g) ?? [])].filter((url) => !url.startsWith("http://www.w3.org/")),
        []
      )
      assert.include(html, "&lt;script&gt;alert(1)&lt;/script&gt;")
      assert.include(html, "prefers-color-scheme: dark")
      assert.include(html, `buy ${sweep.recommended.ptus} PTUs`)
      assert.notMatch(html, /NaN|undefined|Infinity/)
    })
  )
})

describe("Robustness.variants", () => {
  it("each changes something, and the first nothing", () => {
    const changed = Robustness.variants.map(({ change }) => JSON.stringify(change(small)))

    assert.strictEqual(changed[0], JSON.stringify(small))
    assert.strictEqual(new Set(changed).size, Robustness.variants.length)
  })
})
