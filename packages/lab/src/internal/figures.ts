import * as Plot from "@observablehq/plot"
import { parseHTML } from "linkedom"
import type { Course, PolicyResult, Result } from "../Comparison.js"
import type { Class } from "../Request.js"
import type { Row } from "../Robustness.js"
import type { Result as SweepResult } from "../Sweep.js"

/**
 * The policies that are drawn as lines, with the CSS variable of their colour; all others are grey. The oracle's dashes lie on
 * top: where it runs with another, both are seen.
 */
export const lines = [
  { name: "spill at once", colour: "var(--spill)", dashed: false },
  { name: "published rule", colour: "var(--published)", dashed: false },
  { name: "spillway", colour: "var(--spillway)", dashed: false },
  { name: "oracle", colour: "var(--oracle)", dashed: true }
] as const

const colourOf = (name: string): string => lines.find((line) => line.name === name)?.colour ?? "var(--other)"

const width = 600

// The browser scales the figure and knows its colours: everything is drawn once, for light and dark alike.
const draw = (options: Plot.PlotOptions): string => {
  const { document } = parseHTML("<html><body></body></html>")
  return Plot.plot({
    document,
    width,
    marginLeft: 52,
    marginBottom: 38,
    style: { fontSize: "12px", fontFamily: "inherit", overflow: "visible" },
    ...options
  }).outerHTML
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

// Those that leave requests unanswered come last, whatever they save.
const order = (a: PolicyResult, b: PolicyResult): number =>
  Number(a.failedShare > 0.001) - Number(b.failedShare > 0.001) || a.standardTokenShare - b.standardTokenShare

interface Bar {
  readonly name: string
  readonly value: number
  readonly label: string
  readonly title: string
}

const bars = (data: ReadonlyArray<Bar>, label: string, bound: number): string => {
  const largest = Math.max(0, ...data.map((bar) => bar.value))
  return draw({
    height: 34 * data.length + 44,
    marginLeft: 150,
    // Room for the longest label, at the end of what may be the longest bar.
    marginRight: 20 + 7 * Math.max(...data.map((bar) => bar.label.length)),
    x: {
      label,
      labelAnchor: "center",
      labelArrow: "none",
      domain: [0, largest === 0 ? 1 : largest],
      ticks: 5,
      grid: true
    },
    y: { label: null, domain: data.map((bar) => bar.name), tickSize: 0, padding: 0.28 },
    marks: [
      Plot.barX(data, { x: "value", y: "name", fill: (bar: Bar) => colourOf(bar.name), rx2: 3, title: "title" }),
      Plot.ruleX([bound], { stroke: "var(--oracle)", strokeDasharray: "5 4" }),
      Plot.text(data, { x: "value", y: "name", text: "label", textAnchor: "start", dx: 6, fill: "currentColor" }),
      Plot.ruleX([0], { stroke: "currentColor", strokeOpacity: 0.4 })
    ]
  })
}

// What is not answered costs nothing; a bar should not sell that as thrift.
const failing = ({ failedShare }: PolicyResult): string => (failedShare > 0.001 ? `, ${percent(failedShare)} fail` : "")

/** Standard's share by policy, smallest first. */
export const standardShare = ({ oracle, policies }: Result): string =>
  bars(
    [...policies.toSorted(order), oracle].map((policy) => ({
      name: policy.name,
      value: 100 * policy.standardTokenShare,
      label: percent(policy.standardTokenShare) + failing(policy),
      title: `${policy.name}: ${percent(policy.standardTokenShare)} of tokens by Standard${failing(policy)}`
    })),
    "% of tokens sent to Standard",
    100 * oracle.standardTokenShare
  )

/** What Standard costs in an hour by policy. */
export const cost = ({ oracle, policies }: Result): string =>
  bars(
    [...policies.toSorted(order), oracle].map((policy) => ({
      name: policy.name,
      value: policy.standardCostPerHour,
      label: `$${policy.standardCostPerHour.toFixed(2)}${failing(policy)}`,
      title: `${policy.name}: $${policy.costPerHour.toFixed(2)} an hour, $${policy.standardCostPerHour.toFixed(2)} of it for Standard`
    })),
    "dollars an hour for Standard",
    oracle.standardCostPerHour
  )

const minutes = (ms: number): number => ms / 60_000

interface Dot {
  readonly name: string
  readonly x: number
  readonly y: number
}

const curves = (
  data: ReadonlyArray<Dot>,
  smooth: number,
  more: Partial<Plot.LineOptions> = {}
): ReadonlyArray<Plot.Markish> =>
  lines
    .filter(({ name }) => data.some((dot) => dot.name === name))
    .map(({ colour, dashed, name }) => {
      const own = data.filter((dot) => dot.name === name)
      const style = {
        x: "x",
        y: "y",
        stroke: colour,
        strokeWidth: name === "spillway" ? 2.6 : 1.6,
        ...(dashed ? { strokeDasharray: "4 5" } : {}),
        ...more
      }
      return Plot.line(own, smooth > 1 ? Plot.windowY({ k: smooth }, style) : style)
    })

const overTime = (
  courses: ReadonlyArray<Course>,
  of: (sample: Course["samples"][number]) => number,
  smooth: number,
  y: Plot.ScaleOptions
): string => {
  const drawn = courses.filter(({ name }) => lines.some((line) => line.name === name))
  const data = drawn.flatMap(({ name, samples }) =>
    samples.slice(1).map((sample): Dot => ({ name, x: minutes(sample.at), y: of(sample) }))
  )
  return draw({
    height: 260,
    x: { label: "minutes", labelAnchor: "center", labelArrow: "none" },
    y: { ...y, grid: true, labelArrow: "none" },
    marks: [...curves(data, smooth), Plot.ruleY([0], { stroke: "currentColor", strokeOpacity: 0.4 })]
  })
}

/** How many requests wait, over time. */
export const queue = (courses: ReadonlyArray<Course>): string =>
  overTime(courses, (sample) => sample.waiting, 3, { label: "requests waiting", nice: true })

/** How busy the PTUs are, over time. */
export const utilisation = (courses: ReadonlyArray<Course>): string =>
  overTime(courses, (sample) => 100 * sample.busy, 7, { label: "% of the time busy", domain: [0, 100] })

/** How long requests of a class wait: the share that waited no longer than so long. */
export const waits = (courses: ReadonlyArray<Course>, of: Class, budgetMs: number): string => {
  const data = courses
    .filter(({ name }) => lines.some((line) => line.name === name))
    .flatMap(({ name, waitQuantiles }) => {
      const quantiles = waitQuantiles[of]
      return quantiles.map((wait, step): Dot => ({
        name,
        x: wait / 1000,
        y: (100 * step) / Math.max(1, quantiles.length - 1)
      }))
    })
  const longest = Math.max(budgetMs / 1000, ...data.map((dot) => dot.x))
  return draw({
    height: 260,
    marginRight: 24,
    x: {
      label: "seconds waited",
      labelAnchor: "center",
      labelArrow: "none",
      domain: [0, longest * 1.02],
      clamp: true
    },
    y: { label: "% of requests", domain: [0, 100], grid: true, labelArrow: "none" },
    marks: [
      Plot.ruleX([budgetMs / 1000], { stroke: "currentColor", strokeOpacity: 0.5, strokeDasharray: "2 3" }),
      Plot.text([budgetMs / 1000], {
        x: (x: number) => x,
        y: 3,
        text: () => "longest wait",
        textAnchor: "end",
        dx: -5,
        fill: "currentColor",
        fillOpacity: 0.7
      }),
      ...curves(data, 1, { curve: "step-after" }),
      Plot.ruleY([0], { stroke: "currentColor", strokeOpacity: 0.4 })
    ]
  })
}

const waitLabel = (ms: number): string => `${ms / 1000} s`

/** Cost over PTUs, a curve for every wait, with the point to buy. */
export const sweep = ({ points, recommended }: SweepResult): string => {
  const waits = [...new Set(points.map((point) => point.maxWaitMs))].toSorted((a, b) => a - b)
  const shade = (ms: number): number => 0.35 + (0.65 * (waits.indexOf(ms) + 1)) / waits.length
  const several = new Set(points.map((point) => point.ptus)).size > 1
  const x = (point: SweepResult["points"][number]): number => (several ? point.ptus : point.maxWaitMs / 1000)
  const groups = several ? waits.map((wait) => points.filter((point) => point.maxWaitMs === wait)) : [points]
  const ends = groups.flatMap((group) => group.slice(-1))
  const atOnce = groups[0] ?? []
  const costs = points.flatMap((point) => [point.spillway.costPerHour, point.spillAtOnce.costPerHour])
  const margin = (Math.max(...costs) - Math.min(...costs)) * 0.12 || 1
  const title = (point: SweepResult["points"][number]): string =>
    `${point.ptus} PTUs, longest wait ${waitLabel(point.maxWaitMs)}: $${point.spillway.costPerHour.toFixed(2)} an hour, ${percent(point.spillway.standardTokenShare)} to Standard`
  return draw({
    height: 320,
    width: 2 * width + 40,
    marginLeft: 64,
    marginRight: several && waits.length > 1 ? 90 : 110,
    x: {
      label: several ? "PTUs" : "longest wait in seconds",
      labelAnchor: "center",
      labelArrow: "none",
      ...(several ? { ticks: [...new Set(points.map((point) => point.ptus))] } : {})
    },
    y: {
      label: "dollars an hour",
      labelArrow: "none",
      grid: true,
      domain: [Math.min(...costs) - margin, Math.max(...costs) + margin]
    },
    marks: [
      Plot.line(atOnce, {
        x,
        y: (point: SweepResult["points"][number]) => point.spillAtOnce.costPerHour,
        stroke: "var(--spill)",
        strokeDasharray: "6 4",
        strokeWidth: 1.8
      }),
      Plot.text(atOnce.slice(-1), {
        x,
        y: (point: SweepResult["points"][number]) => point.spillAtOnce.costPerHour,
        text: () => "spill at once",
        textAnchor: "start",
        dx: 8,
        dy: -8,
        fill: "var(--spill)"
      }),
      ...groups.map((group) =>
        Plot.line(group, {
          x,
          y: (point: SweepResult["points"][number]) => point.spillway.costPerHour,
          stroke: "var(--spillway)",
          strokeOpacity: shade(group[0]?.maxWaitMs ?? 0),
          strokeWidth: 2.4
        })
      ),
      Plot.dot(points, {
        x,
        y: (point: SweepResult["points"][number]) => point.spillway.costPerHour,
        r: 3.5,
        fill: "var(--spillway)",
        fillOpacity: (point: SweepResult["points"][number]) => shade(point.maxWaitMs),
        title
      }),
      Plot.text(waits.length > 1 && several ? ends : ends.slice(0, 1), {
        x,
        y: (point: SweepResult["points"][number]) => point.spillway.costPerHour,
        text: (point: SweepResult["points"][number]) =>
          waits.length > 1 && several ? `wait ${waitLabel(point.maxWaitMs)}` : "spillway",
        textAnchor: "start",
        dx: 8,
        fill: "var(--spillway)"
      }),
      Plot.dot([recommended], {
        x,
        y: recommended.spillway.costPerHour,
        r: 9,
        stroke: "var(--buy)",
        strokeWidth: 3,
        title
      }),
      Plot.text([recommended], {
        x,
        y: recommended.spillway.costPerHour,
        text: () =>
          `buy ${recommended.ptus} PTUs, wait ${waitLabel(recommended.maxWaitMs)}: $${recommended.spillway.costPerHour.toFixed(0)} an hour`,
        dy: -22,
        fill: "var(--buy)",
        fontWeight: 600
      })
    ]
  })
}

/** Standard's share in excess of the oracle's, for everything that may not be as expected. */
export const robustness = (rows: ReadonlyArray<Row>, windowSeconds: number): string => {
  const own = rows.filter((row) => row.windowSeconds === windowSeconds)
  const dots = own.flatMap(({ oracle, publishedRule, spillAtOnce, spillway, variant }) =>
    [spillAtOnce, publishedRule, spillway].map((policy) => ({
      variant,
      name: policy.name,
      x: 100 * (policy.standardTokenShare - oracle.standardTokenShare),
      title: `${variant}, ${policy.name}: ${percent(policy.standardTokenShare)}, oracle ${percent(oracle.standardTokenShare)}, ${policy.rejectedPerRequest.toFixed(3)} 429 per request`
    }))
  )
  return draw({
    height: 24 * own.length + 50,
    marginLeft: 150,
    marginRight: 20,
    x: {
      label: "points of Standard above the oracle",
      labelAnchor: "center",
      labelArrow: "none",
      grid: true,
      nice: true
    },
    y: { label: null, domain: own.map((row) => row.variant), tickSize: 0 },
    marks: [
      Plot.ruleX([0], { stroke: "currentColor", strokeOpacity: 0.4 }),
      Plot.ruleY(
        own.map((row) => row.variant),
        { stroke: "currentColor", strokeOpacity: 0.08 }
      ),
      Plot.dot(dots, {
        x: "x",
        y: "variant",
        r: (dot: (typeof dots)[number]) => (dot.name === "spillway" ? 6 : 4.5),
        fill: (dot: (typeof dots)[number]) => colourOf(dot.name),
        title: "title"
      })
    ],
    r: { type: "identity" }
  })
}
