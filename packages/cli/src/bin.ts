#!/usr/bin/env node
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as CommandLine from "./CommandLine.js"
import * as Ask from "./commands/ask.js"
import * as Demo from "./commands/demo.js"
import * as Emulate from "./commands/emulate.js"
import * as Simulate from "./commands/simulate.js"
import * as Environment from "./Environment.js"
import { exitCode, Failed, Misuse } from "./Failure.js"
import * as Help from "./Help.js"
import * as Style from "./Style.js"
import { version } from "./Version.js"

const root = Command.make("spillway").pipe(
  Command.withSubcommands([Demo.demo, Ask.ask, Emulate.emulate, Simulate.simulate])
)
const run = Command.run(root, { name: "spillway", version, executable: "spillway" })

const entries = [Demo.help, Ask.help, Emulate.help, Simulate.help]
const about = {
  summary: "PTU first, Standard beyond your wait budget: calls to Azure OpenAI that wait out short throttles.",
  footer:
    "Without AZURE_OPENAI_ENDPOINT, `ask` is answered by an emulator: try `spillway demo` first, then `spillway ask --help`."
}

const help = (name: Option.Option<string>, style: Style.Style): string =>
  Option.match(
    Option.flatMapNullable(name, (name) => entries.find((entry) => entry.name === name)),
    {
      onNone: () => Help.program(entries, about, style),
      onSome: (entry) => Help.command(entry, style)
    }
  )

const complain = (problems: ReadonlyArray<string>, command: Option.Option<string>) =>
  Console.error(
    [
      ...problems.map((problem) => problem.replace(/^[^:]+:/, (name) => Style.stderr.red(name))),
      Style.stderr.dim(["See: spillway", ...Option.toArray(command), "--help"].join(" "))
    ].join("\n")
  ).pipe(Effect.as(exitCode.misuse))

const request = CommandLine.read(root.descriptor, process.argv.slice(2))

const failure = (cause: Cause.Cause<unknown>, command: Option.Option<string>): Effect.Effect<number> => {
  const error = Cause.squash(cause)
  if (error instanceof Misuse) return complain(error.problems, command)
  if (error instanceof Failed) return Effect.succeed(exitCode.failed)
  // It has said so itself.
  if (ValidationError.isValidationError(error)) return Effect.succeed(exitCode.misuse)
  return Effect.as(Console.error(`Unexpected: ${String(error)}`), exitCode.failed)
}

const program = CommandLine.Request.$match(request, {
  Help: ({ command }) => Effect.as(Console.log(help(command, Style.stdout)), exitCode.done),
  Version: () => Effect.as(Console.log(version), exitCode.done),
  Wrong: ({ command, problems }) => complain(problems, command),
  Run: ({ args, command }) =>
    run(["node", "spillway", ...args]).pipe(
      Effect.as<number>(exitCode.done),
      Effect.catchAllCause((cause) =>
        Cause.isInterruptedOnly(cause) ? Effect.failCause(cause) : failure(cause, Option.some(command))
      )
    )
})

// The emulator has no other end than an interrupt.
const interrupted =
  CommandLine.Request.$is("Run")(request) && request.command === "emulate" ? exitCode.done : exitCode.interrupted

// Whoever read the output has gone, as `head` does.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => process.exit(exitCode.failed))

program.pipe(
  // Standard output is for answers, and what the library logs at info the commands tell in their own words.
  Effect.provide([
    NodeContext.layer,
    Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger)),
    Logger.minimumLogLevel(LogLevel.Warning)
  ]),
  Effect.withConfigProvider(Environment.provider(process.env)),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    disablePrettyLogger: true,
    teardown: (exit, done) => done(Exit.isSuccess(exit) && Predicate.isNumber(exit.value) ? exit.value : interrupted)
  })
)
