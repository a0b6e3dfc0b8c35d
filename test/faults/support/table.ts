const heads = [
  "fault",
  "client",
  "answered by, or error",
  "PTU",
  "Std",
  "ms",
  "budget",
  "late",
  "gone after",
  "left open"
]
const legend = `
late: how long the machine kept the process waiting, ms; that comes on top of the budget, as does what a row stalls.
gone after: how long what was given up kept a connection, ms; kept: its reply was complete, so the next call may use it.
left open: connections while the client lives; once it is released, at the servers and at the client; fibers.
`

export interface Line {
  readonly fault: string
  readonly client: string
  /** What each row says after its fault and client. */
  readonly cells: ReadonlyArray<string>
}

/** One line for each fault and client, a fault's own beside each other. */
export const render = (table: ReadonlyArray<Line>): string => {
  const faults = [...new Set(table.map(({ fault }) => fault))]
  const lines = [
    heads,
    ...faults.flatMap((fault) =>
      table
        .filter((line) => line.fault === fault)
        .map(({ cells, client }, n) => [n === 0 ? fault : "", client, ...cells])
    )
  ]
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  const text = (cell: string, column: number): string =>
    column < 3 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  return `\n${lines.map((line) => line.map(text).join("  ").trimEnd()).join("\n")}\n${legend}`
}
