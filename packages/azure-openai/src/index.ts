/**
 * Order and pace for the calls to provisioned deployments.
 *
 * @since 0.1.0
 */
export * as Admission from "./Admission.js"

/**
 * The operations of Azure OpenAI, answered by whatever deployment the program is given.
 *
 * @since 0.1.0
 */
export * as AzureOpenAI from "./AzureOpenAI.js"

/**
 * What a call can fail with.
 *
 * @since 0.1.0
 */
export * as CallError from "./CallError.js"

/**
 * What a unit of provisioned throughput is worth, by model.
 *
 * @since 0.1.0
 */
export * as Capacity from "./Capacity.js"

/**
 * Chat completions on the wire.
 *
 * @since 0.1.0
 */
export * as ChatCompletion from "./ChatCompletion.js"

/**
 * Chat completions as a stream of chunks.
 *
 * @since 0.1.0
 */
export * as ChatStream from "./ChatStream.js"

/**
 * Signing in without a key.
 *
 * @since 0.1.0
 */
export * as Credential from "./Credential.js"

/**
 * Deployments as Layers.
 *
 * @since 0.1.0
 */
export * as Deployment from "./Deployment.js"

/**
 * Embeddings on the wire.
 *
 * @since 0.1.0
 */
export * as Embeddings from "./Embeddings.js"

/**
 * Where a resource is reached, and how its URLs are written.
 *
 * @since 0.1.0
 */
export * as Endpoint from "./Endpoint.js"

/**
 * What one reply, or the lack of one, came to.
 *
 * @since 0.1.0
 */
export * as Failure from "./Failure.js"

/**
 * A `fetch` that applies the policy.
 *
 * @since 0.1.0
 */
export * as FetchBridge from "./FetchBridge.js"

/**
 * An HttpClient that applies the policy.
 *
 * @since 0.1.0
 */
export * as HttpClientBridge from "./HttpClientBridge.js"

/**
 * What each reply means.
 *
 * @since 0.1.0
 */
export * as Reply from "./Reply.js"

/**
 * Signing in with Microsoft Entra ID.
 *
 * @since 0.1.0
 */
export * as Entra from "./Entra.js"

/**
 * The Responses API on the wire.
 *
 * @since 0.1.0
 */
export * as Responses from "./Responses.js"

/**
 * Server-sent events.
 *
 * @since 0.1.0
 */
export * as Sse from "./Sse.js"

/**
 * What a stream fails with once its output has begun.
 *
 * @since 0.1.0
 */
export * as StreamBroken from "./StreamBroken.js"

/**
 * JSON Schemas for structured output.
 *
 * @since 0.1.0
 */
export * as StructuredOutput from "./StructuredOutput.js"

/**
 * One deployment on the wire.
 *
 * @since 0.1.0
 */
export * as Target from "./Target.js"

/**
 * The names of the OpenTelemetry attributes that describe a call to Azure OpenAI.
 *
 * @since 0.1.0
 */
export * as Telemetry from "./Telemetry.js"

/**
 * What a request will take, in tokens, told before it is sent.
 *
 * @since 0.1.0
 */
export * as Tokens from "./Tokens.js"
