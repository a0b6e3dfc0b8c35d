/** The demo's results, for a person. */
import type { Call } from "@spillway/core"
import { Telemetry } from "@spillway/core"
import Table from "cli-table3"
import * as Arr from "effect/Array"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import * as CallReport from "../CallReport.js"
import * as SpanTree from "../SpanTree.js"
import type { Style } from "../Style.js"
import type { Result } from "./Burst.js"
import * as Summary from "./Summary.js"

const rows: ReadonlyArray<readonly [Call.Outcome, string]> = [
  ["served", "the PTUs, at once"],
  ["served_after_wait", "the PTUs, after a wait"],
  ["fallback", "Standard, as fallback"]
]

const borderless = {
  ...Object.fromEntries(
    ["top", "bottom", "left", "right", "mid"].flatMap((side) =>
      [side, `${side}-mid`, `${side}-left`, `${side}-right`].map((part) => [part, ""])
    )
  ),
  middle: "  "
}

const barWidth = 24

const table = (results: ReadonlyArray<Result>, style: Style): string => {
  const answered = Summary.answered(results)
  const table = new Table({
    head: ["Answered by", "calls", "", "wait: p50", "p95", "max"].map((title) =>
      title === "" ? "" : style.bold(title)
    ),
    colAligns: ["left", "right", "left", "right", "right", "right"],
    chars: borderless,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 }
  })
  const colours = { served: style.green, served_after_wait: style.yellow, fallback: style.blue }
  for (const [outcome, name] of rows) {
    const calls = answered.filter((call) => call.outcome === outcome)
    const bar = "█".repeat(Math.max(calls.length > 0 ? 1 : 0, Math.round((calls.length / results.length) * barWidth)))
    table.push([name, calls.length, colours[outcome](bar), ...waitCells(Summary.waits(calls))])
  }
  table.push(["all", answered.length, "", ...waitCells(Summary.waits(answered))])
  return table.toString()
}

const waitCells = ({ max, p50, p95 }: Summary.Waits): ReadonlyArray<string> => [p50, p95, max].map(CallReport.millis)

// The call with the fewest spans shows best what happened.
const example = (outcome: Call.Outcome, spans: ReadonlyArray<Tracer.Span>): Option.Option<Tracer.Span> => {
  const size = (root: Tracer.Span) => spans.filter((span) => span.traceId === root.traceId).length
  const [first] = spans
    .filter((span) => Option.isNone(span.parent) && span.attributes.get(Telemetry.attributes.outcome) === outcome)
    .toSorted((a, b) => size(a) - size(b))
  return Option.fromNullable(first)
}

/** Where a report is shown. */
export interface Page {
  readonly style: Style
  /** Columns. */
  readonly width: number
}

const tree = (title: string, outcome: Call.Outcome, spans: ReadonlyArray<Tracer.Span>, { style, width }: Page) =>
  Option.match(example(outcome, spans), {
    onNone: () => [],
    onSome: (root) => [
      "",
      style.bold(title),
      SpanTree.render(root, spans, { style, lineWidth: SpanTree.lineWidthOn(width) })
    ]
  })

/** The errors of the calls that failed, one kind to a line with how many there are: `RateLimited: 2 calls, the first: …`. */
export const failures = (results: ReadonlyArray<Result>): ReadonlyArray<string> => {
  const errors = results.flatMap((result) => (result._tag === "Unanswered" ? [result.error] : []))
  return Object.entries(Arr.groupBy(errors, ({ _tag }) => _tag)).map(
    ([tag, [first, ...others]]) =>
      `${tag}: ${others.length + 1} of ${results.length} calls, the first: ${first.message}`
  )
}

/** The report. */
export const render = (
  results: ReadonlyArray<Result>,
  spans: ReadonlyArray<Tracer.Span>,
  tookMs: number,
  page: Page
): string => {
  const { style } = page
  const { attempts, calls, failed, rateLimited } = Summary.make(results)
  const verdict = failed === 0 ? style.green("every one was answered") : style.red(`${failed} failed`)
  return [
    `${style.bold(`${calls} calls in ${(tookMs / 1000).toFixed(1)} s`)}: ${verdict}`,
    "",
    table(results, style),
    "",
    `${attempts} requests were sent; the PTUs had no room for ${rateLimited} of them (429).`,
    ...tree("A call that waited", "served_after_wait", spans, page),
    ...tree("A call that fell back", "fallback", spans, page),
    "",
    style.bold("Ask your own Azure resource"),
    "  export AZURE_OPENAI_ENDPOINT=https://YOUR-RESOURCE.openai.azure.com AZURE_OPENAI_API_KEY=YOUR-KEY",
    "  export PTU_DEPLOYMENT=YOUR-PTU-DEPLOYMENT STANDARD_DEPLOYMENT=YOUR-STANDARD-DEPLOYMENT",
    '  npx -y pnpm@12 spillway ask "What is provisioned throughput?"'
  ].join("\n")
}
