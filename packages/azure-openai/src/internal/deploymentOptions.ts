import type { Metrics } from "@spillway/core"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Credential from "../Credential.js"
import * as Endpoint from "../Endpoint.js"

// Public, as the options of `Deployment`.
export interface Options {
  /** The deployment's name at the resource. */
  readonly deployment: string
  /** The resource, such as `https://contoso.openai.azure.com`. */
  readonly endpoint: string | URL
  /** A key of the resource. It is sent as `api-key` and kept out of spans, logs and errors. This or `credential`. */
  readonly apiKey?: Redacted.Redacted | undefined
  /** Where tokens come from, such as `Entra.layer()`. Deployments with the same Layer value share one cache of tokens. */
  readonly credential?: Layer.Layer<Credential.Credential, ConfigError.ConfigError> | undefined
  /**
   * Further headers of every request, for a gateway in between: the key of an API Management subscription, say, as
   * `Redacted`, which keeps it out of spans, logs and errors. Headers that the deployment writes itself are refused. Defaults
   * to none.
   */
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  /** The model behind the deployment, such as `gpt-4o`: for telemetry and limits. Defaults to the deployment's name. */
  readonly model?: string | undefined
  /** A dated API version such as `2024-10-21`, for the dated URL style. Defaults to none: the v1 style. */
  readonly apiVersion?: string | undefined
  /**
   * The longest a single attempt may take: reply included, or, for a stream, up to its first output. Defaults to 10
   * minutes, as in the OpenAI SDKs.
   */
  readonly timeout?: Duration.DurationInput | undefined
  /**
   * The longest time to a stream's first output; then the attempt fails and the policy goes on. Defaults to `timeout`. A
   * caller may set less for its own calls: `CallSettings.withFirstOutput`.
   */
  readonly firstOutputTimeout?: Duration.DurationInput | undefined
  /** The longest silence in a stream that has begun; then it fails with `StreamBroken`. Defaults to 5 minutes. */
  readonly idleTimeout?: Duration.DurationInput | undefined
  /** The largest request and the largest reply, in bytes. Defaults to 64 MiB. */
  readonly bodyLimit?: number | undefined
  /**
   * The Standard deployment of the same resource that Azure itself sends a refused request on to (native spillover), by the
   * request header `x-ms-spillover-deployment`. Defaults to none. Then Azure never refuses for long, and `retry` and
   * `orElse` have little left to do.
   */
  readonly spilloverDeployment?: string | undefined
  /**
   * Sends the attempt's trace id with the request, as the W3C header `traceparent`: for a gateway of your own that traces
   * too. Defaults to false: Azure has no use for it.
   */
  readonly propagate?: boolean | undefined
  /**
   * Whether the HTTP client's own span is made as well, below the attempt's. It says little more than the attempt's; its
   * header attributes have credentials taken out, whatever the client is set to. Defaults to false.
   */
  readonly httpSpans?: boolean | undefined
  /** What the deployment's tokens cost, for the estimate in the metrics. Defaults to no estimate. */
  readonly prices?: Metrics.Prices | undefined
}

const problem = (option: string, message: string): ConfigError.ConfigError => ConfigError.InvalidData([option], message)

const credentialProblems = ({ apiKey, credential }: Options): ReadonlyArray<ConfigError.ConfigError> => {
  if (apiKey === undefined && credential === undefined) {
    return [problem("apiKey", "missing: expected a key of the resource, or a credential in its place")]
  }
  if (apiKey !== undefined && credential !== undefined) {
    return [problem("credential", "expected a key or a credential, not both")]
  }
  if (apiKey === undefined) return []
  const key = Redacted.value(apiKey).trim()
  if (key === "") return [problem("apiKey", "empty: expected a key of the resource")]
  return /^[\x21-\x7e]+$/.test(key) ? [] : [problem("apiKey", "holds characters that no key has")]
}

