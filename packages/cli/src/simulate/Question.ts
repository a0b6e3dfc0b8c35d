/** What is asked of the lab, read from the options. Everything that is wrong with them is told at once. */
import { Model } from "@spillway/emulator"
import type { Policy } from "@spillway/lab"
import { Comparison, Scenario, Workload } from "@spillway/lab"
import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Written } from "../commands/simulate.js"

/** A list that is not empty. */
export type Some<A> = readonly [A, ...Array<A>]

/** Where the traffic comes from. */
export type Source =
  | { readonly _tag: "File"; readonly path: string }
  | { readonly _tag: "Made"; readonly shape: Workload.Shape; readonly seconds: number }

/** The ranges to try. */
export interface Ranges {
  readonly ptus: Some<number>
  readonly maxWaitMs: Some<number>
}

/** What is asked; the traffic is still to be read. */
export interface Question {
  readonly source: Source
  readonly scenario: Omit<Scenario.Scenario, "traffic">
  readonly seeds: number
  readonly prices: Comparison.Prices
  readonly policies: ReadonlyArray<Policy.Policy>
  readonly sweep: Option.Option<Ranges>
}

const duration = /^(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)$/
const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 }

const readDuration = (text: string): number | undefined => {
  const [, amount, unit] = duration.exec(text.trim()) ?? []
  return amount === undefined || unit === undefined ? undefined : Number(amount) * (units[unit] ?? Number.NaN)
}

const readNumber = (text: string): number | undefined => (/^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : undefined)

const readWhole = (text: string): number | undefined => {
  const value = readNumber(text)
  return value !== undefined && Number.isSafeInteger(value) ? value : undefined
}

const within =
  (low: number, high: number) =>
  (value: number | undefined): number | undefined =>
    value !== undefined && value >= low && value <= high ? value : undefined

const above0 = (value: number | undefined): number | undefined => (value !== undefined && value > 0 ? value : undefined)

const readMaxTokens = (text: string): Scenario.Scenario["maxTokens"] | undefined => {
  if (text === "none") return { _tag: "None" }
  if (text.endsWith("x")) {
    const median = above0(readNumber(text.slice(0, -1)))
    return median === undefined ? undefined : { _tag: "Proportional", median, sigma: 0.3 }
  }
  const tokens = above0(readWhole(text))
  return tokens === undefined ? undefined : { _tag: "Fixed", tokens }
}

const readPrices = (text: string): Comparison.Prices | undefined => {
  const [inputPerMillion, outputPerMillion, ptuPerHour, ...more] = text.split(",").map(readNumber)
  return inputPerMillion === undefined || outputPerMillion === undefined || ptuPerHour === undefined || more.length > 0
    ? undefined
    : { inputPerMillion, outputPerMillion, ptuPerHour }
}

const readPolicies = (text: string): ReadonlyArray<Policy.Policy> | undefined => {
  const names = text.split(",").map((name) => name.trim().toLowerCase())
  const chosen = Comparison.policies.filter((policy) => names.includes(policy.name.toLowerCase()))
  return chosen.length === new Set(names).size ? chosen : undefined
}

const between = (low: number, high: number, steps: number, round: (value: number) => number): Some<number> => {
  const values = Arr.makeBy(steps, (step) => round(low + ((high - low) * step) / Math.max(1, steps - 1)))
  return Arr.dedupe(values)
}

// Provisioned capacity is sold in steps of 5 PTUs.
const ptuStep = 5
const ptuPoints = 7
const waitPoints = 5

const range = /^(ptus|max-wait)=([^.=]+(?:\.\d+\w*)?)\.\.(.+)$/

const readSweep = (text: string, own: { readonly ptus: number; readonly maxWaitMs: number }): Ranges | undefined => {
  let ranges: Ranges = { ptus: [own.ptus], maxWaitMs: [own.maxWaitMs] }
  for (const part of text.trim().split(/\s+/)) {
    const [, name, from = "", to = ""] = range.exec(part) ?? []
    const read = name === "ptus" ? (text: string) => above0(readWhole(text)) : readDuration
    const [low, high] = [read(from), read(to)]
    if (name === undefined || low === undefined || high === undefined || low > high) return undefined
    ranges =
      name === "ptus"
        ? {
            ...ranges,
            ptus: between(low, high, ptuPoints, (ptus) =>
              high - low < ptuStep * ptuPoints ? Math.round(ptus) : Math.round(ptus / ptuStep) * ptuStep
            )
          }
        : { ...ranges, maxWaitMs: between(low, high, waitPoints, Math.round) }
  }
  return ranges
}

const quote = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)

const mostSeeds = 1000

