/**
 * An answer of the lab as one HTML file: plots and the numbers behind them. It loads nothing and runs nothing, and follows
 * the reader's light or dark scheme.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Course, PolicyResult, Result } from "./Comparison.js"
import * as Figures from "./internal/figures.js"
import type { Row } from "./Robustness.js"
import type { Scenario } from "./Scenario.js"
import type { Result as SweepResult } from "./Sweep.js"

/**
 * What a report shows.
 *
 * @since 0.1.0
 * @category models
 */
export interface Content {
  readonly scenario: Scenario
  readonly result: Result
  readonly courses: ReadonlyArray<Course>
  readonly sweep: Option.Option<SweepResult>
  readonly robustness: Option.Option<ReadonlyArray<Row>>
}

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")

const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)}&nbsp;%`

const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)}&nbsp;s`

const perRequest = (count: number): string => (count < 1 ? count.toFixed(3) : count.toFixed(1))

interface Line {
  readonly name: string
  readonly colour: string
  readonly dashed: boolean
  readonly opacity?: number
}

const legend = (lines: ReadonlyArray<Line>): string =>
  `<p class="legend">${lines
    .map(
      ({ colour, dashed, name, opacity = 1 }) =>
        `<span><i style="border-top-color:${colour};border-top-style:${dashed ? "dashed" : "solid"};opacity:${opacity.toFixed(2)}"></i>${name}</span>`
    )
    .join("")}</p>`

const figure = (title: string, note: string, svg: string, wide = false): string =>
  `<figure${wide ? ' class="wide"' : ""}><figcaption><h2>${title}</h2><p>${note}</p></figcaption>${svg}</figure>`

const tile = (value: string, meaning: string, more = ""): string =>
  `<div class="tile"><b>${value}</b><span>${meaning}</span>${more === "" ? "" : `<small>${more}</small>`}</div>`

const named = (result: Result, name: string): PolicyResult | undefined =>
  result.policies.find((policy) => policy.name === name)

const tiles = (result: Result): string => {
  const own = named(result, "spillway")
  if (own === undefined) return ""
  const others = ["published rule", "spill at once"].flatMap((name) => named(result, name) ?? [])
  const versus = (of: (policy: PolicyResult) => string): string =>
    [...others, result.oracle].map((policy) => `${policy.name} ${of(policy)}`).join(" · ")
  return `<div class="tiles">${[
    tile(
      percent(own.standardTokenShare),
      "of tokens sent to Standard",
      versus((policy) => percent(policy.standardTokenShare))
    ),
    tile(
      `$${own.costPerHour.toFixed(0)}`,
      "an hour, PTUs and Standard",
      versus((policy) => `$${policy.costPerHour.toFixed(0)}`)
    ),
    tile(
      perRequest(own.rejectedPerRequest),
      "refused attempts per request",
      versus((policy) => perRequest(policy.rejectedPerRequest))
    ),
    tile(
      seconds(own.waitMs.interactive.p50),
      "median wait of interactive requests",
      versus((policy) => seconds(policy.waitMs.interactive.p50))
    )
  ].join("")}</div>`
}

const row = (policy: PolicyResult, bound: PolicyResult): string => {
  const interval = policy.standardTokenShareCi === null ? "" : ` ± ${(100 * policy.standardTokenShareCi).toFixed(2)}`
  const cells = [
    percent(policy.standardTokenShare, 2),
    policy === bound ? "" : `${(100 * policy.standardTokenShareExcess).toFixed(2)}${interval}`,
    perRequest(policy.rejectedPerRequest),
    percent(policy.ptuUtilisation),
    `${seconds(policy.waitMs.interactive.p50)} / ${seconds(policy.waitMs.interactive.p99)}`,
    `${seconds(policy.waitMs.batch.p50)} / ${seconds(policy.waitMs.batch.p99)}`,
    `${seconds(policy.latencyMs.interactive.p50)} / ${seconds(policy.latencyMs.interactive.p99)}`,
    percent(policy.overBudgetShare, 2),
    percent(policy.failedShare, 2),
    policy.costPerHour.toFixed(2)
  ]
  return `<tr${policy.name === "spillway" ? ' class="own"' : ""}><th scope="row">${escape(policy.name)}<small>${escape(
    policy.description
  )}</small></th>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`
}

