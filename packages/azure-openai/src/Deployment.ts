/**
 * Deployments as Layers. A deployment answers every operation of `AzureOpenAI`; `retry` and `orElse` make a deployment out
 * of deployments, so an application asks for the service and never names one.
 *
 * @since 0.1.0
 */
import type { Attempt, Metrics } from "@spillway/core"
import { CallSettings, RetryAfter, Runner } from "@spillway/core"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Admission from "./Admission.js"
import type { CallError, RateLimited, Unavailable } from "./CallError.js"
import * as Credential from "./Credential.js"
import * as Endpoint from "./Endpoint.js"
import * as CallMetrics from "./internal/callMetrics.js"
import * as Failure from "./Failure.js"
import * as Target from "./Target.js"
import { attributes } from "./Telemetry.js"

/**
 * A deployment, or several behind a policy, as the operations of `AzureOpenAI` use it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service extends Runner.Runner<Target.Target, Failure.Failure, CallError> {}

/**
 * The deployment that answers.
 *
 * @since 0.1.0
 * @category tags
 */
export class Deployment extends Context.Tag("@spillway/azure-openai/Deployment")<Deployment, Service>() {}

/**
 * What a deployment is made from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The deployment's name at the resource. */
  readonly deployment: string
  /** The resource, such as `https://contoso.openai.azure.com`. */
  readonly endpoint: string | URL
  /** A key of the resource. It is sent as `api-key` and kept out of spans, logs and errors. This or `credential`. */
  readonly apiKey?: Redacted.Redacted | undefined
  /** Where tokens come from, such as `Entra.layer()`. Deployments with the same Layer value share one cache of tokens. */
  readonly credential?: Layer.Layer<Credential.Credential, ConfigError.ConfigError> | undefined
  /** The model behind the deployment, such as `gpt-4o`: for telemetry and limits. Defaults to the deployment's name. */
  readonly model?: string | undefined
  /** A dated API version such as `2024-10-21`, for the dated URL style. Defaults to none: the v1 style. */
  readonly apiVersion?: string | undefined
  /**
   * The longest a single attempt may take: reply included, or, for a stream, up to its first output. Defaults to 10
   * minutes, as in the OpenAI SDKs.
   */
  readonly timeout?: Duration.DurationInput | undefined
  /** The longest time to a stream's first output; then the attempt fails and the policy goes on. Defaults to `timeout`. */
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

// Every problem of the options at once.
const check = (options: Options): Either.Either<URL, ConfigError.ConfigError> => {
  const endpoint = Either.mapLeft(Endpoint.parse(options.endpoint), (message) => problem("endpoint", message))
  const problems = [
    ...nameProblems(options.deployment),
    ...credentialProblems(options),
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

const fromOptions = (
  options: Options,
  kind: Attempt.Kind,
  credential: Redacted.Redacted | Credential.Service
): Effect.Effect<Service, ConfigError.ConfigError, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const endpoint = yield* check(options)
    const timeout = Duration.decode(options.timeout ?? "10 minutes")
    const target = Target.make(
      {
        endpoint,
        deployment: options.deployment,
        model: options.model ?? options.deployment,
        kind,
        apiVersion: options.apiVersion,
        credential,
        headers:
          options.spilloverDeployment === undefined ? {} : { "x-ms-spillover-deployment": options.spilloverDeployment },
        limits: {
          bodyBytes: options.bodyLimit ?? 64 * 1024 * 1024,
          firstOutput: Duration.decode(options.firstOutputTimeout ?? timeout),
          idle: Duration.decode(options.idleTimeout ?? "5 minutes")
        },
        tracing: { propagate: options.propagate ?? false, httpSpans: options.httpSpans ?? false }
      },
      client
    )
    // A call's series are there, at zero, before its first call.
    CallMetrics.of("chat", target.model)
    // Standard has quotas of another kind, and is where calls go that admission turns away.
    const admission =
      kind === "provisioned"
        ? Option.getOrUndefined(
            yield* Admission.forDeployment({ endpoint, deployment: target.deployment, model: target.model })
          )
        : undefined
    return Runner.make({
      deployment: target.deployment,
      model: target.model,
      kind,
      target,
      timeout,
      admission,
      prices: options.prices,
      attributes: {
        [attributes.serverAddress]: endpoint.hostname,
        ...(endpoint.port === "" ? {} : { [attributes.serverPort]: Number(endpoint.port) }),
        [attributes.method]: "POST"
      },
      cutOff: Failure.cutOff,
      toError: (failure, history) => Failure.toError(target.deployment, failure, history)
    })
  })

