/**
 * The dashboard, built with Grafana's own types, so that what does not fit its schema does not compile. Its JSON is in
 * `compose/grafana/dashboards`: after a change, `vitest -u` writes it anew.
 */
import type { Builder } from "@grafana/grafana-foundation-sdk/cog"
import * as common from "@grafana/grafana-foundation-sdk/common"
import * as dashboard from "@grafana/grafana-foundation-sdk/dashboard"
import * as prometheus from "@grafana/grafana-foundation-sdk/prometheus"
import * as stat from "@grafana/grafana-foundation-sdk/stat"
import * as timeseries from "@grafana/grafana-foundation-sdk/timeseries"

interface Query {
  readonly expr: string
  readonly legend: string
}

interface Panel {
  readonly title: string
  /** What it shows, what is good, and what to do where it is not. */
  readonly description: string
  readonly unit: string
  readonly queries: ReadonlyArray<Query>
  readonly max?: number
  readonly stacked?: boolean
  /** A line to be under. */
  readonly limit?: number
}

const model = `model=~"$model"`
const genAiModel = `gen_ai_request_model=~"$model"`
const per = "[$__rate_interval]"

// Exporters differ in whether a histogram's name ends in its unit.
const histogram = (name: string, labels: string): string =>
  `rate({__name__=~"${name}(_seconds)?_bucket", ${labels}}${per})`

const quantile = (q: number, by: string, rate: string): string => `histogram_quantile(${q}, sum by (${by}) (${rate}))`

// A ratio of nothing to nothing is not shown.
const share = (part: string, whole: string): string => `${part} / (${whole} > 0)`

const calls = (labels: string): string => `sum(rate(spillway_calls_total{${labels}}${per}))`

