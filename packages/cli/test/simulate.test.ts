import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { FileSystem } from "@effect/platform"
import { Comparison, Sweep } from "@spillway/lab"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Option, Schema } from "effect"
import type { Written } from "../src/commands/simulate.js"
import * as Simulate from "../src/commands/simulate.js"
import * as Help from "../src/Help.js"
import * as Question from "../src/simulate/Question.js"
import { plain } from "../src/Style.js"
import { run } from "./support/process.js"

const none: Written = {
  trace: Option.none(),
  workload: Option.none(),
  model: Option.none(),
  ptus: Option.none(),
  ptuTokens: Option.none(),
  load: Option.none(),
  maxWait: Option.none(),
  batchMaxWait: Option.none(),
  batchShare: Option.none(),
  maxTokens: Option.none(),
  window: Option.none(),
  standardTpm: Option.none(),
  processes: Option.none(),
  sizeKnown: false,
  duration: Option.none(),
  seeds: Option.none(),
  policies: Option.none(),
  prices: Option.none(),
  sweep: Option.none(),
  robustness: false,
  report: Option.none(),
  json: false
}

type Texts = { readonly [K in keyof Written as Written[K] extends Option.Option<string> ? K : never]?: string }

const read = (texts: Texts) =>
  Question.read({
    ...none,
    ...Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, Option.some(text)]))
  })

const ok = (texts: Texts) => Either.getOrThrow(read(texts))

describe("simulate's options", () => {
  it("have defaults", () => {
    const { policies, prices, scenario, seeds, source, sweep } = ok({})

    assert.deepStrictEqual(source, { _tag: "Made", shape: "steady", seconds: 240 })
    assert.strictEqual(scenario.model.name, "gpt-4o")
    assert.strictEqual(scenario.ptus, 100)
    assert.isUndefined(scenario.load)
    assert.deepStrictEqual(scenario.maxWaitMs, { interactive: 4000, batch: 60_000 })
    assert.strictEqual(scenario.batchShare, 0.4)
    assert.strictEqual(seeds, 5)
    assert.deepStrictEqual(prices, Comparison.listPrices)
    assert.deepStrictEqual(policies, Comparison.policies)
    assert.isTrue(Option.isNone(sweep))
  })

  it("are read in their units", () => {
    const { prices, scenario, seeds, source } = ok({
      trace: "calls.csv",
      model: "my-fine-tune",
      ptuTokens: "1234",
      ptus: "250",
      load: "1.5",
      maxWait: "500ms",
      batchMaxWait: "2m",
      batchShare: "0.25",
      window: "1s",
      seeds: "7",
      prices: "1,2,3"
    })

    assert.deepStrictEqual(source, { _tag: "File", path: "calls.csv" })
    assert.strictEqual(scenario.inputTokensPerMinutePerPtu, 1234)
    assert.strictEqual(scenario.ptus, 250)
    assert.strictEqual(scenario.load, 1.5)
    assert.deepStrictEqual(scenario.maxWaitMs, { interactive: 500, batch: 120_000 })
    assert.strictEqual(scenario.batchShare, 0.25)
    assert.strictEqual(scenario.windowSeconds, 1)
    assert.strictEqual(seeds, 7)
    assert.deepStrictEqual(prices, { inputPerMillion: 1, outputPerMillion: 2, ptuPerHour: 3 })
  })

  it("know three kinds of max_tokens", () => {
    assert.deepStrictEqual(ok({ maxTokens: "none" }).scenario.maxTokens, { _tag: "None" })
    assert.deepStrictEqual(ok({ maxTokens: "4096" }).scenario.maxTokens, { _tag: "Fixed", tokens: 4096 })
    assert.deepStrictEqual(ok({ maxTokens: "2x" }).scenario.maxTokens, { _tag: "Proportional", median: 2, sigma: 0.3 })
  })

  it("choose policies by name, in whatever case and order, and keep the lab's order", () => {
    assert.deepStrictEqual(
      ok({ policies: "Spill at once, spillway" }).policies.map((policy) => policy.name),
      ["spillway", "spill at once"]
    )
  })

  it.each<[text: string, ptus: ReadonlyArray<number>, waits: ReadonlyArray<number>]>([
    ["ptus=50..200", [50, 75, 100, 125, 150, 175, 200], [4000]],
    ["ptus=10..13", [10, 11, 12, 13], [4000]],
    ["max-wait=0s..8s", [100], [0, 2000, 4000, 6000, 8000]],
    ["ptus=60..60 max-wait=0.5s..1s", [60], [500, 625, 750, 875, 1000]]
  ])("read the range %s", (text, ptus, maxWaitMs) => {
    assert.deepStrictEqual(Option.getOrThrow(ok({ sweep: text }).sweep), { ptus, maxWaitMs })
  })

  it.each<[texts: Texts, problem: string]>([
    [{ ptus: "0" }, '--ptus: "0", expected a whole number above 0'],
    [{ ptus: "-5" }, '--ptus: "-5", expected a whole number above 0'],
    [{ load: "fast" }, '--load: "fast", expected a number above 0, such as 1.5'],
    [{ maxWait: "4" }, '--max-wait: "4", expected a time such as 4s or 500ms'],
    [{ batchShare: "1.1" }, '--batch-share: "1.1", expected a number from 0 to 1'],
    [{ workload: "bursty" }, '--workload: "bursty", expected one of steady, onoff, flash, diurnal'],
    [{ workload: "steady", trace: "x" }, "--workload: not together with --trace, expected one of the two"],
    [{ duration: "4m", trace: "x" }, "--duration: not together with --trace, which lasts as long as it lasts"],
    [{ seeds: "0" }, '--seeds: "0", expected a whole number from 1 to 1000'],
    [{ prices: "1,2" }, '--prices: "1,2", expected three numbers such as 2.5,10,0.3'],
    [{ maxTokens: "0x" }, '--max-tokens: "0x", expected a whole number, none, or such as 1.3x'],
    [
      { sweep: "ptus=200..50" },
      '--sweep: "ptus=200..50", expected ranges such as ptus=50..200 or "ptus=50..200 max-wait=0s..8s"'
    ]
  ])("refuse %j", (texts, problem) => {
    assert.deepStrictEqual(read(texts), Either.left([problem]))
  })

  it("tell of everything that is wrong, and of models without known capacity", () => {
    const problems = Either.getOrThrow(Either.flip(read({ model: "zork", ptus: "x", seeds: "x" })))

    assert.match(
      problems[0] ?? "",
      /^--model: it is not documented what a PTU of "zork" is worth, expected --ptu-tokens N as well, or one of gpt-5\.5, /
    )
    assert.deepStrictEqual(problems.slice(1), [
      '--ptus: "x", expected a whole number above 0',
      '--seeds: "x", expected a whole number from 1 to 1000'
    ])
  })

  it("fit the width of a terminal in the help", () => {
    for (const line of Help.command(Simulate.help, plain).split("\n")) assert.isAtMost(line.length, 120, line)
  })
})