const layer = (
  options: Options,
  kind: Attempt.Kind
): Layer.Layer<Deployment, ConfigError.ConfigError, HttpClient.HttpClient> =>
  options.credential === undefined
    ? Layer.effect(
        Deployment,
        fromOptions(options, kind, Redacted.make(Redacted.value(options.apiKey ?? Redacted.make("")).trim()))
      )
    : Layer.effect(
        Deployment,
        Effect.flatMap(Credential.Credential, (credential) => fromOptions(options, kind, credential))
      ).pipe(Layer.provide(options.credential))

/**
 * A deployment of provisioned throughput (PTU). Alone it sends each request once. With `Admission.layer` provided to it,
 * calls wait for their turn first.
 *
 * Fails with a `ConfigError` that lists everything that is wrong with the options. Sends through whatever `HttpClient` is
 * provided, with the client's own span switched off (the attempt's span stands for it) and redirects not followed.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Redacted } from "effect"
 * import { Deployment } from "@spillway/azure-openai"
 *
 * export const Ptu = Deployment.provisioned({
 *   deployment: "gpt-4o-ptu",
 *   model: "gpt-4o",
 *   endpoint: "https://contoso.openai.azure.com",
 *   apiKey: Redacted.make("KEY")
 * })
 * ```
 */
export const provisioned = (
  options: Options
): Layer.Layer<Deployment, ConfigError.ConfigError, HttpClient.HttpClient> => layer(options, "provisioned")

/**
 * A Standard (pay-as-you-go) deployment. Alone it sends each request once.
 *
 * Fails with a `ConfigError` that lists everything that is wrong with the options. Sends through whatever `HttpClient` is
 * provided, with the client's own span switched off (the attempt's span stands for it) and redirects not followed.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Redacted } from "effect"
 * import { Deployment } from "@spillway/azure-openai"
 *
 * export const Standard = Deployment.standard({
 *   deployment: "gpt-4o",
 *   endpoint: "https://contoso.openai.azure.com",
 *   apiKey: Redacted.make("KEY")
 * })
 * ```
 */
export const standard = (options: Options): Layer.Layer<Deployment, ConfigError.ConfigError, HttpClient.HttpClient> =>
  layer(options, "standard")

const fromConfig = (
  options: Config.Config.Wrap<Options>,
  kind: Attempt.Kind
): Layer.Layer<Deployment, ConfigError.ConfigError, HttpClient.HttpClient> =>
  Layer.unwrapEffect(Effect.map(Config.unwrap(options), (options) => layer(options, kind)))

/**
 * {@link provisioned}, with each option read from configuration. A missing or bad value is named by its variable.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Config } from "effect"
 * import { Deployment, Endpoint } from "@spillway/azure-openai"
 *
 * export const Ptu = Deployment.provisionedConfig({
 *   deployment: Config.string("PTU_DEPLOYMENT"),
 *   endpoint: Endpoint.config("AZURE_OPENAI_ENDPOINT"),
 *   apiKey: Config.redacted("AZURE_OPENAI_API_KEY")
 * })
 * ```
 */
export const provisionedConfig = (
  options: Config.Config.Wrap<Options>
): Layer.Layer<Deployment, ConfigError.ConfigError, HttpClient.HttpClient> => fromConfig(options, "provisioned")

/**
 * {@link standard}, with each option read from configuration. A missing or bad value is named by its variable.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Config } from "effect"
 * import { Deployment, Endpoint } from "@spillway/azure-openai"
 *
 * export const Standard = Deployment.standardConfig({
 *   deployment: Config.string("STANDARD_DEPLOYMENT"),
 *   endpoint: Endpoint.config("AZURE_OPENAI_ENDPOINT"),
 *   apiKey: Config.redacted("AZURE_OPENAI_API_KEY")
 * })
 * ```
 */
export const standardConfig = (
  options: Config.Config.Wrap<Options>
): Layer.Layer<Deployment, ConfigError.ConfigError, HttpClient.HttpClient> => fromConfig(options, "standard")

/**
 * A deployment of your own: another transport, or a stand-in for a test. Build the runner with `Runner.make`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Deployment } from "@spillway/azure-openai"
 *
 * // Counts the requests to another deployment.
 * export const counted = (deployment: Deployment.Service, count: Effect.Effect<void>) =>
 *   Deployment.make({
 *     primary: deployment.primary,
 *     execute: (use, conditions) => Effect.zipRight(count, deployment.execute(use, conditions))
 *   })
 * ```
 */
export const make = (runner: Service): Layer.Layer<Deployment> => Layer.succeed(Deployment, runner)

