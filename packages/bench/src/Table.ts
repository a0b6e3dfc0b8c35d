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

const line = (cells: ReadonlyArray<string>): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`

export const toMarkdown = (self: Table): string =>
  [
    `## ${self.title}`,
    "",
    line(self.head),
    line(self.head.map((_, index) => (index === 0 ? "---" : "---:"))),
    ...self.rows.map(line),
    ...notes(self)
  ].join("\n")

/** A figure to three digits, thousands apart; nothing where there is none. */
export const figure = (value: number | undefined): string =>
  value === undefined
    ? ""
    : Math.abs(value) >= 100
      ? Math.round(value).toLocaleString("en-US")
      : value.toFixed(Math.abs(value) >= 10 ? 1 : 2)

/** Bytes, in KiB. */
export const kib = (bytes: number | undefined): string => figure(bytes === undefined ? undefined : bytes / 1024)