/** Rows of panels, each as wide as the others in its row. */
export const rows: ReadonlyArray<{ readonly title: string; readonly panels: ReadonlyArray<Panel> }> = [
  {
    title: "Is it worth it?",
    panels: [
      {
        title: "Calls by outcome",
        description:
          "Calls per second. Green: the PTUs answered at once. Yellow: they did, after a wait. Blue: Standard did. Red: nobody did.",
        unit: "reqps",
        stacked: true,
        queries: [{ expr: `sum by (outcome) (rate(spillway_calls_total{${model}}${per}))`, legend: "{{outcome}}" }]
      },
      {
        title: "Fallback share",
        description:
          "The part of the calls that Standard answered. High all day: the PTUs are too few, or the maximum wait is too short. Zero all day: they are too many.",
        unit: "percentunit",
        max: 1,
        limit: 0.3,
        queries: [{ expr: share(calls(`outcome="fallback", ${model}`), calls(model)), legend: "share" }]
      },
      {
        title: "PTU utilisation",
        description:
          "How full admission believes each PTU deployment to be. At 1 Azure refuses. Near 1 is what you pay for; far below it under load is capacity unused. Compare with ProvisionedManagedUtilizationV2 of Azure Monitor, which is the truth.",
        unit: "percentunit",
        max: 1.2,
        queries: [{ expr: "max by (deployment) (spillway_utilization_estimate)", legend: "{{deployment}}" }]
      }
    ]
  },
  {
    title: "What do callers feel?",
    panels: [
      {
        title: "Latency p95 by outcome",
        description:
          "95 of 100 calls took no longer, waits and all attempts included. The distance from served to served_after_wait is what waiting costs; from there to fallback, what falling back gains or loses.",
        unit: "s",
        queries: [
          {
            expr: quantile(0.95, "outcome, le", histogram("gen_ai_client_operation_duration", genAiModel)),
            legend: "{{outcome}}"
          }
        ]
      },
      {
        title: "Wait p50, p95, p99",
        description:
          "How long calls waited for capacity, those that did not wait counted as 0. A p95 near the maximum wait: more of it ends in a fallback after a wait in vain.",
        unit: "s",
        limit: 3,
        queries: [0.5, 0.95, 0.99].map((q) => ({
          expr: quantile(q, "le", histogram("spillway_wait_duration", model)),
          legend: `p${q * 100}`
        }))
      },
      {
        title: "Time to first chunk p95",
        description:
          "Of streams: from the start of the call to its first output, waits included. Empty where nothing streams.",
        unit: "s",
        queries: [
          {
            expr: quantile(
              0.95,
              "gen_ai_request_model, le",
              histogram("gen_ai_client_operation_time_to_first_chunk", genAiModel)
            ),
            legend: "{{gen_ai_request_model}}"
          }
        ]
      }
    ]
  },
  {
    title: "What do the deployments do?",
    panels: [
      {
        title: "429 per request",
        description:
          "The part of the requests to each deployment that was refused for lack of capacity. Of a PTU under load, some is normal; with admission it is near 0. Of Standard, any is too much: there is no third place to go.",
        unit: "percentunit",
        max: 1,
        queries: [
          {
            expr: share(
              `sum by (deployment) (rate(spillway_attempts_total{status="429"}${per}))`,
              `sum by (deployment) (rate(spillway_attempts_total${per}))`
            ),
            legend: "{{deployment}}"
          }
        ]
      },
      {
        title: "Requests per call",
        description:
          "1 is a call answered by the first request. Well above 2: callers try again and again for capacity that is not there.",
        unit: "short",
        queries: [
          {
            expr: share(`sum(rate(spillway_attempts_total${per}))`, `sum(rate(spillway_calls_total${per}))`),
            legend: "requests"
          }
        ]
      },
      {
        title: "Request latency p95",
        description:
          "How long the deployments take for a single request, answered or not, without waits; of a stream, to its first output.",
        unit: "s",
        queries: [
          {
            expr: `histogram_quantile(0.95, sum by (deployment, le) (rate({__name__=~"spillway_attempt_duration(_seconds)?_bucket"}${per})))`,
            legend: "{{deployment}}"
          }
        ]
      },
      {
        title: "In flight and in line",
        description:
          "Requests under way at each deployment, and calls in line at the gate of those that have admission.",
        unit: "short",
        queries: [
          { expr: "sum by (deployment) (spillway_inflight)", legend: "{{deployment}}, in flight" },
          { expr: "sum by (deployment) (spillway_queue_depth)", legend: "{{deployment}}, in line" }
        ]
      }
    ]
  },
  {
    title: "What does it cost?",
    panels: [
      {
        title: "Tokens per second",
        description: "As the service reports them. Those of provisioned deployments are paid for already.",
        unit: "short",
        stacked: true,
        queries: [
          { expr: `sum by (kind, token_type) (rate(spillway_tokens_total${per}))`, legend: "{{kind}}, {{token_type}}" }
        ]
      },
      {
        title: "Cost of Standard per hour",
        description:
          "At the pace of the moment and the prices the deployments were given: an estimate, in US dollars. Beside it belongs the hourly price of the PTUs, which is fixed.",
        unit: "currencyUSD",
        queries: [{ expr: `sum by (deployment) (rate(spillway_cost_total${per})) * 3600`, legend: "{{deployment}}" }]
      },
      {
        title: "Admission's pace",
        description:
          "Tokens per second that admission sends at the moment. Falls after a refusal, climbs back while all goes well.",
        unit: "short",
        queries: [{ expr: "max by (deployment) (spillway_pace)", legend: "{{deployment}}" }]
      }
    ]
  }
]

const colours: Readonly<Record<string, string>> = {
  served: "green",
  served_after_wait: "yellow",
  fallback: "blue",
  failed: "red",
  interrupted: "gray"
}

const source = { type: "prometheus", uid: "prometheus" }

const query = ({ expr, legend }: Query, index: number): prometheus.DataqueryBuilder =>
  new prometheus.DataqueryBuilder()
    .refId(String.fromCodePoint(65 + index))
    .expr(expr)
    .legendFormat(legend)

