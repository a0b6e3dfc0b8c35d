/**
 * Order and pace for the calls to provisioned deployments: who is sent now, who waits for its turn, who had better go to
 * Standard at once. Provide {@link layer} to the deployments that are to have it; Standard deployments pass it over.
 *
 * @since 0.1.0
 */
import { Admission as Core, type Call } from "@spillway/core"
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Capacity } from "./Capacity.js"
import * as Capacities from "./Capacity.js"
import * as Configured from "./internal/configured.js"
import * as Meter from "./internal/meter.js"
import * as Failure from "./Failure.js"
import * as Tokens from "./Tokens.js"

/**
 * What was bought, and how calls are to be counted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Omit<Core.Options, "tokensPerSecond" | "deployment"> {
  /** The PTUs of each deployment. When they are not known, overstate them: see the page on admission. */
  readonly ptus: number
  /** Input tokens that a PTU processes in a minute. Defaults to the documented figure of the deployment's model. */
  readonly inputTokensPerMinutePerPtu?: number | undefined
  /** How many input tokens an output token counts as. Defaults to the documented figure of the deployment's model. */
  readonly outputWeight?: number | undefined
  /**
   * What a request is charged for its answer when it sets no bound, in tokens. Azure does not say what it takes on
   * provisioned deployments. Defaults to 640, measured on Standard ones.
   */
  readonly defaultMaxTokens?: number | undefined
  /** How many tokens a text has. Defaults to a quarter of its characters; what that is off by is learned from replies. */
  readonly countTokens?: Call.CountTokens | undefined
}

/**
 * {@link Options} of which any may be read from configuration: each is a value or a `Config` of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConfigOptions extends Configured.Fields<Options> {}

/**
 * A deployment that asks for its gate.
 *
 * @since 0.1.0
 * @category models
 */
export interface Deployment {
  readonly endpoint: URL
  readonly deployment: string
  readonly model: string
}

/**
 * The gates of a program's provisioned deployments, one for each endpoint and deployment.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** The gate of a deployment. Fails where nothing is known of the model's capacity. */
  readonly admit: (deployment: Deployment) => Effect.Effect<Core.Admitted<Failure.Failure>, ConfigError.ConfigError>
}

/**
 * Admission, for the provisioned deployments that have it.
 *
 * @since 0.1.0
 * @category tags
 * @example
 * ```ts
 * import { Admission } from "@spillway/azure-openai"
 * import { Effect } from "effect"
 *
 * // Whether calls pass a gate here.
 * export const paced = Effect.map(Effect.serviceOption(Admission.Admission), (admission) => admission._tag === "Some")
 * ```
 */
export class Admission extends Context.Tag("@spillway/azure-openai/Admission")<Admission, Service>() {}

const problem = (option: string, message: string): ConfigError.ConfigError => ConfigError.InvalidData([option], message)

const above0 = (option: string, value: number | undefined): ReadonlyArray<ConfigError.ConfigError> =>
  value === undefined || (Number.isFinite(value) && value > 0)
    ? []
    : [problem(option, `${value}: expected a number above 0`)]

const check = (options: Options): Effect.Effect<void, ConfigError.ConfigError> => {
  const problems = [
    ...above0("ptus", options.ptus),
    ...above0("inputTokensPerMinutePerPtu", options.inputTokensPerMinutePerPtu),
    ...above0("outputWeight", options.outputWeight),
    ...above0("defaultMaxTokens", options.defaultMaxTokens)
  ]
  return problems.length === 0
    ? Core.check({ ...options, tokensPerSecond: 1 })
    : Effect.fail(problems.reduce((left, right) => ConfigError.And(left, right)))
}

const capacityOf = (
  options: Options,
  { deployment, model }: Deployment
): Effect.Effect<Capacity, ConfigError.ConfigError> => {
  const { inputTokensPerMinutePerPtu, outputWeight } = options
  const known = Option.getOrUndefined(Capacities.find(model))
  const rate = inputTokensPerMinutePerPtu ?? known?.inputTokensPerMinutePerPtu
  const weight = outputWeight ?? known?.outputWeight
  if (rate !== undefined && weight !== undefined) {
    return Effect.succeed({ inputTokensPerMinutePerPtu: rate, outputWeight: weight })
  }
  const missing = [
    ...(rate === undefined ? ["inputTokensPerMinutePerPtu"] : []),
    ...(weight === undefined ? ["outputWeight"] : [])
  ]
  return Effect.fail(
    problem(
      "model",
      `nothing is known of the provisioned capacity of "${model}" (deployment ${deployment}): give ${missing.join(" and ")} to Admission.layer, or the deployment's model as one of ${Object.keys(Capacities.documented).join(", ")}`
    )
  )
}

