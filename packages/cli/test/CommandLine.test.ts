import { assert, describe, it } from "@effect/vitest"
import * as Command from "@effect/cli/Command"
import { Option } from "effect"
import * as CommandLine from "../src/CommandLine.js"
import { ask } from "../src/commands/ask.js"
import { demo } from "../src/commands/demo.js"
import { emulate } from "../src/commands/emulate.js"

const root = Command.make("spillway").pipe(Command.withSubcommands([demo, ask, emulate])).descriptor
const read = (...args: ReadonlyArray<string>) => CommandLine.read(root, args)

const Run = (command: string, ...args: ReadonlyArray<string>) =>
  CommandLine.Request.Run({ command, args: [command, ...args] })
const Wrong = (command: string | undefined, ...problems: ReadonlyArray<string>) =>
  CommandLine.Request.Wrong({ command: Option.fromNullable(command), problems })
const Help = (command?: string) => CommandLine.Request.Help({ command: Option.fromNullable(command) })

describe("CommandLine", () => {
  it("reads what a command takes from its own descriptor", () => {
    assert.deepStrictEqual(CommandLine.signature(ask.descriptor), {
      flags: [
        { name: "--system", value: Option.some("TEXT") },
        { name: "--stream", value: Option.none() },
        { name: "--json", value: Option.none() },
        { name: "--trace", value: Option.none() }
      ],
      operands: ["QUESTION"]
    })
  })

  it.each<[args: ReadonlyArray<string>, expected: CommandLine.Request]>([
    // Options before and after the question, with a space and with "=".
    [["ask", "why?"], Run("ask", "--", "why?")],
    [["ask", "why?", "--json", "--system", "be brief"], Run("ask", "--json", "--system=be brief", "--", "why?")],
    [["ask", "--system=a=b", "why?"], Run("ask", "--system=a=b", "--", "why?")],
    // What begins with a dash and is no option: a sentence, a number, whatever follows "--", the value of an option.
    [["ask", "- is this a dash?"], Run("ask", "--", "- is this a dash?")],
    [["ask", "--what is this?"], Run("ask", "--", "--what is this?")],
    [["ask", "-5"], Run("ask", "--", "-5")],
    [["ask", "--json", "--", "--json"], Run("ask", "--json", "--", "--json")],
    [["ask", "--system", "-x", "why?"], Run("ask", "--system=-x", "--", "why?")],
    [["ask", ""], Run("ask", "--", "")],
    [["demo"], Run("demo")],
    [["emulate", "--port", "80", "--config", "a b.json"], Run("emulate", "--port=80", "--config=a b.json")],
    [["--help"], Help()],
    [["-h"], Help()],
    [["help"], Help()],
    [["help", "ask"], Help("ask")],
    [["ask", "why?", "--help"], Help("ask")],
    [["--version"], CommandLine.Request.Version()]
  ])("understands %j", (args, expected) => {
    assert.deepStrictEqual(read(...args), expected)
  })

  it.each<[args: ReadonlyArray<string>, expected: CommandLine.Request]>([
    [[], Wrong(undefined, "no command: expected ask, demo, emulate")],
    [["aks", "why?"], Wrong(undefined, "aks: unknown command, expected ask, demo, emulate")],
    [["--json", "ask"], Wrong(undefined, "--json: unknown option, expected ask, demo, emulate")],
    // @effect/cli's own root is a command to it, not to the user.
    [["spillway"], Wrong(undefined, "spillway: unknown command, expected ask, demo, emulate")],
    [["ask"], Wrong("ask", "QUESTION: missing")],
    [["ask", "what", "is"], Wrong("ask", '"is": unexpected, put QUESTION in quotes if it has spaces')],
    [
      ["ask", "--sytem", "x", "y"],
      Wrong("ask", "--sytem: unknown option, ask takes --system TEXT, --stream, --json, --trace")
    ],
    [["ask", "--system"], Wrong("ask", "--system: without its value, expected --system TEXT")],
    [["ask", "--system", "--json", "y"], Wrong("ask", "--system: without its value, expected --system TEXT")],
    [["ask", "--json=yes", "y"], Wrong("ask", "--json: takes no value")],
    [["ask", "--json", "--json", "y"], Wrong("ask", "--json: given twice")],
    [["demo", "fast"], Wrong("demo", '"fast": unexpected, demo takes --json, --trace')],
    // All at once.
    [
      ["emulate", "--prot", "80", "--config", "--port=1", "--port=2"],
      Wrong(
        "emulate",
        "--prot: unknown option, emulate takes --port N, --config FILE",
        "--config: without its value, expected --config FILE",
        "--port: given twice"
      )
    ]
  ])("refuses %j, naming what is wrong", (args, expected) => {
    assert.deepStrictEqual(read(...args), expected)
  })
})
