import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import type * as Help from "../Help.js"

const json = Options.boolean("json").pipe(Options.withDescription("Print the numbers as one JSON object"))

const trace = Options.boolean("trace").pipe(
  Options.withDescription("Show on standard error what every call did when, as trees of spans")
)

export const demo = Command.make("demo", { json, trace }, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("../demo/Demo.js")),
    ({ run }) => run(options)
  )
).pipe(Command.withDescription("Watch a burst saturate the PTUs of an emulated resource"))

export const help: Help.Entry = { name: "demo", descriptor: demo.descriptor, notes: [] }
