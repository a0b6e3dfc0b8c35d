/**
 * What the emulator stands for: one Azure OpenAI resource and its deployments. Plain data, so that it can be written in a test or read from
 * a JSON file, and checked in both cases.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { Fault } from "./Fault.js"
import * as Path from "./internal/path.js"
import * as Problems from "./internal/problems.js"
import * as Model from "./Model.js"

// Exact, so that a wrong value is one problem and not also "Expected undefined".
const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

const Name = Schema.String.pipe(
  Schema.filter((name) => name.length > 0 || "must not be empty"),
  Schema.annotations({ identifier: "Name" })
)
const PositiveInt = Schema.Number.pipe(
  Schema.filter((n) => (Number.isSafeInteger(n) && n > 0) || "must be a whole number above 0")
)
const Positive = Schema.Number.pipe(Schema.filter((n) => (Number.isFinite(n) && n > 0) || "must be a number above 0"))
const NonNegative = Schema.Number.pipe(
  Schema.filter((n) => (Number.isFinite(n) && n >= 0) || "must be a number not below 0")
)
const Share = Schema.Number.pipe(Schema.filter((n) => (n >= 0 && n <= 1) || "must be a number from 0 to 1"))

/**
 * How long an answer takes: `firstTokenMs`, then one token every `1000 / tokensPerSecond` milliseconds.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Latency = Schema.Struct({
  /** Milliseconds until the first token. Defaults to 200. */
  firstTokenMs: optional(NonNegative),
  /** Speed of generation. Defaults to the model's speed target, e.g. 25 for gpt-4o. */
  tokensPerSecond: optional(Positive),
  /** Each call's time is multiplied by a random factor between `1 - jitter` and `1 + jitter`. Defaults to 0: exact times. */
  jitter: optional(Share),
  /** Milliseconds until a refusal (429, 400). Defaults to 0. */
  rejectionMs: optional(NonNegative)
})

/**
 * Latency of a deployment.
 *
 * @since 0.1.0
 * @category models
 */
export interface Latency extends Schema.Schema.Type<typeof Latency> {}

const answerTokens = Schema.Struct({ min: PositiveInt, max: PositiveInt }).pipe(
  Schema.filter(({ max, min }) => min <= max || "min must not be above max")
)

const common = {
  /** Name of the deployment: a path segment of dated URLs, the body's `model` under v1. */
  name: Name,
  /** Name of the model, e.g. `gpt-4o`. */
  model: Name,
  /** How long answers take. */
  latency: optional(Latency),
  /** What the estimate takes for `max_tokens` when a request names none. Defaults to the model's: 640 for gpt-4o. */
  defaultMaxTokens: optional(PositiveInt),
  /** Length of the made-up answers, in tokens, unless the request cuts them. Defaults to 16 to 80. */
  answerTokens: optional(answerTokens),
  /** How what is streamed is filtered: held back until vetted (the default), at once with the verdict after it, or not, because the filter is down. */
  contentFilter: optional(Schema.Literal("default", "asynchronous", "unavailable")),
  /** How many tokens the content filter vets together: the length of a burst. Defaults to 16. */
  burstTokens: optional(PositiveInt),
  /**
   * How a streamed response of the Responses API is throttled: inside a stream of status 200, in one of the orders of `InStreamThrottle`, or with a real
   * 429 (`status`). Defaults to `failedThenError`.
   */
  responsesThrottle: optional(
    Schema.Literal("failedThenError", "createdThenErrorThenFailed", "errorAtOne", "errorAtTwo", "failedAlone", "status")
  )
}

/**
 * A deployment of provisioned throughput: a leaky bucket.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Provisioned = Schema.Struct({
  kind: Schema.Literal("provisioned"),
  ...common,
  /** Provisioned throughput units bought. Defaults to the fewest that can be: 15 for OpenAI's models. */
  ptus: optional(PositiveInt),
  /** Depth of the bucket: what 100 % means, as seconds of drain. Defaults to 10. Not documented by Azure. */
  windowSeconds: optional(Positive),
  /** Input tokens per minute that one PTU is worth. Defaults to the documented figure of the model; required for one that has none. */
  inputTokensPerMinutePerPtu: optional(PositiveInt),
  /** Input tokens that one output token counts as. Defaults to the documented figure of the model, else 4. */
  outputWeight: optional(Positive),
  /** The Standard deployment of the same model that takes over what this one cannot take. Wins over the request header `x-ms-spillover-deployment`. */
  spilloverDeploymentName: optional(Name)
}).pipe(
  Schema.filter((deployment) => {
    const model = Model.findOrGeneric(deployment.model)
    return deployment.inputTokensPerMinutePerPtu !== undefined || model.inputTokensPerMinutePerPtu !== undefined
      ? undefined
      : {
          path: ["model"],
          message: `no PTU figures are known for "${deployment.model}": give inputTokensPerMinutePerPtu, or one of ${provisionable.join(", ")}`
        }
  })
)