const short = ["simulate", "--workload", "steady", "--load", "1.5", "--duration", "10s", "--seeds", "2"]
const Printed = Schema.parseJson(Schema.Struct({ ...Comparison.Result.fields, sweep: Schema.optional(Sweep.Result) }))

// Each starts a process or two, which takes seconds where others work as well.
describe("simulate", { timeout: 60_000 }, () => {
  it.scopedLive("prints a table of all policies and the oracle", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* run(short)

      assert.strictEqual(code, 0)
      for (const name of [...Comparison.policies.map((policy) => policy.name), "oracle"]) {
        assert.match(stdout, new RegExp(`^${name.replace("+", "\\+")} +\\d+\\.\\d %`, "m"))
      }
      assert.notInclude(stdout, "\u001b")
    })
  )

  it.scopedLive("prints one JSON object, the same for the same question", () =>
    Effect.gen(function* () {
      const args = [...short, "--policies", "spillway", "--sweep", "ptus=50..100", "--json"]
      const [first, again] = yield* Effect.all([run(args), run(args)])
      const printed = yield* Schema.decode(Printed)(first.stdout)

      assert.strictEqual(first.code, 0)
      assert.strictEqual(first.stdout, again.stdout)
      assert.strictEqual(printed.workload, "steady")
      assert.strictEqual(printed.seeds, 2)
      assert.deepStrictEqual(
        printed.policies.map((policy) => policy.name),
        ["spillway"]
      )
      assert.strictEqual(printed.oracle.name, "oracle")
      assert.isAbove(printed.sweep?.points.length ?? 0, 3)
    })
  )

  it.scopedLive("replays a trace and writes the page, whole", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const rows = Array.from({ length: 200 }, (_, row) => `${row / 4},${500 + row},100`)
      yield* fs.writeFileString(`${folder}/calls.csv`, `TIMESTAMP,ContextTokens,GeneratedTokens\n${rows.join("\n")}\n`)
      const { code, stderr, stdout } = yield* run([
        "simulate",
        "--trace",
        `${folder}/calls.csv`,
        "--ptus",
        "50",
        "--seeds",
        "1",
        "--report",
        `${folder}/page.html`
      ])

      assert.strictEqual(code, 0)
      assert.match(stdout, /^calls\.csv, 200 requests in 50 s \(speed 1\.00\), 1\.93x of capacity$/m)
      assert.include(stderr, `Wrote ${folder}/page.html`)
      assert.deepStrictEqual((yield* fs.readDirectory(folder)).toSorted(), ["calls.csv", "page.html"])
      assert.match(yield* fs.readFileString(`${folder}/page.html`), /^<!doctype html>[\s\S]*<\/html>\n$/)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scopedLive("tells what is wrong with a trace, in which line, and writes nothing", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const file = `${folder}/calls.csv`
      yield* fs.writeFileString(file, "TIMESTAMP,ContextTokens,GeneratedTokens\n5,1,1\n6,1,-1\n")
      const { code, stderr, stdout } = yield* run(["simulate", "--trace", file, "--report", `${folder}/page.html`])

      assert.strictEqual(code, 2)
      assert.strictEqual(stdout, "")
      assert.strictEqual(
        stderr.split("\n")[0],
        `--trace: ${file}, line 3: GeneratedTokens "-1": expected a whole number of tokens, 0 or more`
      )
      assert.deepStrictEqual(yield* fs.readDirectory(folder), ["calls.csv"])
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scopedLive("says before the work, not after it, that there is nowhere to write", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* run(["simulate", "--seeds", "1000", "--report", "/nowhere/at/all/page.html"])

      assert.strictEqual(code, 2)
      assert.strictEqual(
        stderr.split("\n")[0],
        "--report: cannot write in /nowhere/at/all/, expected a directory that is there"
      )
    })
  )
})
