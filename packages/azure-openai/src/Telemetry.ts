/**
 * The names of the OpenTelemetry attributes and metrics that describe a call to Azure OpenAI, and whether prompts and
 * answers are among them. Spillway's own names are in `@spillway/core`.
 *
 * GenAI semantic conventions 1.41; they now live in open-telemetry/semantic-conventions-genai, where some names differ.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"

/**
 * Attribute names.
 *
 * @since 0.1.0
 * @category tracing
 */
export const attributes = {
  operation: "gen_ai.operation.name",
  provider: "gen_ai.provider.name",
  requestModel: "gen_ai.request.model",
  stream: "gen_ai.request.stream",
  maxTokens: "gen_ai.request.max_tokens",
  temperature: "gen_ai.request.temperature",
  topP: "gen_ai.request.top_p",
  frequencyPenalty: "gen_ai.request.frequency_penalty",
  presencePenalty: "gen_ai.request.presence_penalty",
  seed: "gen_ai.request.seed",
  choiceCount: "gen_ai.request.choice.count",
  dimensions: "gen_ai.embeddings.dimension.count",
  responseId: "gen_ai.response.id",
  responseModel: "gen_ai.response.model",
  finishReasons: "gen_ai.response.finish_reasons",
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  cachedTokens: "gen_ai.usage.cache_read.input_tokens",
  timeToFirstChunk: "gen_ai.response.time_to_first_chunk",
  /** Only where {@link withContent} asks for it. */
  inputMessages: "gen_ai.input.messages",
  /** Only where {@link withContent} asks for it. */
  outputMessages: "gen_ai.output.messages",
  /** Only where {@link withContent} asks for it. */
  systemInstructions: "gen_ai.system_instructions",
  resourceProvider: "azure.resource_provider.namespace",
  serviceRequestId: "azure.service.request.id",
  serverAddress: "server.address",
  serverPort: "server.port",
  method: "http.request.method",
  status: "http.response.status_code"
} as const

/**
 * The values of `gen_ai.provider.name` and `azure.resource_provider.namespace` for Azure OpenAI.
 *
 * @since 0.1.0
 * @category tracing
 */
export const values = {
  provider: "azure.ai.openai",
  resourceProvider: "Microsoft.CognitiveServices"
} as const

/**
 * Names of the metrics that the conventions have a name for. Histograms, in seconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const metrics = {
  /** How long calls took, waits and all attempts included. */
  duration: "gen_ai.client.operation.duration",
  /** From the start of a call to the first chunk of its stream. */
  timeToFirstChunk: "gen_ai.client.operation.time_to_first_chunk"
} as const

/**
 * Whether prompts and answers are written into the root span. Off, unless set by {@link withContent} or as a service: they
 * may hold personal data, and whoever reads traces reads them.
 *
 * @since 0.1.0
 * @category tags
 * @example
 * ```ts
 * import { Layer } from "effect"
 * import { Telemetry } from "@spillway/azure-openai"
 *
 * // For the whole program.
 * export const WithContent = Layer.succeed(Telemetry.Content, true)
 * ```
 */
export class Content extends Context.Reference<Content>()("@spillway/azure-openai/Telemetry/Content", {
  defaultValue: () => false
}) {}

/**
 * Writes prompts and answers of the calls inside `self` into their root spans, as JSON: `gen_ai.input.messages`,
 * `gen_ai.output.messages` and, for the Responses API, `gen_ai.system_instructions`. The conventions have no place for the
 * texts of embeddings, so these are not written. `withContent(false)` switches it off again for a part of the program. Never in logs or metrics.
 *
 * @since 0.1.0
 * @category settings
 * @example
 * ```ts
 * import { AzureOpenAI, Telemetry } from "@spillway/azure-openai"
 *
 * export const program = AzureOpenAI.chat({ messages: [{ role: "user", content: "Hi" }] }).pipe(
 *   Telemetry.withContent(true)
 * )
 * ```
 */
export const withContent: {
  (content: boolean): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, content: boolean): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, content: boolean): Effect.Effect<A, E, R> =>
  Effect.provideService(self, Content, content)
)
