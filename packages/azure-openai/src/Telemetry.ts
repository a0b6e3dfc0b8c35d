/**
 * The names of the OpenTelemetry attributes that describe a call to Azure OpenAI, and nothing else. Spillway's own names are
 * in `@spillway/core`.
 *
 * GenAI semantic conventions 1.41; they now live in open-telemetry/semantic-conventions-genai, where some names differ.
 *
 * @since 0.1.0
 */

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
