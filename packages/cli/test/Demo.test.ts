import { assert, describe, it } from "@effect/vitest"
import { CallError } from "@spillway/azure-openai"
import type { Attempt } from "@spillway/core"
import { Emulator } from "@spillway/emulator"
import { Effect, Fiber, Layer, TestClock } from "effect"
import * as Burst from "../src/demo/Burst.js"
import * as Demo from "../src/demo/Demo.js"
import * as Report from "../src/demo/Report.js"
import * as Scenario from "../src/demo/Scenario.js"
import * as Summary from "../src/demo/Summary.js"
import * as SpanCollector from "../src/SpanCollector.js"
import { plain } from "../src/Style.js"

const answered = (
  outcome: Burst.Answered["outcome"],
  waitedMs: number,
  statuses: ReadonlyArray<number>
): Burst.Result => {
  const servedBy = outcome === "fallback" ? "standard" : "provisioned"
  const attempts = statuses.map((status, index): Attempt.Attempt => ({
    number: index + 1,
    deployment: "d",
    kind: index === statuses.length - 1 ? servedBy : "provisioned",
    outcome: status === 200 ? "answered" : "RateLimited",
    status,
    startedMs: 0,
    durationMs: 1
  }))
  return { _tag: "Answered", outcome, servedBy, attempts, waitedMs }
}

const unanswered = (attempts: ReadonlyArray<number>): Burst.Result => ({
  _tag: "Unanswered",
  error: new CallError.BadRequest({
    deployment: "d",
    status: 400,
    attempts: attempts.map((number) => ({
      number,
      deployment: "d",
      kind: "provisioned",
      outcome: "BadRequest",
      status: 400,
      startedMs: 0,
      durationMs: 1
    }))
  })
})

describe("Summary", () => {
  it("counts calls, requests and 429s, failed calls included; waits are those of answered calls, by nearest rank", () => {
    const results = [
      answered("served", 0, [200]),
      answered("served_after_wait", 400.4, [429, 200]),
      answered("fallback", 1999.6, [429, 429, 200]),
      unanswered([1])
    ]

    assert.deepStrictEqual(Summary.make(results), {
      calls: 4,
      failed: 1,
      servedBy: { provisioned: 2, standard: 1 },
      attempts: 7,
      rateLimited: 3,
      waitMs: { p50: 400, p95: 2000, max: 2000 }
    })
  })

  it.each([
    [0, { p50: 0, p95: 0, max: 0 }],
    [1, { p50: 1, p95: 1, max: 1 }],
    [2, { p50: 1, p95: 2, max: 2 }],
    [20, { p50: 10, p95: 19, max: 20 }],
    [100, { p50: 50, p95: 95, max: 100 }]
  ])("the waits of %i calls that waited 1, 2, 3, … ms", (count, expected) => {
    const calls = Array.from({ length: count }, (_, index) => answered("served_after_wait", count - index, [429, 200]))

    assert.deepStrictEqual(Summary.waits(Summary.answered(calls)), expected)
  })
})

describe("the demo's scenario", () => {
  it.effect("in virtual time: every call is answered, in all three ways, and the report shows each", () =>
    Effect.gen(function* () {
      const Chat = Demo.chat("http://127.0.0.1").pipe(
        Layer.provide(Emulator.layerClient),
        Layer.provide(Emulator.layer(Scenario.resource))
      )
      const seen: Array<Burst.Result> = []
      const burst = Burst.run((result) => seen.push(result)).pipe(Effect.provide(Chat), SpanCollector.collect)
      const fiber = yield* Effect.fork(burst)
      yield* TestClock.adjust("10 seconds")
      const [results, spans] = yield* Fiber.join(fiber)
      const count = (outcome: string) => Summary.answered(results).filter((call) => call.outcome === outcome).length
      const summary = Summary.make(results)

      assert.strictEqual(seen.length, Scenario.calls)
      assert.strictEqual(summary.calls, Scenario.calls)
      assert.strictEqual(summary.failed, 0)
      assert.deepStrictEqual(Report.failures(results), [])
      assert.deepStrictEqual([count("served"), count("served_after_wait"), count("fallback")], [11, 8, 13])
      assert.isAtMost(summary.waitMs.max, 3000)
      // One root for a call, one span for a request, one for a wait.
      assert.strictEqual(spans.filter(({ name }) => name.startsWith("attempt")).length, summary.attempts)

      const report = Report.render(results, spans, 5432, { style: plain, width: 80 }).split("\n")
      const after = (title: string, lines: number) => report.slice(report.indexOf(title) + 1).slice(0, lines)
      assert.deepStrictEqual(report.slice(0, 9), [
        "32 calls in 5.4 s: every one was answered",
        "",
        "Answered by             calls              wait: p50      p95      max",
        "the PTUs, at once          11  ████████         0 ms     0 ms     0 ms",
        "the PTUs, after a wait      8  ██████         396 ms  2616 ms  2616 ms",
        "Standard, as fallback      13  ██████████    2661 ms  2871 ms  2871 ms",
        "all                        32                 996 ms  2781 ms  2871 ms",
        "",
        `${summary.attempts} requests were sent; the PTUs had no room for ${summary.rateLimited} of them (429).`
      ])
      // The shortest of each kind: one wait, and as many as fit.
      assert.deepStrictEqual(
        after("A call that waited", 4).map((line) => line.slice(0, 22).trimEnd()),
        ["chat gpt-4o", "├─ attempt provisioned", "├─ wait", "└─ attempt provisioned"]
      )
      // All but the line that is to be copied fits a narrow terminal.
      for (const line of report.slice(0, -3)) assert.isAtMost(line.length, 80, line)
      assert.match(after("A call that fell back", 1)[0] ?? "", /^chat gpt-4o .* fallback$/)
      assert.deepStrictEqual(after("Ask your own Azure resource", 4), [
        "  export AZURE_OPENAI_ENDPOINT=https://YOUR-RESOURCE.openai.azure.com AZURE_OPENAI_API_KEY=YOUR-KEY",
        "  export PTU_DEPLOYMENT=YOUR-PTU-DEPLOYMENT STANDARD_DEPLOYMENT=YOUR-STANDARD-DEPLOYMENT",
        '  npx -y pnpm@12 spillway ask "What is provisioned throughput?"'
      ])
    })
  )

  it("a question is as long as the scenario charges for it", () => {
    for (const index of [0, Scenario.calls - 1]) assert.strictEqual(Math.floor(Scenario.question(index).length / 4), 59)
  })

  it("failures are told by tag, with how many and the first message", () => {
    assert.deepStrictEqual(Report.failures([answered("served", 0, [200]), unanswered([1]), unanswered([1])]), [
      "BadRequest: 2 of 3 calls, the first: d: request refused (status 400, 1 request sent)"
    ])
  })
})
