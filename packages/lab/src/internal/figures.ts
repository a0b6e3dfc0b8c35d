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
  // A fault now and then makes a wait far longer than the rest; what matters lies before the budget and shortly after it.
  const longest = Math.min(1.3 * (budgetMs / 1000), Math.max(budgetMs / 1000, ...data.map((dot) => dot.x))) || 1
  return draw({
    height: 260,
    marginRight: 24,
    x: {
      label: "seconds waited",
      labelAnchor: "center",
      labelArrow: "none",
      domain: [0, longest],
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

type Point = SweepResult["points"][number]

const waitsOf = ({ points }: SweepResult): ReadonlyArray<number> =>
  [...new Set(points.map((point) => point.maxWaitMs))].toSorted((a, b) => a - b)

// The longer the wait, the deeper the colour.
const opacity = (waits: ReadonlyArray<number>, ms: number): number =>
  waits.length === 1 ? 1 : 0.25 + (0.75 * waits.indexOf(ms)) / (waits.length - 1)

/** The curves of the sweep: what each is, its colour, how much of it, and whether it is dashed. */
export const sweepLines = (
  sweep: SweepResult
): ReadonlyArray<{
  readonly name: string
  readonly colour: string
  readonly opacity: number
  readonly dashed: boolean
}> => {
  const waits = waitsOf(sweep)
  const several = new Set(sweep.points.map((point) => point.ptus)).size > 1
  return [
    ...(several ? waits : waits.slice(-1)).map((wait) => ({
      name: several && waits.length > 1 ? `spillway, longest wait ${wait / 1000} s` : "spillway",
      colour: "var(--spillway)",
      opacity: opacity(waits, wait),
      dashed: false
    })),
    { name: "spill at once", colour: "var(--spill)", opacity: 1, dashed: true }
  ]
}

/** Cost over PTUs, a curve for every wait, with the point to buy; over waits, if there is but one number of PTUs. */
export const sweep = (result: SweepResult): string => {
  const { points, recommended } = result
  const waits = waitsOf(result)
  const ptus = [...new Set(points.map((point) => point.ptus))].toSorted((a, b) => a - b)
  const several = ptus.length > 1
  const x = (point: Point): number => (several ? point.ptus : point.maxWaitMs / 1000)
  const own = (point: Point): number => point.spillway.costPerHour
  const atOnce = (point: Point): number => point.spillAtOnce.costPerHour
  const groups = several ? waits.map((wait) => points.filter((point) => point.maxWaitMs === wait)) : [points]
  const costs = points.flatMap((point) => [own(point), atOnce(point)])
  const [low, high] = [Math.min(...costs), Math.max(...costs)]
  const margin = (high - low) * 0.15 || 1
  const places = several ? ptus : waits
  const place = places.indexOf(several ? recommended.ptus : recommended.maxWaitMs) / Math.max(1, places.length - 1)
  const title = (point: Point): string =>
    `${point.ptus} PTUs, longest wait ${point.maxWaitMs / 1000} s: $${own(point).toFixed(2)} an hour, ${percent(point.spillway.standardTokenShare)} to Standard`
  return draw({
    height: 340,
    width: 2 * width + 40,
    marginLeft: 64,
    x: {
      label: several ? "PTUs" : "longest wait in seconds",
      labelAnchor: "center",
      labelArrow: "none",
      ...(several ? { ticks: ptus } : {})
    },
    y: { label: "dollars an hour", labelArrow: "none", grid: true, domain: [low - margin, high + margin] },
    marks: [
      ...groups.map((group) =>
        Plot.line(group, {
          x,
          y: own,
          stroke: "var(--spillway)",
          strokeOpacity: several ? opacity(waits, group[0]?.maxWaitMs ?? 0) : 1,
          strokeWidth: 2.4
        })
      ),
      Plot.dot(points, {
        x,
        y: own,
        r: 3.5,
        fill: "var(--spillway)",
        fillOpacity: (point: Point) => (several ? opacity(waits, point.maxWaitMs) : 1),
        title
      }),
      Plot.line(groups[0] ?? [], {
        x,
        y: atOnce,
        stroke: "var(--spill)",
        strokeDasharray: "6 4",
        strokeWidth: 1.8
      }),
      Plot.dot([recommended], { x, y: own, r: 9, stroke: "var(--buy)", strokeWidth: 3, title }),
      Plot.text([recommended], {
        x,
        y: own,
        text: (point: Point) =>
          `buy ${point.ptus} PTUs, wait ${point.maxWaitMs / 1000} s: $${own(point).toFixed(2)} an hour`,
        textAnchor: place < 0.25 ? "start" : place > 0.75 ? "end" : "middle",
        lineAnchor: "top",
        dy: 16,
        fontSize: 14,
        fontWeight: 600,
        fill: "var(--buy)",
        stroke: "var(--card)",
        strokeWidth: 5
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
    insetLeft: 8,
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