const admitted = (
  controller: Core.Controller,
  rates: Meter.Rates,
  count: Call.CountTokens | undefined
): Core.Admitted<Failure.Failure> => ({
  controller,
  count: count ?? Tokens.quarterOfCharacters,
  quote: Meter.make(rates),
  isThrottle: (failure) => failure._tag === "RateLimited",
  saturated: Failure.saturated
})

const makeService = (options: Options) =>
  Effect.gen(function* () {
    yield* check(options)
    const gates = yield* Core.keyed
    const known = new Map<string, Core.Admitted<Failure.Failure>>()
    return Admission.of({
      admit: (deployment) =>
        Effect.gen(function* () {
          const capacity = yield* capacityOf(options, deployment)
          const key = keyOf(deployment)
          const tokensPerSecond = Capacities.tokensPerSecond(capacity, options.ptus)
          const controller = yield* gates(key, { ...options, tokensPerSecond, deployment: deployment.deployment })
          const { defaultMaxTokens = 640 } = options
          const rates = { deployment: deployment.deployment, outputWeight: capacity.outputWeight, defaultMaxTokens }
          // What is learned of a deployment is learned for all that share its gate.
          const made = known.get(key) ?? admitted(controller, rates, options.countTokens)
          known.set(key, made)
          return made
        })
    })
  })

const keyOf = ({ deployment, endpoint }: Deployment): string => `${endpoint.href} ${deployment}`

/**
 * Admission for provisioned deployments. Each endpoint and deployment has a gate of its own, with `ptus` each; deployments
 * that name the same one share it.
 *
 * A call waits for its turn, and no request is sent, while the gate's model of the deployment says it is full; when its
 * turn would come after what the call can wait, it fails with `Saturated`, and `orElse` takes over. How long that is, and
 * who goes first, is up to `CallSettings` (`withMaxWait`, `withDeadline`, `withPriority`, `withFallbackReserve`), then to
 * the Schedule around the deployment (`RetryAfter.within`), then to `maxWait`, then 4 seconds.
 *
 * Provide it once, at the edge of the program, and the same Layer value to all: a Layer that is built again has gates of
 * its own, which know nothing of each other. Fails with a `ConfigError` that lists everything that is wrong with the
 * options; the deployment's Layer fails with one when nothing is known of its model's capacity.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Layer, Redacted } from "effect"
 * import { RetryAfter } from "@spillway/core"
 * import { Admission, Deployment } from "@spillway/azure-openai"
 *
 * export const Ptu = Deployment.provisioned({
 *   deployment: "gpt-4o-ptu",
 *   model: "gpt-4o",
 *   endpoint: "https://contoso.openai.azure.com",
 *   apiKey: Redacted.make("KEY")
 * }).pipe(Layer.provide(Admission.layer({ ptus: 100 })), Deployment.retry(RetryAfter.within("4 seconds")))
 * ```
 */
export const layer = (options: Options): Layer.Layer<Admission, ConfigError.ConfigError> =>
  Layer.scoped(Admission, makeService(options))

/**
 * {@link layer}, with options read from configuration: each is a value, or a `Config` of one. A missing or bad value is
 * named by its variable.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Config } from "effect"
 * import { Admission } from "@spillway/azure-openai"
 *
 * export const Paced = Admission.layerConfig({ ptus: Config.integer("PTUS") })
 * ```
 */
export const layerConfig = (options: ConfigOptions): Layer.Layer<Admission, ConfigError.ConfigError> =>
  Layer.scoped(Admission, Effect.flatMap(Configured.read<Options>(options), makeService))

/**
 * What stands between a deployment and its calls: the gate of {@link layer}, else one of `Admission.layer` in
 * `@spillway/core`, which is told the rate in tokens per second, else nothing.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { Admission } from "@spillway/azure-openai"
 *
 * // For a deployment that is made by hand, with `Runner.make`.
 * export const admission = Admission.forDeployment({
 *   endpoint: new URL("https://contoso.openai.azure.com"),
 *   deployment: "gpt-4o-ptu",
 *   model: "gpt-4o"
 * })
 * ```
 */
export const forDeployment = (
  deployment: Deployment
): Effect.Effect<Option.Option<Core.Admitted<Failure.Failure>>, ConfigError.ConfigError> =>
  Effect.gen(function* () {
    const own = yield* Effect.serviceOption(Admission)
    if (Option.isSome(own)) return Option.some(yield* own.value.admit(deployment))
    const plain = yield* Effect.serviceOption(Core.Admission)
    if (Option.isNone(plain)) return Option.none()
    const controller = yield* plain.value.controller(keyOf(deployment), deployment.deployment)
    const outputWeight = Option.match(Capacities.find(deployment.model), {
      onNone: () => 4,
      onSome: (c) => c.outputWeight
    })
    return Option.some(
      admitted(controller, { deployment: deployment.deployment, outputWeight, defaultMaxTokens: 640 }, undefined)
    )
  })