const provisionable = Object.values(Model.catalogue)
  .filter((model) => model.inputTokensPerMinutePerPtu !== undefined)
  .map((model) => model.name)

/**
 * A pay-as-you-go deployment: two sliding windows.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Standard = Schema.Struct({
  kind: Schema.Literal("standard"),
  ...common,
  /** Quota of tokens in 60 seconds. Defaults to 450 000. */
  tokensPerMinute: optional(PositiveInt),
  /** Quota of requests; a sixth of it, at least 1, is allowed in 10 seconds. Defaults to the model's ratio: 6 per 1000 tokens per minute for gpt-4o. */
  requestsPerMinute: optional(PositiveInt)
})

/**
 * One deployment.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Deployment = Schema.Union(Provisioned, Standard)

/**
 * One deployment.
 *
 * @since 0.1.0
 * @category models
 */
export type Deployment = Schema.Schema.Type<typeof Deployment>

const duplicate = (deployments: ReadonlyArray<Deployment>, { name }: Deployment, index: number) =>
  deployments.findIndex((other) => other.name === name) < index
    ? [{ path: [index, "name"], message: `a deployment named "${name}" is listed already` }]
    : []

const badSpillover = (deployments: ReadonlyArray<Deployment>, deployment: Deployment, index: number) => {
  if (deployment.kind !== "provisioned" || deployment.spilloverDeploymentName === undefined) return []
  const name = deployment.spilloverDeploymentName
  const target = deployments.find((other) => other.name === name)
  return target?.kind === "standard" && target.model === deployment.model
    ? []
    : [
        {
          path: [index, "spilloverDeploymentName"],
          message: `"${name}" is not a standard deployment of ${deployment.model} in this list`
        }
      ]
}

/**
 * Which tokens of Microsoft Entra ID are accepted. A JSON Web Token is read (audience, validity, principal), its signature is not checked.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Entra = Schema.Struct({
  /** Audiences a token may be for. Defaults to `https://cognitiveservices.azure.com` and `https://ai.azure.com`. */
  audiences: optional(Schema.Array(Name)),
  /** Tokens that are accepted as they stand, whatever they are, until `expiresAt`, in milliseconds since 1970; without it, forever. */
  tokens: optional(Schema.Array(Schema.Struct({ value: Name, expiresAt: optional(Schema.Number) }))),
  /** Principals (`oid`) whose tokens are good, but who lack the role: 401 `PermissionDenied`. */
  withoutRole: optional(Schema.Array(Name))
})

/**
 * One resource. Fields that are absent take the defaults said beside them.
 *
 * @example
 * ```ts
 * import { EmulatorConfig } from "@spillway/emulator"
 * import { JSONSchema } from "effect"
 *
 * const schema = JSONSchema.make(EmulatorConfig.EmulatorConfig)
 * ```
 *
 * @since 0.1.0
 * @category schemas
 */
export const EmulatorConfig = Schema.Struct({
  /** Display name of the region. Defaults to `East US`. */
  region: optional(Name),
  /** Keys that are accepted. Absent: any key that is not empty. An empty list: none, key authentication is disabled. */
  apiKeys: optional(Schema.Array(Name)),
  /** Bearer tokens that are accepted. Absent: any that is not empty if `apiKeys` is absent, too, and else none. */
  entra: optional(Entra),
  /** Seed of ids and of latency's jitter; the same seed and the same requests in the same order give the same replies. Defaults to `spillway`. */
  seed: optional(Schema.Union(Schema.String, Schema.Number)),
  /** The longest body that is taken, in bytes; longer ones are refused with 413. Defaults to 16 MiB. */
  maxBodyBytes: optional(PositiveInt),
  /** How many requests are kept for `Emulator.Service.requests`, the newest ones. Defaults to 10 000. */
  recordedRequests: optional(PositiveInt),
  /**
   * What `x-ms-spillover-error` means: the status of the provisioned deployment, on every reply that spilled over (`current`, the docs since June 2026),
   * or that of a spillover which failed, on the provisioned deployment's own reply (`legacy`). Defaults to `current`.
   */
  spilloverHeaders: optional(Schema.Literal("current", "legacy")),
  deployments: Schema.Array(Deployment).pipe(
    Schema.filter((deployments) => {
      const issues = deployments.flatMap((deployment, index) => [
        ...duplicate(deployments, deployment, index),
        ...badSpillover(deployments, deployment, index)
      ])
      return issues.length > 0 ? issues : deployments.length > 0 || "must list at least one deployment"
    })
  ),
  /** What goes wrong, and how often; see {@link Fault}. Defaults to nothing. */
  faults: optional(Schema.Array(Fault))
}).pipe(
  Schema.filter(({ deployments, faults = [] }) =>
    faults.flatMap(({ deployment }, index) =>
      deployment === undefined || deployments.some(({ name }) => name === deployment)
        ? []
        : [{ path: ["faults", index, "deployment"], message: `no deployment is named "${deployment}"` }]
    )
  )
)

