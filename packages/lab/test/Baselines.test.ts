import { assert, describe, it } from "@effect/vitest"
import { Baselines, Scenario, Simulation } from "@spillway/lab"
import { Chunk, Duration, Effect, Random, Schedule } from "effect"
import { finish, recorded, scenario } from "./support/lab.js"

// A deployment that is full for a minute, asked by one request at 0 and another at 61 s.
const full = (more: Partial<Scenario.Scenario>) => {
  const setup = Scenario.setup(
    scenario("steady", 1, {
      ptus: 15,
      windowSeconds: 0.001,
      batchShare: 0,
      faults: { errorShare: 0, timeoutShare: 0, timeoutMs: 5000 },
      network: { baseMs: 0, meanExtraMs: 0, spikeShare: 0, spikeMs: 0 },
      ...more
    })
  )
  const arrivals = [
    // 625 tokens a second: a minute's worth, and a long answer that is not corrected in time.
    { at: 0, promptTokens: 37_500, outputTokens: 1 },
    { at: 1, promptTokens: 10, outputTokens: 10 },
    { at: 61_000, promptTokens: 10, outputTokens: 10 }
  ]
  return { ...setup, workload: { ...setup.workload, measured: { from: 0, to: 70_000 }, arrivals: () => arrivals } }
}

const attempts = (policy: (typeof Baselines.all)[number], more: Partial<Scenario.Scenario> = {}) => {
  const record = recorded(policy)
  finish(new Simulation.Simulation(full(more), record.policy, 1))
  return {
    second: record.sent.filter(({ index }) => index === 1).map(({ at, kind }) => [kind, at] as const),
    outcome: record.settled.get(1)?.[0],
    third: record.settled.get(2)?.[0]
  }
}

describe("Baselines", () => {
  it("published rule: goes to Standard at once when the hint does not fit the budget", () => {
    assert.deepStrictEqual(attempts(Baselines.publishedRule), {
      second: [
        ["provisioned", 1],
        ["standard", 1]
      ],
      outcome: "standard",
      third: "provisioned"
    })
  })

  it("published rule: waits for the hint when it fits", () => {
    const { outcome, second } = attempts(Baselines.publishedRule, { maxWaitMs: { interactive: 61_000, batch: 61_000 } })

    assert.deepStrictEqual(
      second.map(([kind]) => kind),
      ["provisioned", "provisioned"]
    )
    assert.closeTo(second[1]?.[1] ?? 0, 60_000, 20)
    assert.strictEqual(outcome, "provisioned")
  })

  it("published rule: guesses where no hint comes, ever longer, within the budget", () => {
    const { second } = attempts(Baselines.publishedRule, { hints: { _tag: "Missing" } })
    const gaps = second.slice(1, -1).map(([, at], index) => at - (second[index]?.[1] ?? 0))

    assert.deepStrictEqual(second.at(-1)?.[0], "standard")
    assert.isTrue(
      gaps.every((gap, index) => gap >= 50 * 2 ** index && gap <= 75 * 2 ** index),
      gaps.join(", ")
    )
    assert.isAtMost(second.at(-1)?.[1] ?? 0, 4001)
  })

  it("openai SDK: 3 attempts, then the error; a hint of a minute is obeyed", () => {
    const { outcome, second } = attempts(Baselines.sdk, { hints: { _tag: "Scaled", factor: 0.01 } })

    assert.strictEqual(outcome, "failed")
    // The hint: a hundredth of what is left of the minute.
    assert.deepStrictEqual(
      second.map(([kind, at]) => [kind, Math.round(at / 100) * 100] as const),
      [
        ["provisioned", 0],
        ["provisioned", 600],
        ["provisioned", 1200]
      ]
    )
    assert.strictEqual(attempts(Baselines.sdk).outcome, "provisioned")
  })

  it("openai SDK: a hint of more than a minute makes way for backoff", () => {
    const { second } = attempts(Baselines.sdk, { hints: { _tag: "Scaled", factor: 2 } })

    const [first = 0, next = 0] = second.slice(1).map(([, at], index) => at - (second[index]?.[1] ?? 0))
    assert.isTrue(first >= 375 && first <= 501, String(first))
    assert.isTrue(next >= 750 && next <= 1001, String(next))
  })

  it("openai SDK + Standard: Standard after 3 attempts", () => {
    const { outcome, second } = attempts(Baselines.sdkThenStandard, { hints: { _tag: "Scaled", factor: 0.01 } })

    assert.deepStrictEqual(
      second.map(([kind]) => kind),
      ["provisioned", "provisioned", "provisioned", "standard"]
    )
    assert.strictEqual(outcome, "standard")
  })

  it("cooldown: after a refusal nobody is sent to the deployment for 5 seconds", () => {
    const record = recorded(Baselines.cooldown)
    const setup = full({})
    const arrivals = [0, 1, 2, 4999, 5002, 61_000].map((at, index) => ({
      at,
      promptTokens: index === 0 ? 37_500 : 10,
      outputTokens: 10
    }))
    finish(
      new Simulation.Simulation(
        { ...setup, workload: { ...setup.workload, arrivals: () => arrivals } },
        record.policy,
        1
      )
    )

    assert.deepStrictEqual(
      record.sent.map(({ at, kind }) => [at, kind] as const),
      [
        [0, "provisioned"],
        [1, "provisioned"],
        [1, "standard"],
        [2, "standard"],
        [4999, "standard"],
        [5002, "provisioned"],
        [5002, "standard"],
        [61_000, "provisioned"]
      ]
    )
  })

  it.effect("six-line Schedule: waits as the Schedule it stands for", () =>
    Effect.gen(function* () {
      const schedule = Schedule.exponential("100 millis").pipe(
        Schedule.jittered,
        Schedule.union(Schedule.spaced("2 seconds")),
        Schedule.upTo("4 seconds")
      )
      const { second } = attempts(Baselines.sixLineSchedule)
      const gaps = second.slice(1).map(([, at], index) => at - (second[index]?.[1] ?? 0))
      // The last attempt is Standard's, sent when the Schedule is done.
      const [toStandard, ...waits] = gaps.toReversed()

      assert.strictEqual(toStandard, 0)
      assert.strictEqual(second.at(-1)?.[0], "standard")

      // The same with the largest and with the smallest jitter there is: the lab's lie between.
      const delays = (random: number) =>
        Schedule.run(Schedule.delays(schedule), 0, Array.from({ length: 12 })).pipe(
          Effect.map(Chunk.toReadonlyArray),
          Effect.map((all) => all.map(Duration.toMillis)),
          Effect.withRandom({ ...Random.make("any"), next: Effect.succeed(random) })
        )
      const [least, most] = [yield* delays(0), yield* delays(1)]
      waits.toReversed().forEach((wait, index) => {
        assert.isAtLeast(wait, (least[index] ?? 0) - 1e-6)
        assert.isAtMost(wait, (most[index] ?? 0) + 1e-6)
      })
      assert.isTrue(waits.length >= 5 && waits.length <= 7, String(waits.length))
    })
  )

  it("spill at once: one attempt at each", () => {
    assert.deepStrictEqual(attempts(Baselines.spillAtOnce).second, [
      ["provisioned", 1],
      ["standard", 1]
    ])
  })
})
