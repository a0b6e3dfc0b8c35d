/** The lab's answers, for a person. */
import type { Comparison, Robustness, Scenario, Sweep } from "@spillway/lab"
import Table from "cli-table3"
import type { Style } from "../Style.js"

const borderless = {
  ...Object.fromEntries(
    ["top", "bottom", "left", "right", "mid"].flatMap((side) =>
      [side, `${side}-mid`, `${side}-left`, `${side}-right`].map((part) => [part, ""])
    )
  ),
  middle: "  "
}

type Row = ReadonlyArray<string>

// The first column says what a row is about, all others are numbers.
const table = (head: Row, rows: ReadonlyArray<Row>, style: Style): string => {
  const table = new Table({
    head: head.map((title) => (title === "" ? "" : style.bold(title))),
    colAligns: head.map((_, index) => (index === 0 ? "left" : "right")),
    chars: borderless,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 }
  })
  table.push(...rows.map((row) => [...row]))
  return table.toString()
}

const percent = (share: number, digits = 1): string => `${(100 * share).toFixed(digits)} %`

const points = (share: number): string => `${share < 0 ? "-" : "+"}${Math.abs(100 * share).toFixed(1)}`

const rejected = (perRequest: number): string => (perRequest < 1 ? perRequest.toFixed(3) : perRequest.toFixed(1))

const seconds = (ms: number): string => (ms < 10 ? "0 s" : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`)

const dollars = (amount: number): string => amount.toFixed(2)

const excess = ({ standardTokenShareCi, standardTokenShareExcess }: Comparison.PolicyResult): string =>
  standardTokenShareCi === null
    ? points(standardTokenShareExcess)
    : `${points(standardTokenShareExcess)} ± ${(100 * standardTokenShareCi).toFixed(1)}`

const policyRow =
  (style: Style) =>
  (policy: Comparison.PolicyResult): Row => [
    policy.name === "spillway" ? style.green(policy.name) : policy.name,
    percent(policy.standardTokenShare),
    policy.name === "oracle" ? "" : excess(policy),
    rejected(policy.rejectedPerRequest),
    percent(policy.ptuUtilisation),
    `${seconds(policy.waitMs.interactive.p50)} / ${seconds(policy.waitMs.interactive.p99)}`,
    `${seconds(policy.waitMs.batch.p50)} / ${seconds(policy.waitMs.batch.p99)}`,
    percent(policy.overBudgetShare, 2),
    percent(policy.failedShare, 2),
    dollars(policy.costPerHour)
  ]

/** Policies beside each other. */
export const comparison = (result: Comparison.Result, scenario: Scenario.Scenario, style: Style): string => {
  const { maxWaitMs } = scenario
  const { inputPerMillion, outputPerMillion, ptuPerHour } = result.prices
  return [
    style.bold(result.description),
    `${result.ptus} PTUs of ${result.model}, ${Math.round(result.requests)} requests, ${result.seeds} ${result.seeds === 1 ? "seed" : "seeds"}; ` +
      `interactive calls wait ${seconds(maxWaitMs.interactive)} at most, batch calls (${percent(scenario.batchShare, 0)}) ${seconds(maxWaitMs.batch)}`,
    "",
    table(
      [
        "",
        "Standard",
        "vs oracle",
        "429/call",
        "PTU busy",
        "interactive p50/p99",
        "batch p50/p99",
        "late",
        "failed",
        "$/hour"
      ],
      [...result.policies, result.oracle].map(policyRow(style)),
      style
    ),
    "",
    style.dim(
      [
        "Standard: share of tokens, as PTUs weigh them; vs oracle: points above it, with the 95 % interval over the seeds.",
        "Waits last until the attempt that is answered is sent; late: more than 100 ms beyond the longest wait.",
        `Prices: $${inputPerMillion} and $${outputPerMillion} for a million tokens in and out, $${ptuPerHour} for a PTU hour.`
      ].join("\n")
    )
  ].join("\n")
}

/** Numbers of PTUs and waits beside each other. */
export const sweep = ({ atEdge, points: all, recommended }: Sweep.Result, style: Style): string =>
  [
    style.bold("How many PTUs, which wait"),
    "",
    table(
      ["", "longest wait", "Standard", "spill at once", "PTU busy", "p50/p99", "$/hour", "spill at once", ""],
      all.map((point) => {
        const { spillAtOnce, spillway } = point
        return [
          `${point.ptus} PTUs`,
          seconds(point.maxWaitMs),
          percent(spillway.standardTokenShare),
          percent(spillAtOnce.standardTokenShare),
          percent(spillway.ptuUtilisation),
          `${seconds(spillway.waitMs.interactive.p50)} / ${seconds(spillway.waitMs.interactive.p99)}`,
          dollars(spillway.costPerHour),
          dollars(spillAtOnce.costPerHour),
          point === recommended ? style.green("<- buy") : ""
        ]
      }),
      style
    ),
    "",
    `Cheapest: ${recommended.ptus} PTUs with a longest wait of ${seconds(recommended.maxWaitMs)}, $${dollars(recommended.spillway.costPerHour)} an hour` +
      (atEdge ? "; it lies at the end of the range, so try beyond it." : ".")
  ].join("\n")

/** What becomes of the policies when things are not as expected. */
export const robustness = (rows: ReadonlyArray<Robustness.Row>, style: Style): string => {
  const windows = [...new Set(rows.map((row) => row.windowSeconds))]
  const cell = ({ rejectedPerRequest, standardTokenShare }: Comparison.PolicyResult): string =>
    `${(100 * standardTokenShare).toFixed(1)} (${rejected(rejectedPerRequest)})`
  return [
    style.bold("When things are not as expected: Standard's share of tokens in % (429s per request)"),
    ...windows.flatMap((window) => [
      "",
      table(
        [
          `bucket of ${window} s`,
          "oracle",
          "spillway",
          "vs oracle",
          "published rule",
          "spill at once",
          "late",
          "failed"
        ],
        rows
          .filter((row) => row.windowSeconds === window)
          .map((row) => {
            const behind = row.spillway.standardTokenShare > row.publishedRule.standardTokenShare + 0.005
            return [
              row.variant,
              (100 * row.oracle.standardTokenShare).toFixed(1),
              behind ? style.red(cell(row.spillway)) : style.green(cell(row.spillway)),
              excess(row.spillway),
              cell(row.publishedRule),
              cell(row.spillAtOnce),
              percent(row.spillway.overBudgetShare, 2),
              percent(row.spillway.failedShare, 2)
            ]
          }),
        style
      )
    ])
  ].join("\n")
}