/**
 * One resource.
 *
 * @since 0.1.0
 * @category models
 */
export interface EmulatorConfig extends Schema.Schema.Type<typeof EmulatorConfig> {}

/**
 * A configuration was refused: everything that is wrong with it, with the path to each.
 *
 * @example
 * ```ts
 * import { EmulatorConfig } from "@spillway/emulator"
 * import { Console, Effect } from "effect"
 *
 * const program = EmulatorConfig.decode({}).pipe(
 *   Effect.catchTag("@spillway/emulator/EmulatorConfig/InvalidConfig", (error) => Console.error(error.message))
 * )
 * // prints "deployments: is missing"
 * ```
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidConfig extends Data.TaggedError("@spillway/emulator/EmulatorConfig/InvalidConfig")<{
  readonly problems: ReadonlyArray<Problem>
}> {
  override get message(): string {
    return this.problems.map(({ message, path }) => (path === "" ? message : `${path}: ${message}`)).join("\n")
  }
}

/**
 * One thing wrong with a configuration.
 *
 * @since 0.1.0
 * @category models
 */
export interface Problem {
  /** Where, e.g. `deployments[0].ptus`; empty for the configuration as a whole. */
  readonly path: string
  /** What. */
  readonly message: string
}

const decodeEither = Schema.decodeUnknownEither(EmulatorConfig, { errors: "all", onExcessProperty: "error" })

/**
 * Checks a configuration that comes from outside, such as parsed JSON. Unknown keys are problems too. Problems name the
 * place and what is expected there, and repeat no value: it may be a key. All problems are reported at once, but
 * what concerns several fields (a model without PTU figures, a name listed twice) only once each field by itself is right.
 *
 * @example
 * ```ts
 * import { EmulatorConfig } from "@spillway/emulator"
 * import { Effect } from "effect"
 *
 * const program = EmulatorConfig.decode({
 *   deployments: [{ name: "gpt-4o-ptu", kind: "provisioned", model: "gpt-4o", ptus: -1 }]
 * }).pipe(Effect.flip, Effect.map((error) => error.problems))
 * // => [{ path: "deployments[0].ptus", message: "must be a whole number above 0" }]
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (input: unknown): Effect.Effect<EmulatorConfig, InvalidConfig> =>
  Either.mapLeft(
    decodeEither(input),
    (error) =>
      new InvalidConfig({
        problems: Problems.of(error.issue).map(({ message, path }) => ({ path: Path.render(path), message }))
      })
  )

/**
 * The resource that is emulated unless another is asked for: `gpt-4o-ptu`, 15 PTUs of gpt-4o; `gpt-4o` and `text-embedding-3-small`, Standard with
 * 450 000 tokens per minute each.
 *
 * @example
 * ```ts
 * import { EmulatorConfig } from "@spillway/emulator"
 *
 * EmulatorConfig.defaults.deployments.map((deployment) => deployment.name) // => ["gpt-4o-ptu", "gpt-4o", "text-embedding-3-small"]
 * ```
 *
 * @since 0.1.0
 * @category constants
 */
export const defaults: EmulatorConfig = {
  deployments: [
    { name: "gpt-4o-ptu", kind: "provisioned", model: "gpt-4o" },
    { name: "gpt-4o", kind: "standard", model: "gpt-4o" },
    { name: "text-embedding-3-small", kind: "standard", model: "text-embedding-3-small" }
  ]
}