/**
 * Tries the same deployment again for as long as the Schedule says so.
 *
 * The Schedule sees throttles and faults that may be retried, nothing else. Whatever it says, no retry is sent before the
 * server's hint, and none is waited for that would start after the call's deadline. Each wait is a span. When the
 * Schedule ends, the last error goes on, to `orElse` or to the caller, without a further wait.
 *
 * Not `Layer.retry`, which retries building the Layer.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import type { Layer } from "effect"
 * import { RetryAfter } from "@spillway/core"
 * import { Deployment } from "@spillway/azure-openai"
 *
 * declare const Ptu: Layer.Layer<Deployment.Deployment>
 *
 * export const Patient = Ptu.pipe(Deployment.retry(RetryAfter.within("4 seconds")))
 * ```
 */
export const retry: {
  <Out, R2 = never>(
    schedule: Schedule.Schedule<Out, RateLimited | Unavailable, R2>
  ): <E, R>(self: Layer.Layer<Deployment, E, R>) => Layer.Layer<Deployment, E, R | R2>
  <E, R, Out, R2 = never>(
    self: Layer.Layer<Deployment, E, R>,
    schedule: Schedule.Schedule<Out, RateLimited | Unavailable, R2>
  ): Layer.Layer<Deployment, E, R | R2>
} = dual(
  2,
  <E, R, Out, R2>(
    self: Layer.Layer<Deployment, E, R>,
    schedule: Schedule.Schedule<Out, RateLimited | Unavailable, R2>
  ): Layer.Layer<Deployment, E, R | R2> =>
    Layer.flatMap(self, (built) =>
      Layer.effect(
        Deployment,
        Effect.map(Effect.context<R2>(), (services) =>
          Runner.retry(Context.get(built, Deployment), provide(schedule, services))
        )
      )
    )
)

// What the Schedule needs is there since the Layer was built; what the call has, spans and settings among it, comes first,
// and what a caller accepts never comes from the build.
const provide = <Out, In, R>(
  schedule: Schedule.Schedule<Out, In, R>,
  services: Context.Context<R>
): Schedule.Schedule<Out, In> =>
  withLimitOf(
    schedule,
    Schedule.mapInputContext(schedule, (call: Context.Context<never>) =>
      Context.add(
        Context.merge(services, call),
        CallSettings.CallSettings,
        Context.get(call, CallSettings.CallSettings)
      )
    )
  )

const withLimitOf = <Out, In, R>(
  original: Schedule.Schedule<unknown, never, unknown>,
  schedule: Schedule.Schedule<Out, In, R>
): Schedule.Schedule<Out, In, R> =>
  Option.match(RetryAfter.limitOf(original), {
    onNone: () => schedule,
    onSome: (limit) => RetryAfter.withLimit(schedule, limit)
  })

/**
 * Goes to `that` deployment when `self` is done and failed with an error another deployment may recover: a throttle, a
 * fault, a prompt too long for it. Every other error ends the call: a rejected request is not sent, and billed, twice.
 *
 * `when` decides in place of that rule: to get past an expired key as well,
 * `(error) => Recovery.isRecoverable(error) || error._tag === "Unauthorized"`. The last deployment's error is the one that
 * surfaces; it lists the attempts of all. Both Layers are built once, together, and what they share is built once.
 *
 * Not `Layer.orElse`, which goes to `that` when `self` cannot be built.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import type { Layer } from "effect"
 * import { RetryAfter } from "@spillway/core"
 * import { Deployment } from "@spillway/azure-openai"
 *
 * declare const Ptu: Layer.Layer<Deployment.Deployment>
 * declare const Standard: Layer.Layer<Deployment.Deployment>
 *
 * export const Chat = Ptu.pipe(
 *   Deployment.retry(RetryAfter.within("4 seconds")),
 *   Deployment.orElse(Standard.pipe(Deployment.retry(RetryAfter.retries(2))))
 * )
 * ```
 */
export const orElse: {
  <E2, R2>(
    that: Layer.Layer<Deployment, E2, R2>,
    options?: { readonly when?: ((error: CallError) => boolean) | undefined }
  ): <E, R>(self: Layer.Layer<Deployment, E, R>) => Layer.Layer<Deployment, E | E2, R | R2>
  <E, R, E2, R2>(
    self: Layer.Layer<Deployment, E, R>,
    that: Layer.Layer<Deployment, E2, R2>,
    options?: { readonly when?: ((error: CallError) => boolean) | undefined }
  ): Layer.Layer<Deployment, E | E2, R | R2>
} = dual(
  (args) => Layer.isLayer(args[1]),
  <E, R, E2, R2>(
    self: Layer.Layer<Deployment, E, R>,
    that: Layer.Layer<Deployment, E2, R2>,
    options?: { readonly when?: ((error: CallError) => boolean) | undefined }
  ): Layer.Layer<Deployment, E | E2, R | R2> =>
    Layer.zipWith(self, that, (first, second) =>
      Context.make(Deployment, Runner.orElse(Context.get(first, Deployment), Context.get(second, Deployment), options))
    )
)
