import { assert, describe, it } from "@effect/vitest"
import * as Table from "../src/Table.js"

const table: Table.Table = {
  title: "Requests",
  head: ["", "requests/s", "p50 ms"],
  rows: [
    ["fetch", "1,200", "3.25"],
    ["a | b", "7", "12.0"]
  ],
  note: "On loopback."
}

describe("Table", () => {
  it("names stand left and figures right", () => {
    assert.deepStrictEqual(Table.toText(table).split("\n"), [
      "Requests",
      "",
      "       requests/s  p50 ms",
      "fetch       1,200    3.25",
      "a | b           7    12.0",
      "",
      "On loopback."
    ])
  })

  it("as markdown, a bar in a cell stays in its cell", () => {
    assert.deepStrictEqual(Table.toMarkdown(table).split("\n"), [
      "## Requests",
      "",
      "|        | requests/s | p50 ms |",
      "| ------ | ---------: | -----: |",
      "| fetch  |      1,200 |   3.25 |",
      "| a \\| b |          7 |   12.0 |",
      "",
      "On loopback."
    ])
  })

  it("figures have three digits", () => {
    assert.deepStrictEqual(
      [0.1234, 1.256, 12.34, 123.4, 12345.6, -2.345, undefined].map((value) => Table.figure(value)),
      ["0.12", "1.26", "12.3", "123", "12,346", "-2.35", ""]
    )
  })
})