const heads = [
  "",
  "Standard",
  "points above the oracle",
  "429 per request",
  "PTU busy",
  "interactive wait p50 / p99",
  "batch wait p50 / p99",
  "interactive latency p50 / p99",
  "late",
  "failed",
  "$ an hour"
]

const numbers = (result: Result): string =>
  `<div class="scroll"><table><thead><tr>${heads.map((head) => `<th scope="col">${head}</th>`).join("")}</tr></thead><tbody>${[
    ...result.policies,
    result.oracle
  ]
    .map((policy) => row(policy, result.oracle))
    .join("")}</tbody></table></div>`

const styles = `
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5b6577; --page: #f5f6f8; --card: #fff; --line: #e1e4ea;
  --spillway: #0b6bcb; --oracle: #59636f; --published: #c2570c; --spill: #a3338f; --other: #aab3c0; --buy: #0a7d43; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #9aa5b5; --page: #12151b; --card: #1b2029; --line: #2d3440;
  --spillway: #5aa9ff; --oracle: #b4bdc9; --published: #f59a52; --spill: #e07fd0; --other: #5c6675; --buy: #4cc98a; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2.5rem 1.5rem 4rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1340px; margin: 0 auto; }
header h1 { margin: 0 0 .35rem; overflow-wrap: anywhere; font-size: 1.7rem; letter-spacing: -.01em; }
header p { margin: 0; color: var(--soft); max-width: 60rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1rem; margin: 1.75rem 0 1rem; }
.tile, figure, .numbers { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.tile { padding: 1rem 1.2rem; display: flex; flex-direction: column; }
.tile b { font-size: 2rem; line-height: 1.15; font-variant-numeric: tabular-nums; color: var(--spillway); }
.tile small { color: var(--soft); margin-top: .5rem; }
.legend { display: flex; flex-wrap: wrap; gap: .4rem 1.4rem; margin: 1.4rem 0 .8rem; color: var(--soft); }
.legend i { display: inline-block; width: 1.8em; border-top: 3px solid; vertical-align: middle; margin-right: .5em; }
figure .legend { margin: 0 0 .6rem; font-size: .88rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1rem; }
figure { margin: 0; padding: 1.1rem 1.3rem 1rem; min-width: 0; }
figure.wide { grid-column: 1 / -1; overflow-x: auto; }
figure.wide svg { min-width: 46rem; }
figcaption h2, .numbers h2 { font-size: 1.02rem; margin: 0; }
figcaption p, .numbers p { margin: .1rem 0 .9rem; color: var(--soft); font-size: .88rem; }
figure svg { width: 100%; height: auto; color: var(--ink); }
.numbers { margin-top: 1rem; padding: 1.1rem 1.3rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .86rem; }
th, td { padding: .45rem .6rem; text-align: right; border-bottom: 1px solid var(--line); vertical-align: top; white-space: nowrap; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: normal; }
th[scope=row] { text-align: left; font-weight: 600; }
th small { display: block; font-weight: 400; color: var(--soft); white-space: normal; min-width: 14rem; }
tr.own th, tr.own td { color: var(--spillway); }
footer { margin-top: 1.5rem; color: var(--soft); font-size: .85rem; max-width: 60rem; }
@media print { body { background: #fff; padding: 0; } figure, .tile, .numbers { break-inside: avoid; } }
`

const sweepFigure = (sweep: SweepResult): string => {
  const { atEdge, recommended } = sweep
  const note = atEdge
    ? "It lies at the end of what was tried: the best number may lie beyond."
    : "Of those that cost no more than 0.5 % above the cheapest, the one with the shortest wait."
  return figure(
    "How many PTUs, which wait",
    `Cheapest: ${recommended.ptus} PTUs with a longest wait of ${recommended.maxWaitMs / 1000} s, $${recommended.spillway.costPerHour.toFixed(2)} an hour. ${note}`,
    legend(Figures.sweepLines(sweep)) + Figures.sweep(sweep),
    true
  )
}

