import { assert, describe, it } from "@effect/vitest"
import * as Ask from "../src/commands/ask.js"
import * as Demo from "../src/commands/demo.js"
import * as Emulate from "../src/commands/emulate.js"
import * as Help from "../src/Help.js"
import { plain } from "../src/Style.js"

describe("Help", () => {
  it("shows a command: what it does, how it is called, each option, its variables", () => {
    const [description, blank, usage, , question, system, stream, json, trace, help, , title, ...variables] =
      Help.command(Ask.help, plain).split("\n")

    assert.deepStrictEqual(
      [description, blank, usage, question, system, stream, json, trace, help, title],
      [
        "Ask once: PTU first, Standard beyond your wait budget",
        "",
        "Usage  spillway ask QUESTION [--system TEXT] [--stream] [--json] [--trace]",
        "  QUESTION       What to ask, in quotes",
        "  --system TEXT  Instructions to the model, put before the question",
        "  --stream       Print the answer while it is written",
        "  --json         Print the answer and how it came about as one JSON object",
        "  --trace        Show on standard error what the call did when, as a tree of spans",
        "  --help         Show this",
        "Environment"
      ]
    )
    assert.deepStrictEqual(
      variables.map((line) => line.trim().split(/\s/)[0]),
      [
        "AZURE_OPENAI_ENDPOINT",
        "AZURE_OPENAI_API_KEY",
        "PTU_DEPLOYMENT",
        "STANDARD_DEPLOYMENT",
        "STANDARD_ENDPOINT",
        "STANDARD_API_KEY",
        "AZURE_OPENAI_API_VERSION",
        "PTU_MAX_WAIT",
        "MAX_RETRIES",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_PROMETHEUS_PORT"
      ]
    )
  })

  it("shows every command in columns, and no line is wider than a terminal", () => {
    const all = Help.program([Demo.help, Ask.help, Emulate.help], { summary: "Summary.", footer: "Footer." }, plain)

    assert.match(all, /^Summary\.\n\nUsage {2}spillway COMMAND\n\n {2}demo \[--json\] \[--trace\] {37}\w/)
    assert.match(all, /\n {2}ask QUESTION \[--system TEXT\] \[--stream\] \[--json\] \[--trace\] {2}\w/)
    assert.match(all, /\n {2}emulate \[--port N\] \[--config FILE\] {26}\w/)
    assert.match(all, /\n\nFooter\.$/)
    for (const text of [all, ...[Demo.help, Ask.help, Emulate.help].map((entry) => Help.command(entry, plain))]) {
      for (const line of text.split("\n")) assert.isAtMost(line.length, 120, line)
    }
  })
})
