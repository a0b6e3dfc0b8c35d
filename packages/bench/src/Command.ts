/** The command: which parts, which rows, and where the results go. */
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { fileURLToPath } from "node:url"
import type { Definition } from "./clients/Client.js"
import * as Clients from "./clients/Clients.js"
import * as Machine from "./Machine.js"
import * as Overhead from "./overhead/Part.js"
import type { Part } from "./Part.js"
import * as Progress from "./Progress.js"
import * as Report from "./Report.js"
import * as Requests from "./requests/Part.js"
import * as Size from "./size/Part.js"
import * as Startup from "./startup/Part.js"
import * as Table from "./Table.js"

/** In the order they run and are told. */
export const all: ReadonlyArray<Part> = [Requests.requests, Requests.streaming, Overhead.part, Startup.part, Size.part]

const invalid = (message: string) => Effect.fail(ValidationError.invalidValue(HelpDoc.p(message)))

const words = (text: string): ReadonlyArray<string> => text.split(",").map((word) => word.trim())

const clientsOf = (text: string): Effect.Effect<ReadonlyArray<Definition>, ValidationError.ValidationError> => {
  const ids = words(text)
  const unknown = ids.filter((id) => !Clients.all.some((client) => client.id === id))
  return unknown.length > 0
    ? invalid(`--rows: ${unknown.join(", ")}: expected some of ${Clients.all.map(({ id }) => id).join(",")}`)
    : Effect.succeed(Clients.all.filter(({ id }) => ids.includes(id)))
}

const numbersOf = (text: string): Effect.Effect<ReadonlyArray<number>, ValidationError.ValidationError> => {
  const bad = words(text).filter((word) => !/^[1-9]\d{0,3}$/.test(word))
  return bad.length > 0
    ? invalid(`--concurrency: ${JSON.stringify(bad[0])}: expected whole numbers from 1 to 9999, such as 1,64,1000`)
    : Effect.succeed(words(text).map(Number))
}

const options = {
  quick: Options.boolean("quick").pipe(Options.withDescription("A first look, in about a minute")),
  rows: Options.text("rows").pipe(
    Options.withPseudoName("ids"),
    Options.withDescription(`Which clients, of ${Clients.all.map(({ id }) => id).join(",")}. Default: all`),
    Options.mapEffect(clientsOf),
    Options.optional
  ),
  concurrency: Options.text("concurrency").pipe(
    Options.withPseudoName("numbers"),
    Options.withDescription("How many requests at a time. Default: 1,64,1000"),
    Options.mapEffect(numbersOf),
    Options.optional
  ),
  out: Options.text("out").pipe(
    Options.withPseudoName("file"),
    Options.withDescription(
      "Write the tables there, as markdown. Default: results/VERSION.md of this package, for a run of everything"
    ),
    Options.optional
  ),
  parts: Args.choice(
    all.map((part): [string, Part] => [part.name, part]),
    { name: "part" }
  ).pipe(
    Args.withDescription(
      `What to measure: ${all.map(({ about, name }) => `${name} (${about})`).join(", ")}. Default: all`
    ),
    Args.repeated
  )
}

const results = fileURLToPath(new URL(`../results/${Machine.version}.md`, import.meta.url))

export const bench = Command.make("bench", options, ({ concurrency, out, parts, quick, rows }) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const about = Machine.describe(new Date(yield* Clock.currentTimeMillis))
    const progress = Progress.make(process.stderr)
    const settings = {
      quick,
      clients: Option.getOrElse(rows, () => Clients.all),
      concurrency: Option.getOrUndefined(concurrency),
      progress
    }
    // What is committed is a whole run, or nothing.
    const whole = !quick && parts.length === 0 && Option.isNone(rows) && Option.isNone(concurrency)
    const file = Option.orElse(out, () => (whole ? Option.some(results) : Option.none()))
    // Before anything is measured, so that no run is lost for want of a place.
    if (Option.isSome(file)) yield* fs.makeDirectory(path.dirname(path.resolve(file.value)), { recursive: true })
    yield* Console.log(about.join("\n"))
    const show = (table: Table.Table) => Console.log(`\n${Table.toText(table)}`)
    const measured = yield* Effect.forEach(parts.length === 0 ? all : parts, (part) =>
      part.run(settings).pipe(
        Effect.ensuring(Progress.clear(process.stderr)),
        Effect.tap(({ tables }) => Effect.forEach(tables, show))
      )
    )
    const goals = Report.goals(measured)
    yield* Effect.forEach(goals, show)
    if (Option.isSome(file)) {
      yield* fs.writeFileString(
        file.value,
        Report.toMarkdown(Machine.version, about, [...goals, ...measured.flatMap(({ tables }) => tables)])
      )
      yield* Console.error(`\nWritten to ${file.value}`)
    }
  })
).pipe(Command.withDescription("What a call costs, beside the clients people use today"))
