import { assert, describe, it } from "@effect/vitest"
import type { Policy } from "@spillway/lab"
import { Baselines, Comparison, Oracle, Spillway } from "@spillway/lab"
import { play, recorded, scenario } from "./support/lab.js"

const policies: ReadonlyArray<Policy.Policy> = [Oracle.oracle, Spillway.spillway, ...Baselines.all]

describe("Simulation", () => {
  for (const policy of policies) {
    it(`${policy.name}: the same seed gives the same run, another seed another`, () => {
      const [first, again, other] = [1, 1, 2].map((seed) => play(scenario("steady", 1.3), policy, seed).tally)

      assert.deepStrictEqual(first?.metrics(), again?.metrics())
      assert.deepStrictEqual(first?.samples, again?.samples)
      assert.notDeepEqual(first?.metrics(), other?.metrics())
    })

    it(`${policy.name}: every request is answered or failed, exactly once`, () => {
      const record = recorded(policy)
      const { tally } = play(scenario("flash", undefined), record.policy)

      assert.strictEqual(tally.open, 0)
      assert.strictEqual(record.settled.size, record.requests.length)
      assert.isTrue([...record.settled.values()].every((outcomes) => outcomes.length === 1))
      const metrics = tally.metrics()
      const measured = record.requests.filter((request) => request.measured)
      const share = (outcome: string) =>
        measured.filter((request) => record.settled.get(request.index)?.[0] === outcome).length / measured.length
      assert.strictEqual(metrics.requests, measured.length)
      assert.closeTo(metrics.standardRequestShare, share("standard"), 1e-12)
      assert.closeTo(metrics.failedShare, share("failed"), 1e-12)
    })
  }

  it("gives every policy the same requests: arrival, sizes, class, service time", () => {
    const seen = policies.map((policy) => {
      const record = recorded(policy)
      play(scenario("onoff", 1.2), record.policy)
      return record.requests.map(({ arrivedAt, class: of, index, maxTokens, outputTokens, pace, promptTokens }) =>
        JSON.stringify({ arrivedAt, of, index, maxTokens, outputTokens, pace, promptTokens })
      )
    })

    assert.isAbove(seen[0]?.length ?? 0, 300)
    for (const requests of seen) assert.deepStrictEqual(requests, seen[0])
  })

  it("nobody keeps the deployment busier than the oracle, nor sends less to Standard, by more than noise", () => {
    const answering = policies.filter((policy) => policy !== Baselines.sdk)
    for (const [shape, load] of [
      ["steady", 1.2],
      ["onoff", 1.1],
      ["flash", undefined],
      ["diurnal", undefined]
    ] as const) {
      for (const windowSeconds of [1, 10]) {
        const bound = play(scenario(shape, load, { windowSeconds }), Oracle.oracle).tally.metrics()
        for (const policy of answering) {
          const metrics = play(scenario(shape, load, { windowSeconds }), policy).tally.metrics()
          const what = `${policy.name}, ${shape} ${load ?? ""}, ${windowSeconds} s`
          assert.isAtLeast(metrics.standardTokenShare, bound.standardTokenShare - 0.03, what)
          assert.isAtMost(metrics.ptuUtilisation, bound.ptuUtilisation + 0.01, what)
        }
      }
    }
  })

  it("the oracle is never refused, and nobody waits beyond the budget but after a fault", () => {
    const metrics = play(
      scenario("flash", undefined, { faults: { errorShare: 0, timeoutShare: 0, timeoutMs: 5000 } }),
      Oracle.oracle
    ).tally.metrics()

    assert.strictEqual(metrics.rejectedPerRequest, 0)
    assert.strictEqual(metrics.overBudgetShare, 0)
    assert.isAtMost(metrics.waitMs.interactive.p99, 4000.001)
    assert.isAbove(metrics.standardTokenShare, 0.1)
  })

  it("where there is room for all, all policies do the same: nothing", () => {
    const idle = scenario("steady", 0.3, { faults: { errorShare: 0, timeoutShare: 0, timeoutMs: 5000 } })
    for (const policy of policies) {
      const metrics = play(idle, policy).tally.metrics()
      assert.strictEqual(metrics.standardTokenShare, 0, policy.name)
      assert.strictEqual(metrics.rejectedPerRequest, 0, policy.name)
      assert.strictEqual(metrics.waitMs.batch.p99, 0, policy.name)
    }
  })

  it("counts how busy the deployment was: offered tokens over capacity, while all of them fit", () => {
    const { ptuUtilisation, offeredTokens } = play(scenario("steady", 0.4), Oracle.oracle).tally.metrics()

    // 300 PTUs of 2500 tokens a minute, a minute long; what is charged in advance makes it busier for a while.
    assert.isAtLeast(ptuUtilisation, (offeredTokens / (300 * 2500)) * 0.85)
    assert.isAtMost(ptuUtilisation, (offeredTokens / (300 * 2500)) * 1.25)
  })

  it("a fault costs a retry elsewhere, not the request", () => {
    const faulty = scenario("steady", 0.3, { faults: { errorShare: 0.5, timeoutShare: 0.1, timeoutMs: 5000 } })
    for (const policy of [Spillway.spillway, Baselines.publishedRule, Baselines.spillAtOnce, Oracle.oracle]) {
      const metrics = play(faulty, policy).tally.metrics()
      assert.strictEqual(metrics.failedShare, 0, policy.name)
      assert.closeTo(metrics.standardRequestShare, 0.6, 0.1, policy.name)
    }
  })

  it("processes that know nothing of each other are refused more often than one", () => {
    const [one, eight] = [1, 8].map(
      (processes) => play(scenario("steady", 1.5, { processes }), Spillway.spillway).tally.metrics().rejectedPerRequest
    )

    assert.isAbove(eight ?? 0, 3 * (one ?? 0))
  })

  it("other tenants take room that is then missing", () => {
    const [alone, shared] = [0, 0.5].map(
      (tenants) => play(scenario("steady", 0.9, { tenants }), Baselines.spillAtOnce).tally.metrics().standardTokenShare
    )

    assert.isAbove(shared ?? 0, (alone ?? 0) + 0.1)
  })

  it("compares what it is told to compare", () => {
    assert.deepStrictEqual(
      Comparison.policies.map((policy) => policy.name),
      [
        "spillway",
        "published rule",
        "spill at once",
        "six-line Schedule",
        "openai SDK",
        "openai SDK + Standard",
        "cooldown 5 s"
      ]
    )
  })
})