const panel = (panel: Panel, width: number): Builder<dashboard.Panel> => {
  const built = new timeseries.PanelBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(source)
    .unit(panel.unit)
    .min(0)
    .height(8)
    .span(width)
    .lineWidth(2)
    .fillOpacity(panel.stacked === true ? 40 : 8)
    .showPoints(common.VisibilityMode.Never)
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom)
        .showLegend(true)
    )
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi))
    .overrides(
      Object.entries(colours).map(([outcome, fixedColor]) => ({
        matcher: { id: "byName", options: outcome },
        properties: [{ id: "color", value: { mode: "fixed", fixedColor } }]
      }))
    )
  panel.queries.forEach((each, index) => built.withTarget(query(each, index)))
  if (panel.max !== undefined) built.max(panel.max)
  if (panel.stacked === true) built.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal))
  if (panel.limit !== undefined) {
    built
      .thresholds(
        new dashboard.ThresholdsConfigBuilder().mode(dashboard.ThresholdsMode.Absolute).steps([
          { value: null, color: "transparent" },
          { value: panel.limit, color: "red" }
        ])
      )
      .thresholdsStyle(new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed))
  }
  return built
}

const totals: ReadonlyArray<Panel> = [
  {
    title: "Calls",
    description: "Calls that ended in the time shown.",
    unit: "short",
    queries: [{ expr: `sum(increase(spillway_calls_total{${model}}[$__range]))`, legend: "calls" }]
  },
  {
    title: "By the PTUs",
    description: "The part of the calls in the time shown that provisioned capacity answered.",
    unit: "percentunit",
    queries: [
      {
        expr: share(
          `sum(increase(spillway_calls_total{outcome=~"served.*", ${model}}[$__range]))`,
          `sum(increase(spillway_calls_total{${model}}[$__range]))`
        ),
        legend: "share"
      }
    ]
  },
  {
    title: "Failed",
    description: "Calls in the time shown that nobody answered.",
    unit: "short",
    queries: [{ expr: `sum(increase(spillway_calls_total{outcome="failed", ${model}}[$__range]))`, legend: "failed" }]
  },
  {
    title: "Cost of Standard",
    description:
      "What the tokens of Standard came to in the time shown, at the prices given: an estimate, in US dollars.",
    unit: "currencyUSD",
    queries: [{ expr: "sum(increase(spillway_cost_total[$__range]))", legend: "cost" }]
  }
]

const total = (panel: Panel): Builder<dashboard.Panel> => {
  const built = new stat.PanelBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(source)
    .unit(panel.unit)
    .height(4)
    .span(24 / totals.length)
    .graphMode(common.BigValueGraphMode.None)
    .colorMode(common.BigValueColorMode.None)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(["lastNotNull"]))
  panel.queries.forEach((each, index) => built.withTarget(query(each, index).instant()))
  return built
}

/** Every panel. */
export const panels: ReadonlyArray<Panel> = [...totals, ...rows.flatMap(({ panels }) => panels)]

/** The dashboard, as Grafana reads it. */
export const build = (): dashboard.Dashboard => {
  const builder = new dashboard.DashboardBuilder("Spillway")
    .uid("spillway")
    .description("What the PTUs are worth: who answers the calls, how long they wait, what Standard costs.")
    .tags(["azure-openai", "spillway"])
    .readonly()
    .refresh("10s")
    .time({ from: "now-1h", to: "now" })
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .withVariable(
      new dashboard.QueryVariableBuilder("model")
        .label("Model")
        .datasource(source)
        .query("label_values(spillway_calls_total, model)")
        .multi(true)
        .includeAll(true)
        .allValue(".*")
        .current({ selected: true, text: "All", value: "$__all" })
        .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
    )
  totals.forEach((each) => builder.withPanel(total(each)))
  for (const { panels, title } of rows) {
    builder.withRow(new dashboard.RowBuilder(title))
    panels.forEach((each) => builder.withPanel(panel(each, 24 / panels.length)))
  }
  return builder.build()
}
