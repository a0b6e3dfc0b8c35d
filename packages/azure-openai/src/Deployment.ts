/**
 * Deployments as Layers. A deployment answers every operation of `AzureOpenAI`; `retry` and `orElse` make a deployment out
 * of deployments, so an application asks for the service and never names one.
 *
 * @since 0.1.0
 */
import type { Attempt } from "@spillway/core"
import { CallSettings, RetryAfter, Runner } from "@spillway/core"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type { CallError, RateLimited, Unavailable } from "./CallError.js"
import * as Credential from "./Credential.js"
import type * as Failure from "./Failure.js"
import * as Configured from "./internal/configured.js"
import type * as DeploymentOptions from "./internal/deploymentOptions.js"
import * as Leaf from "./internal/leaf.js"
import type * as Target from "./Target.js"

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
 * @example
 * ```ts
 * import { Deployment } from "@spillway/azure-openai"
 * import { Effect } from "effect"
 *
 * // Which deployment is asked first.
 * export const first = Effect.map(Deployment.Deployment, ({ primary }) => primary.deployment)
 * ```
 */
export class Deployment extends Context.Tag("@spillway/azure-openai/Deployment")<Deployment, Service>() {}

/**
 * What a deployment is made from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends DeploymentOptions.Options {}

/**
 * {@link Options} of which any may be read from configuration: each is a value or a `Config` of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConfigOptions extends Configured.Fields<Options> {}

const layer = (
  options: Options,
  kind: Attempt.Kind
): Layer.Layer<Deployment, ConfigError.ConfigError, HttpClient.HttpClient> =>
  options.credential === undefined
    ? Layer.effect(
        Deployment,
        Leaf.make(options, kind, Redacted.make(Redacted.value(options.apiKey ?? Redacted.make("")).trim()))
      )
    : Layer.effect(
        Deployment,
        Effect.flatMap(Credential.Credential, (credential) => Leaf.make(options, kind, credential))
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
  options: ConfigOptions,
  kind: Attempt.Kind
): Layer.Layer<Deployment, ConfigError.ConfigError, HttpClient.HttpClient> =>
  Layer.unwrapEffect(Effect.map(Configured.read<Options>(options), (options) => layer(options, kind)))

/**
 * {@link provisioned}, with options read from configuration: each is a value, or a `Config` of one. A missing or bad value is
 * named by its variable.
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
 *   model: "gpt-4o",
 *   endpoint: Endpoint.config("AZURE_OPENAI_ENDPOINT"),
 *   apiKey: Config.redacted("AZURE_OPENAI_API_KEY")
 * })
 * ```
 */
export const provisionedConfig = (
  options: ConfigOptions
): Layer.Layer<Deployment, ConfigError.ConfigError, HttpClient.HttpClient> => fromConfig(options, "provisioned")

/**
 * {@link standard}, with options read from configuration: each is a value, or a `Config` of one. A missing or bad value is
 * named by its variable.
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
  options: ConfigOptions
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
 * `when` decides in place of that rule, and should begin with it, for a request that may have run and must not run twice is
 * refused there (`OutcomeUnknown`): to get past an expired key as well,
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
