/** The environment variables, as Config. Whatever is wrong with them is told at once, each problem by the name of its variable. */
import { Endpoint } from "@spillway/azure-openai"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Misuse } from "./Failure.js"

/** The Azure OpenAI resource to ask, or the two of them. */
export interface Resource {
  readonly endpoint: URL
  readonly apiKey: Redacted.Redacted
  readonly standardEndpoint: URL
  readonly standardApiKey: Redacted.Redacted
  readonly apiVersion: string | undefined
}

/** Where spans and metrics go. */
export interface Exports {
  readonly serviceName: string
  /** The base URL of an OTLP/HTTP collector. */
  readonly otlp: URL | undefined
  /** Where Prometheus scrapes. */
  readonly prometheus: { readonly host: string; readonly port: number } | undefined
}

/** Everything `ask` is told by its environment. */
export interface Settings {
  /** None: no endpoint is set. */
  readonly resource: Option.Option<Resource>
  readonly ptuDeployment: string
  readonly standardDeployment: string
  readonly maxWait: Duration.Duration
  readonly maxRetries: number
  /** None: spans and metrics go nowhere. */
  readonly exports: Option.Option<Exports>
}

type Names = readonly [string, ...ReadonlyArray<string>]

const endpointNames: Names = ["AZURE_OPENAI_ENDPOINT", "OPENAI_API_BASE"]
const keyNames: Names = ["AZURE_OPENAI_API_KEY", "OPENAI_API_KEY", "OPEN_API_KEY"]

// The first of several variables that is set.
const firstOf = ([name, ...others]: Names): Config.Config<Option.Option<readonly [name: string, value: string]>> =>
  Config.all([name, ...others].map((name) => Config.option(Config.string(name)))).pipe(
    Config.map((values) =>
      Option.firstSomeOf(
        values.map((value, index) =>
          Option.map(value, (text) => [[name, ...others][index] ?? name, text.trim()] as const)
        )
      )
    )
  )

type Parse<A> = (text: string) => Either.Either<A, string>

const optional = <A>(names: Names, parse: Parse<A>): Config.Config<Option.Option<A>> =>
  Config.mapOrFail(
    firstOf(names),
    Option.match({
      onNone: () => Either.right(Option.none<A>()),
      onSome: ([name, text]) =>
        Either.mapBoth(parse(text), {
          onLeft: (problem) => ConfigError.InvalidData([name], problem),
          onRight: Option.some
        })
    })
  )

const required = <A>(names: Names, parse: Parse<A>, expected: string): Config.Config<A> =>
  Config.mapOrFail(optional(names, parse), (value) => {
    const [name, ...others] = names
    const nor = others.length === 0 ? "" : ` (nor ${others.join(", ")})`
    return Either.fromOption(value, () => ConfigError.MissingData([name], `not set${nor}: expected ${expected}`))
  })

const anyText: Parse<string> = Either.right

const endpoint: Parse<URL> = Endpoint.parse

// A header takes printable ASCII only, and a key that was copied with more is not said back.
const key: Parse<Redacted.Redacted> = (text) =>
  /^[\x21-\x7e]+$/.test(text)
    ? Either.right(Redacted.make(text))
    : Either.left("holds a space, a line break or a special character: expected a key of the resource")

const apiVersion: Parse<string> = (text) =>
  /^\d{4}-\d{2}-\d{2}(-preview)?$/.test(text)
    ? Either.right(text)
    : Either.left(`"${text}": expected a date such as 2024-10-21 or 2025-04-01-preview, or no value for the v1 API`)

const count =
  (expected: string): Parse<number> =>
  (text) =>
    /^\d{1,9}$/.test(text) ? Either.right(Number(text)) : Either.left(`"${text}": expected ${expected}`)

const port: Parse<number> = (text) =>
  /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535
    ? Either.right(Number(text))
    : Either.left(`"${text}": expected a port, from 1 to 65535, such as 9464`)

const exportsConfig: Config.Config<Option.Option<Exports>> = Config.all({
  otlp: optional(["OTEL_EXPORTER_OTLP_ENDPOINT"], (text) =>
    /^https?:\/\//i.test(text) && URL.canParse(text)
      ? Either.right(new URL(text))
      : Either.left(`"${text}": expected the URL of an OTLP/HTTP collector, such as http://localhost:4318`)
  ),
  port: optional(["OTEL_EXPORTER_PROMETHEUS_PORT"], port),
  host: optional(["OTEL_EXPORTER_PROMETHEUS_HOST"], anyText),
  serviceName: Config.map(
    optional(["OTEL_SERVICE_NAME"], anyText),
    Option.getOrElse(() => "spillway")
  )
}).pipe(
  Config.map(({ host, otlp, port, serviceName }) =>
    Option.isNone(otlp) && Option.isNone(port)
      ? Option.none()
      : Option.some({
          serviceName,
          otlp: Option.getOrUndefined(otlp),
          prometheus: Option.getOrUndefined(
            Option.map(port, (port) => ({ port, host: Option.getOrElse(host, () => "127.0.0.1") }))
          )
        })
  )
)