const nameProblems = (name: string): ReadonlyArray<ConfigError.ConfigError> => {
  if (name.trim() === "") return [problem("deployment", "empty: expected the deployment's name")]
  // A lone surrogate cannot be written into a URL, and dots would lead out of its folder.
  return name === "." || name === ".." || /[\ud800-\udfff]/u.test(name)
    ? [problem("deployment", "expected the deployment's name")]
    : []
}

const durationProblems = (option: string, duration: Duration.DurationInput | undefined) => {
  const decoded = duration === undefined ? Option.none() : Duration.decodeUnknown(duration)
  return duration === undefined || Option.exists(decoded, Duration.greaterThan(Duration.zero))
    ? []
    : [problem(option, "expected a duration greater than 0, such as 30 seconds")]
}

const spilloverProblems = ({ spilloverDeployment: name }: Options): ReadonlyArray<ConfigError.ConfigError> =>
  name === undefined || /^[\x21-\x7e]+$/.test(name)
    ? []
    : [problem("spilloverDeployment", "expected the name of a Standard deployment of the same resource")]

// What says who is calling, and what says how the message is written.
const ownHeaders: Readonly<Record<string, string>> = {
  "api-key": "expected apiKey or credential in its place",
  authorization: "expected apiKey or credential in its place",
  "x-ms-spillover-deployment": "expected spilloverDeployment in its place",
  traceparent: "expected propagate in its place",
  ...Object.fromEntries(
    "accept connection content-encoding content-length content-type expect host keep-alive te trailer transfer-encoding upgrade"
      .split(" ")
      .map((name) => [name, "is written by the deployment itself"])
  )
}

const headerProblem = (name: string, value: string): string | undefined => {
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) return "is not the name of a header"
  const own = name.toLowerCase()
  if (Object.hasOwn(ownHeaders, own)) return ownHeaders[own]
  return /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/.test(value)
    ? undefined
    : "expected a value of a header: printable ASCII in one line, no blanks around it"
}

const headerProblems = ({ headers = {} }: Options): ReadonlyArray<ConfigError.ConfigError> =>
  Object.entries(headers).flatMap(([name, value]) => {
    const message = headerProblem(name, plain(value))
    return message === undefined ? [] : [ConfigError.InvalidData(["headers", name], message)]
  })

const plain = (value: string | Redacted.Redacted): string =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value

/** The headers of every request, as they are sent. @internal */
export const headersOf = ({ headers = {}, spilloverDeployment }: Options): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), plain(value)])),
  ...(spilloverDeployment === undefined ? {} : { "x-ms-spillover-deployment": spilloverDeployment })
})

/** The names of the headers that nobody is to read. @internal */
export const secretHeadersOf = ({ headers = {} }: Options): ReadonlyArray<string> =>
  Object.entries(headers).flatMap(([name, value]) => (Redacted.isRedacted(value) ? [name.toLowerCase()] : []))

/** Every problem of the options at once, or the endpoint. @internal */
export const check = (options: Options): Either.Either<URL, ConfigError.ConfigError> => {
  const endpoint = Either.mapLeft(Endpoint.parse(options.endpoint), (message) => problem("endpoint", message))
  const problems = [
    ...nameProblems(options.deployment),
    ...credentialProblems(options),
    ...headerProblems(options),
    ...spilloverProblems(options),
    ...durationProblems("timeout", options.timeout),
    ...durationProblems("firstOutputTimeout", options.firstOutputTimeout),
    ...durationProblems("idleTimeout", options.idleTimeout),
    ...(options.bodyLimit !== undefined && !(options.bodyLimit > 0)
      ? [problem("bodyLimit", "expected a number of bytes greater than 0")]
      : []),
    ...(options.apiVersion !== undefined && !/^\d{4}-\d{2}-\d{2}(-preview)?$/.test(options.apiVersion)
      ? [
          problem(
            "apiVersion",
            "expected a date such as 2024-10-21 or 2025-04-01-preview; leave it out for the v1 style"
          )
        ]
      : []),
    ...(Either.isLeft(endpoint) ? [endpoint.left] : [])
  ]
  return problems.length === 0 ? endpoint : Either.left(problems.reduce((left, right) => ConfigError.And(left, right)))
}