const robustnessFigures = (rows: ReadonlyArray<Row>): string =>
  [...new Set(rows.map((row) => row.windowSeconds))]
    .map((window) =>
      figure(
        `When things are not as expected, bucket of ${window} s`,
        "Each row changes one thing. Left is better; at 0 a policy does as well as one that sees the server.",
        Figures.robustness(rows, window)
      )
    )
    .join("")

/**
 * Writes the report.
 *
 * @since 0.1.0
 * @category rendering
 * @example
 * ```ts
 * import { Model } from "@spillway/emulator"
 * import { Comparison, Report, Scenario } from "@spillway/lab"
 *
 * const scenario: Scenario.Scenario = {
 *   ...Scenario.defaults,
 *   traffic: { _tag: "Synthetic", shape: "onoff" },
 *   model: Model.findOrGeneric("gpt-4o"),
 *   inputTokensPerMinutePerPtu: 2500,
 *   ptus: 1200
 * }
 *
 * import { Effect, Option } from "effect"
 *
 * // One HTML file, with everything it needs in it.
 * export const page = Effect.map(Comparison.run({ scenario, seeds: 5 }), ({ courses, result }) =>
 *   Report.render({ scenario, result, courses, sweep: Option.none(), robustness: Option.none() })
 * )
 * ```
 */
export const render = (content: Content): string => {
  const { courses, result, scenario } = content
  const { maxWaitMs } = scenario
  const facts = [
    `${result.ptus} PTUs of ${escape(result.model)}`,
    `${Math.round(result.requests)} requests`,
    result.seeds === 1 ? "1 seed" : `${result.seeds} seeds`,
    `interactive requests wait ${maxWaitMs.interactive / 1000} s at most, batch requests (${Math.round(100 * scenario.batchShare)} %) ${maxWaitMs.batch / 1000} s`
  ]
  const { inputPerMillion, outputPerMillion, ptuPerHour } = result.prices
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Spillway: ${escape(result.description)}</title>
<style>${styles}</style>
</head>
<body>
<main>
<header><h1>${escape(result.description)}</h1><p>${facts.join(" · ")}</p></header>
${tiles(result)}
${legend(Figures.lines)}
<div class="figures">
${Option.match(content.sweep, { onNone: () => "", onSome: sweepFigure })}
${figure("What goes to Standard", "Share of tokens, by policy; less is cheaper. The oracle sees the server's state: no client can do better.", Figures.standardShare(result))}
${figure("What Standard costs", `Dollars an hour, on top of $${(result.ptus * ptuPerHour).toFixed(2)} for the PTUs, which cost the same whatever they do.`, Figures.cost(result))}
${figure("Who waits", "Requests waiting at the client, first seed. A queue of batch requests is stock for the next lull.", Figures.queue(courses))}
${figure("How busy the PTUs are", "First seed. What idles was paid for.", Figures.utilisation(courses))}
${figure("How long interactive requests wait", "Share of requests that waited no longer than this, first seed.", Figures.waits(courses, "interactive", maxWaitMs.interactive))}
${figure("How long batch requests wait", "Share of requests that waited no longer than this, first seed.", Figures.waits(courses, "batch", maxWaitMs.batch))}
${Option.match(content.robustness, { onNone: () => "", onSome: robustnessFigures })}
</div>
<section class="numbers"><h2>All numbers</h2><p>Means over the seeds; ± is the 95 % interval of the paired difference to the oracle.</p>${numbers(result)}</section>
<footer>
<p>Simulated in virtual time with the library's own decisions against an emulated deployment; nothing was measured at Azure. All policies met the same arrivals, sizes, service times and faults.
Tokens are weighted as PTUs weigh them (an output token counts as ${scenario.model.outputWeight}). Late: the answered attempt was sent more than 100 ms after the longest wait.
Prices: $${inputPerMillion} and $${outputPerMillion} for a million tokens in and out at Standard, $${ptuPerHour} for a PTU hour.</p>
</footer>
</main>
</body>
</html>
`
}
