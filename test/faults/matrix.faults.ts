import { afterAll, assert, describe, it } from "vitest"
import { rows } from "./rows/index.js"
import { clients } from "./support/clients.js"
import { play } from "./support/play.js"
import { endure, pressures } from "./support/pressure.js"
import type { ClientName } from "./support/row.js"
import type { Line } from "./support/table.js"
import { render } from "./support/table.js"

const table: Array<Line> = []

const unhandled: Array<unknown> = []
process.on("unhandledRejection", (reason) => unhandled.push(reason))

describe.each(Object.keys(clients) as ReadonlyArray<ClientName>)("faults over sockets, %s", (client) => {
  for (const row of rows) {
    it(row.fault, { timeout: 30_000 }, () => play(row, client, (line) => table.push(line)))
  }
  for (const row of pressures) {
    it(row.fault, { timeout: 70_000 }, () => endure(row, client, (line) => table.push(line)))
  }
})

afterAll(() => {
  process.stdout.write(render(table))
  assert.deepStrictEqual(unhandled, [])
})
