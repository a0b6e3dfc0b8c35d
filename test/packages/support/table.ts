import { Console } from "node:console"

/** Prints rows as a table, on the runner's own output. */
export const printTable = (rows: ReadonlyArray<Readonly<Record<string, string | number>>>): void =>
  new Console(process.stdout).table(rows)
