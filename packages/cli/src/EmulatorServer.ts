/** The emulator behind a port of this machine, for any client that speaks Azure's protocol. */
import * as FileSystem from "@effect/platform/FileSystem"
import type { ServeError } from "@effect/platform/HttpServerError"
import { Emulator, EmulatorConfig, Model } from "@spillway/emulator"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { Misuse } from "./Failure.js"
import * as LoopbackServer from "./LoopbackServer.js"
import * as Style from "./Style.js"

type Problems = ReadonlyArray<string>

const readPort = (text: string): Either.Either<number, Problems> =>
  /^\d{1,5}$/.test(text) && Number(text) <= 65_535
    ? Either.right(Number(text))
    : Either.left([`--port: "${text}", expected a whole number from 0 to 65535`])

const reasons: Record<string, string> = {
  NotFound: "there is no such file",
  PermissionDenied: "this user may not read it",
  BadResource: "it is no file"
}

// Node quotes the text around the mistake, and there may be a key in it.
const withoutExcerpt = (message: string): string => message.replace(/,? (?:\.\.\.)?"[\s\S]*$/, "")

const readConfig = (file: string): Effect.Effect<EmulatorConfig.EmulatorConfig, Problems, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const text = yield* Effect.mapError(fs.readFileString(file), (error): Problems => [
      `--config: cannot read ${file}: ${error._tag === "SystemError" ? (reasons[error.reason] ?? error.reason) : error.message}`
    ])
    const json = yield* Either.try({
      try: () => JSON.parse(text) as unknown,
      catch: (error): Problems => [
        `--config: ${file} is not JSON${Predicate.isError(error) ? `: ${withoutExcerpt(error.message)}` : ""}`
      ]
    })
    return yield* Effect.mapError(EmulatorConfig.decode(json), ({ problems }): Problems =>
      problems.map(({ message, path }) => `--config: ${file}: ${path === "" ? "" : `${path}: `}${message}`)
    )
  })

const toMisuse =
  (port: number) =>
  (error: ServeError): Misuse => {
    const code = Predicate.hasProperty(error.cause, "code") ? error.cause.code : undefined
    const why =
      code === "EADDRINUSE"
        ? "in use by another program"
        : code === "EACCES"
          ? "reserved for the system"
          : `not to be had (${String(code)})`
    return new Misuse({ problems: [`--port: ${port} is ${why}, expected a free port; without --port one is found`] })
  }

const describe = (deployment: EmulatorConfig.Deployment): string => {
  switch (deployment.kind) {
    case "provisioned": {
      const ptus = deployment.ptus ?? Model.findOrGeneric(deployment.model).minimumPtus
      return `provisioned, ${ptus} PTUs of ${deployment.model}`
    }
    case "standard": {
      const quota = deployment.tokensPerMinute
      return `standard, ${quota === undefined ? "" : `${quota} tokens per minute of `}${deployment.model}`
    }
  }
}

const sample = (url: string, { apiKeys, deployments }: EmulatorConfig.EmulatorConfig): string =>
  [
    `curl ${url}/openai/v1/chat/completions \\`,
    `  -H 'api-key: ${apiKeys === undefined ? "any" : "KEY"}' -H 'content-type: application/json' \\`,
    `  -d '${JSON.stringify({ model: deployments[0]?.name, messages: [{ role: "user", content: "Hi" }] })}'`
  ].join("\n")

const announce = (config: EmulatorConfig.EmulatorConfig) =>
  Effect.gen(function* () {
    const { apiKeys, deployments } = config
    const url = yield* LoopbackServer.url
    const style = Style.stderr
    const width = Math.max(...deployments.map(({ name }) => name.length))
    yield* Console.log(url)
    yield* Console.error(
      [
        "",
        style.bold("Deployments"),
        ...deployments.map((deployment) => `  ${deployment.name.padEnd(width)}  ${describe(deployment)}`),
        "",
        style.bold("Try it"),
        sample(url, config),
        "",
        style.dim(
          `${apiKeys === undefined ? "Any key is accepted" : "The keys of the configuration are accepted"}. Ctrl-C ends it.`
        )
      ].join("\n")
    )
  })

/** Serves until interrupted. The first line on standard output is the URL. */
export const serve = (options: {
  readonly port: string
  readonly config: Option.Option<string>
}): Effect.Effect<void, Misuse, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const port = readPort(options.port)
    const config = yield* Effect.either(
      Option.match(options.config, { onNone: () => Effect.succeed(EmulatorConfig.defaults), onSome: readConfig })
    )
    if (Either.isLeft(port) || Either.isLeft(config)) {
      const problems = [Either.getLeft(port), Either.getLeft(config)].flatMap(Option.toArray).flat()
      return yield* new Misuse({ problems })
    }
    const Server = Layer.mapError(LoopbackServer.layer(port.right), toMisuse(port.right))
    yield* Effect.zipRight(announce(config.right), Effect.never).pipe(
      Effect.provide(Emulator.serve.pipe(Layer.provide(Emulator.layer(config.right)), Layer.provideMerge(Server)))
    )
  })
