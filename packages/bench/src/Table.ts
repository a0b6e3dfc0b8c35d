/** A table: aligned for a terminal, or as markdown. */
import CliTable from "cli-table3"

/** The first column says what a row is about, all others are figures. */
export interface Table {
  readonly title: string
  readonly head: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
  /** What has to be known to read it. */
  readonly note?: string | undefined
}

const borderless = {
  ...Object.fromEntries(
    ["top", "bottom", "left", "right", "mid"].flatMap((side) =>
      [side, `${side}-mid`, `${side}-left`, `${side}-right`].map((part) => [part, ""])
    )
  ),
  middle: "  "
}

const notes = ({ note }: Table): ReadonlyArray<string> => (note === undefined ? [] : ["", note])

export const toText = (self: Table): string => {
  const table = new CliTable({
    head: [...self.head],
    colAligns: self.head.map((_, index) => (index === 0 ? "left" : "right")),
    chars: borderless,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 }
  })
  table.push(...self.rows.map((row) => [...row]))
  const lines = table.toString().split("\n")
  return [self.title, "", ...lines.map((line) => line.trimEnd()), ...notes(self)].join("\n")
}

const escaped = (cells: ReadonlyArray<string>): ReadonlyArray<string> =>
  cells.map((cell) => cell.replaceAll("|", "\\|"))

/** As the formatter would have it: every column as wide as its widest cell. */
export const toMarkdown = (self: Table): string => {
  const cells = [self.head, ...self.rows].map(escaped)
  const widths = self.head.map((_, column) => Math.max(4, ...cells.map((row) => row[column]?.length ?? 0)))
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  const line = (row: ReadonlyArray<string>): string => `| ${row.map(pad).join(" | ")} |`
  const [head = [], ...rows] = cells
  const rule = widths.map((width, column) => (column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`))
  return [`## ${self.title}`, "", line(head), line(rule), ...rows.map(line), ...notes(self)].join("\n")
}

/** A figure to three digits, thousands apart; nothing where there is none. */
export const figure = (value: number | undefined): string =>
  value === undefined
    ? ""
    : Math.abs(value) >= 100
      ? Math.round(value).toLocaleString("en-US")
      : value.toFixed(Math.abs(value) >= 10 ? 1 : 2)

/** Bytes, in KiB. */
export const kib = (bytes: number | undefined): string => figure(bytes === undefined ? undefined : bytes / 1024)
