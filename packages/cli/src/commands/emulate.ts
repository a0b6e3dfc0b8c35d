import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import type * as Help from "../Help.js"

const port = Options.text("port").pipe(
  Options.withPseudoName("N"),
  Options.withDescription("Port to listen on. Default 0: any that is free"),
  Options.withDefault("0")
)

const config = Options.text("config").pipe(
  Options.withPseudoName("FILE"),
  Options.withDescription("JSON file with the deployments to emulate. Default: gpt-4o-ptu and gpt-4o"),
  Options.optional
)

export const emulate = Command.make("emulate", { port, config }, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("../EmulatorServer.js")),
    ({ serve }) => serve(options)
  )
).pipe(Command.withDescription("Serve an emulated Azure OpenAI resource until interrupted"))

export const help: Help.Entry = { name: "emulate", descriptor: emulate.descriptor, notes: [] }
