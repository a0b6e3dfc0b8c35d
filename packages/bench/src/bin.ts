#!/usr/bin/env node
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { bench } from "./Command.js"
import * as Machine from "./Machine.js"

Command.run(bench, { name: "bench", version: Machine.version, executable: "bench" })(process.argv).pipe(
  Effect.provide([NodeContext.layer, CliConfig.layer({ showBuiltIns: false })]),
  NodeRuntime.runMain({ disablePrettyLogger: true })
)
