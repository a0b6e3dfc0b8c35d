/** A span and those below it as text: an indented tree, when each began, how long it took, and a time line. */
import { Telemetry } from "@spillway/core"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import * as CallReport from "./CallReport.js"
import * as Style from "./Style.js"

interface Row {
  readonly span: Tracer.Span
  readonly label: string
  readonly began: bigint
  readonly ended: bigint
}

const times = ({ status }: Tracer.Span): { readonly began: bigint; readonly ended: bigint } => ({
  began: status.startTime,
  ended: status._tag === "Ended" ? status.endTime : status.startTime
})

const childrenOf = (parent: Tracer.Span, spans: ReadonlyArray<Tracer.Span>): ReadonlyArray<Tracer.Span> =>
  spans.filter((span) => Option.exists(span.parent, ({ spanId }) => spanId === parent.spanId))

const rowsOf = (
  span: Tracer.Span,
  spans: ReadonlyArray<Tracer.Span>,
  branch: string,
  indent: string
): ReadonlyArray<Row> => {
  const children = childrenOf(span, spans)
  return [
    { span, label: branch + span.name, ...times(span) },
    ...children.flatMap((child, index) =>
      index === children.length - 1
        ? rowsOf(child, spans, `${indent}└─ `, `${indent}   `)
        : rowsOf(child, spans, `${indent}├─ `, `${indent}│  `)
    )
  ]
}

const note = ({ attributes }: Tracer.Span): string => {
  const status = attributes.get("http.response.status_code")
  const hint = attributes.get(Telemetry.attributes.retryAfterMs)
  const outcome = attributes.get(Telemetry.attributes.outcome)
  return [
    ...(status === undefined ? [] : [String(status)]),
    ...(hint === undefined ? [] : [`retry after ${CallReport.millis(Number(hint))}`]),
    ...(outcome === undefined ? [] : [String(outcome).replaceAll("_", " ")])
  ].join(", ")
}

const millisBetween = (from: bigint, to: bigint): number => Number(to - from) / 1e6

/** How a tree is shown. */
export interface Options {
  readonly style: Style.Style
  /** Columns of the time line. Defaults to 32. */
  readonly lineWidth?: number
}

// A span too short for a column still gets one.
const timeLine = ({ began, ended, span }: Row, root: Row, { lineWidth = 32, style }: Options): string => {
  const total = Math.max(1, millisBetween(root.began, root.ended))
  const at = Math.min(lineWidth - 1, Math.floor((millisBetween(root.began, began) / total) * lineWidth))
  const length = Math.max(1, Math.min(lineWidth - at, Math.round((millisBetween(began, ended) / total) * lineWidth)))
  const rest = " ".repeat(lineWidth - at - length)
  const bar =
    span === root.span
      ? style.dim("─".repeat(length))
      : span.name === Telemetry.spans.wait
        ? style.yellow("░".repeat(length))
        : span.attributes.has(Telemetry.attributes.errorType)
          ? style.red("█".repeat(length))
          : style.green("█".repeat(length))
  return " ".repeat(at) + bar + rest
}

/** Renders `root` and whatever of `spans` is below it, one span to a line. */
export const render = (root: Tracer.Span, spans: ReadonlyArray<Tracer.Span>, options: Options): string => {
  const rows = rowsOf(root, spans, "", "")
  const [first] = rows
  if (first === undefined) return ""
  const cells = rows.map((row) => ({
    row,
    at: `+${Math.round(millisBetween(first.began, row.began))}`,
    took: CallReport.millis(millisBetween(row.began, row.ended))
  }))
  const labels = Math.max(...rows.map(({ label }) => label.length))
  const ats = Math.max(...cells.map(({ at }) => at.length))
  const tooks = Math.max(...cells.map(({ took }) => took.length))
  return cells
    .map(({ at, row, took }) =>
      [
        row.label.padEnd(labels),
        options.style.dim(at.padStart(ats)),
        took.padStart(tooks),
        timeLine(row, first, options),
        note(row.span)
      ]
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

// Columns of a tree besides its time line.
const treeWidth = 66

/** How wide the time lines may be on a page of some width. */
export const lineWidthOn = (width: number): number => Math.max(8, Math.min(32, width - treeWidth))

/** Renders every tree among `spans`, in order of their start, for standard error. */
export const renderAll = (spans: ReadonlyArray<Tracer.Span>): string => {
  const { stderr } = process
  const options = { style: Style.stderr, lineWidth: lineWidthOn(stderr.isTTY ? stderr.columns : 100) }
  const ids = new Set(spans.map(({ spanId }) => spanId))
  return spans
    .filter(({ parent }) => !Option.exists(parent, ({ spanId }) => ids.has(spanId)))
    .map((root) => render(root, spans, options))
    .join("\n\n")
}
