#!/usr/bin/env node
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Machine from "./Machine.js"
import * as Overhead from "./overhead/Overhead.js"
import * as OverheadReport from "./overhead/Report.js"
import * as Table from "./Table.js"

const quick = Options.boolean("quick").pipe(Options.withDescription("Fewer and shorter rounds: for a first look"))

const parts = Args.choice([["overhead", "overhead"]], { name: "PART" }).pipe(
  Args.withDescription("What to measure. Default: everything"),
  Args.repeated
)

const bench = Command.make("bench", { parts, quick }, ({ quick }) =>
  Effect.gen(function* () {
    yield* Effect.forEach(Machine.describe(), (line) => Console.log(line))
    const turn = (round: number, name: string) =>
      Console.error(`overhead: ${round < 0 ? "warm-up" : `round ${round + 1}`}, ${name}`)
    const groups = yield* Overhead.run(
      quick
        ? { rounds: 5, warmUp: 1, settle: 1500, turnMs: 100, onTurn: turn }
        : { rounds: 11, warmUp: 1, settle: 4000, turnMs: 150, onTurn: turn }
    )
    for (const table of OverheadReport.tables(groups)) yield* Console.log(`\n${Table.toText(table)}`)
  })
)

Command.run(bench, { name: "bench", version: Machine.version })(process.argv).pipe(
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain
)
