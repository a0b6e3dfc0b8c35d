import * as Table from "../Table.js"
import type { Row } from "./Overhead.js"

const titles = [
  "Policy alone, over a deployment in memory",
  "A whole call of AzureOpenAI.chat, over an HTTP client in memory"
]

const note =
  "CPU is processor time of the process, garbage collection included, for one call that succeeds at once. Beyond: beyond the same spans, with the same attributes, around the same request without Spillway; the median of the differences within each round."

export const tables = (groups: ReadonlyArray<ReadonlyArray<Row>>): ReadonlyArray<Table.Table> =>
  groups.map((rows, index) => ({
    title: titles[index] ?? "",
    head: ["", "CPU us", "middle half", "beyond two spans us", "calls/s"],
    rows: rows.map(({ beyondUs, callsPerSecond, cpuUs, name, spreadUs: [low, high] }) => [
      name,
      Table.figure(cpuUs),
      `${Table.figure(low)}..${Table.figure(high)}`,
      Table.figure(beyondUs),
      Table.figure(callsPerSecond)
    ]),
    note
  }))