/** Reads the options. The left side lists what is wrong with them. */
export const read = (written: Written): Either.Either<Question, ReadonlyArray<string>> => {
  const problems: Array<string> = []
  const parse = <A>(
    option: Option.Option<string>,
    name: string,
    otherwise: A,
    expected: string,
    read: (text: string) => A | undefined
  ): A =>
    Option.match(option, {
      onNone: () => otherwise,
      onSome: (text) => {
        const value = read(text)
        if (value === undefined) problems.push(`--${name}: ${quote(text)}, expected ${expected}`)
        return value ?? otherwise
      }
    })

  const model = Model.findOrGeneric(Option.getOrElse(written.model, () => "gpt-4o"))
  const documented = Scenario.tokensPerMinutePerPtu(model)
  if (Option.isNone(documented) && Option.isNone(written.ptuTokens)) {
    problems.push(
      `--model: it is not documented what a PTU of ${quote(model.name)} is worth, expected --ptu-tokens N as well, or one of ${provisionable.join(", ")}`
    )
  }
  const inputTokensPerMinutePerPtu = parse(
    written.ptuTokens,
    "ptu-tokens",
    Option.getOrElse(documented, () => 1),
    "a whole number above 0",
    (text) => above0(readWhole(text))
  )
  if (Option.isSome(written.trace) && Option.isSome(written.workload)) {
    problems.push("--workload: not together with --trace, expected one of the two")
  }
  const { maxWaitMs } = Scenario.defaults
  const time = "a time such as 4s or 500ms"
  const ptus = parse(written.ptus, "ptus", 100, "a whole number above 0", (text) => above0(readWhole(text)))
  const interactive = parse(written.maxWait, "max-wait", maxWaitMs.interactive, time, readDuration)
  const batch = parse(written.batchMaxWait, "batch-max-wait", maxWaitMs.batch, time, readDuration)
  const shape = parse(
    written.workload,
    "workload",
    "steady" as Workload.Shape,
    `one of ${Workload.shapes.join(", ")}`,
    (text) => Workload.shapes.find((shape) => shape === text)
  )
  const seconds = parse(written.duration, "duration", 240, "a time of a second or more, such as 240s", (text) => {
    const ms = readDuration(text)
    return ms !== undefined && ms >= 1000 ? ms / 1000 : undefined
  })
  if (Option.isSome(written.trace) && Option.isSome(written.duration)) {
    problems.push("--duration: not together with --trace, which lasts as long as it lasts")
  }
  const load = parse(written.load, "load", undefined, "a number above 0, such as 1.5", (text) =>
    above0(readNumber(text))
  )
  const question: Question = {
    source: Option.match(written.trace, {
      onNone: (): Source => ({ _tag: "Made", shape, seconds }),
      onSome: (path): Source => ({ _tag: "File", path })
    }),
    scenario: {
      ...Scenario.defaults,
      model,
      inputTokensPerMinutePerPtu,
      ptus,
      load,
      maxWaitMs: { interactive, batch },
      batchShare: parse(written.batchShare, "batch-share", 0.4, "a number from 0 to 1", (text) =>
        within(0, 1)(readNumber(text))
      ),
      maxTokens: parse<Scenario.Scenario["maxTokens"]>(
        written.maxTokens,
        "max-tokens",
        Scenario.defaults.maxTokens,
        "a whole number, none, or such as 1.3x",
        readMaxTokens
      ),
      windowSeconds: parse(written.window, "window", 10, "a time above 0, such as 10s", (text) => {
        const ms = above0(readDuration(text))
        return ms === undefined ? undefined : ms / 1000
      }),
      standardTokensPerMinute: parse(written.standardTpm, "standard-tpm", undefined, "a whole number above 0", (text) =>
        above0(readWhole(text))
      ),
      processes: parse<number>(written.processes, "processes", 1, "a whole number from 1 to 1000", (text) =>
        within(1, 1000)(readWhole(text))
      ),
      sizeKnown: written.sizeKnown
    },
    seeds: parse(written.seeds, "seeds", 5, `a whole number from 1 to ${mostSeeds}`, (text) =>
      within(1, mostSeeds)(readWhole(text))
    ),
    prices: parse(written.prices, "prices", Comparison.listPrices, "three numbers such as 2.5,10,0.3", readPrices),
    policies: parse(
      written.policies,
      "policies",
      Comparison.policies,
      `some of ${Comparison.policies.map((policy) => policy.name).join(", ")}, with commas between`,
      readPolicies
    ),
    sweep: Option.filter(
      Option.map(written.sweep, (text) =>
        parse<Ranges | undefined>(
          Option.some(text),
          "sweep",
          undefined,
          'ranges such as ptus=50..200 or "ptus=50..200 max-wait=0s..8s"',
          (text) => readSweep(text, { ptus, maxWaitMs: interactive })
        )
      ),
      (ranges) => ranges !== undefined
    )
  }
  return problems.length > 0 ? Either.left(problems) : Either.right(question)
}

const provisionable = Object.values(Model.catalogue)
  .filter((model) => model.inputTokensPerMinutePerPtu !== undefined)
  .map((model) => model.name)