const common = {
  maxWait: optional(["PTU_MAX_WAIT"], count("milliseconds, a whole number from 0, such as 4000")).pipe(
    Config.map((millis) => Duration.millis(Option.getOrElse(millis, () => 4000)))
  ),
  maxRetries: optional(["MAX_RETRIES"], count("a number of retries, a whole number from 0, such as 2")).pipe(
    Config.map(Option.getOrElse(() => 2))
  ),
  exports: exportsConfig
}

const deployment = (name: string, fallback: string): Config.Config<string> =>
  Config.map(
    optional([name], anyText),
    Option.getOrElse(() => fallback)
  )

const resource: Config.Config<Resource> = Config.all({
  endpoint: required(endpointNames, endpoint, "the URL of an Azure OpenAI resource"),
  apiKey: required(keyNames, key, "a key of the resource"),
  standardEndpoint: optional(["STANDARD_ENDPOINT"], endpoint),
  standardApiKey: optional(["STANDARD_API_KEY"], key),
  apiVersion: optional(["AZURE_OPENAI_API_VERSION"], apiVersion)
}).pipe(
  Config.map(({ apiKey, apiVersion, endpoint, standardApiKey, standardEndpoint }) => ({
    endpoint,
    apiKey,
    standardEndpoint: Option.getOrElse(standardEndpoint, () => endpoint),
    standardApiKey: Option.getOrElse(standardApiKey, () => apiKey),
    apiVersion: Option.getOrUndefined(apiVersion)
  }))
)

const distinct = (settings: Settings): Either.Either<Settings, ConfigError.ConfigError> =>
  settings.ptuDeployment === settings.standardDeployment &&
  !Option.exists(settings.resource, (resource) => resource.endpoint.href !== resource.standardEndpoint.href)
    ? Either.left(
        ConfigError.InvalidData(
          ["STANDARD_DEPLOYMENT"],
          `"${settings.standardDeployment}", the same as PTU_DEPLOYMENT: expected another deployment, or STANDARD_ENDPOINT`
        )
      )
    : Either.right(settings)

const embedded: Config.Config<Settings> = Config.all({
  resource: Config.succeed(Option.none<Resource>()),
  ptuDeployment: deployment("PTU_DEPLOYMENT", "gpt-4o-ptu"),
  standardDeployment: deployment("STANDARD_DEPLOYMENT", "gpt-4o"),
  ...common
}).pipe(Config.mapOrFail(distinct))

const azure: Config.Config<Settings> = Config.all({
  resource: Config.map(resource, Option.some),
  ptuDeployment: required(["PTU_DEPLOYMENT"], anyText, "the name of the provisioned deployment"),
  standardDeployment: required(["STANDARD_DEPLOYMENT"], anyText, "the name of the Standard deployment"),
  ...common
}).pipe(Config.mapOrFail(distinct))

const problems = (error: ConfigError.ConfigError): ReadonlyArray<string> => {
  switch (error._op) {
    case "And":
    case "Or":
      return [...problems(error.left), ...problems(error.right)]
    default:
      return [`${error.path.join("_")}: ${error.message}`]
  }
}

/** Everything that is wrong with a configuration. */
export const toMisuse = (error: ConfigError.ConfigError): Misuse => new Misuse({ problems: problems(error) })

/** What `ask` is told. With an endpoint set, deployments and key are required; without one, every setting has a default. */
export const settings: Effect.Effect<Settings, Misuse> = Effect.flatMap(firstOf(endpointNames), (set) =>
  Option.isSome(set) ? azure : embedded
).pipe(Effect.mapError(toMisuse))

/** Where spans and metrics go, for commands that read nothing else. */
export const exports: Effect.Effect<Option.Option<Exports>, Misuse> = Effect.mapError(exportsConfig, toMisuse)

/** The variables of a process. One that is blank counts as not set, as a shell's `VARIABLE=` means it. */
export const provider = (env: Readonly<Record<string, string | undefined>>): ConfigProvider.ConfigProvider =>
  ConfigProvider.fromMap(
    new Map(
      Object.entries(env).flatMap(([name, value]) =>
        value === undefined || value.trim() === "" ? [] : [[name, value]]
      )
    )
  )
