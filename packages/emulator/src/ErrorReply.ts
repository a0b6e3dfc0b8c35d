/**
 * Azure OpenAI's error replies, with their texts as they were documented or seen. The emulator sends them, and a test can play
 * any of them from a script.
 *
 * @since 0.1.0
 */
import * as Wire from "./Wire.js"

const error = (
  status: number,
  fields: { readonly code: string | null; readonly message: string; readonly [key: string]: unknown },
  headers?: Readonly<Record<string, string>>
): Wire.Reply => Wire.json(status, { error: fields }, headers)

const invalidRequest = (message: string, param: string | null, code: string | null): Wire.Reply =>
  error(
    400,
    { message, type: "invalid_request_error", param, code },
    { "ms-azureml-model-error-reason": "model_error", "ms-azureml-model-error-statuscode": "400" }
  )

/**
 * How long a throttled caller is told to wait.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hint {
  /** Value of `retry-after-ms`, in milliseconds. Absent: neither header is sent, unless `retryAfter` is given. */
  readonly retryAfterMs?: number | undefined
  /** Value of `retry-after`. Defaults to `retryAfterMs` in whole seconds, rounded up. */
  readonly retryAfter?: string | number | undefined
}

const seconds = (ms: number): number => Math.ceil(ms / 1000)

const hintHeaders = (hint: Hint): Record<string, string> => {
  const headers: Record<string, string> = {}
  if (hint.retryAfterMs !== undefined) {
    headers["retry-after-ms"] = String(hint.retryAfterMs)
    headers["retry-after"] = String(seconds(hint.retryAfterMs))
  }
  if (hint.retryAfter !== undefined) headers["retry-after"] = String(hint.retryAfter)
  return headers
}

/**
 * 429 of a provisioned deployment that is at 100 % or above. No rate-limit headers.
 *
 * The text is as captured; the code of the non-streaming body was not found anywhere and is taken to be `"429"`, as on Standard.
 *
 * @example
 * ```ts
 * import { ErrorReply } from "@spillway/emulator"
 *
 * const reply = ErrorReply.throughputExceeded({ retryAfterMs: 1200 })
 * reply.headers["retry-after-ms"] // => "1200"
 * reply.headers["retry-after"] // => "2"
 * ```
 *
 * @since 0.1.0
 * @category throttling
 */
export const throughputExceeded = (hint: Hint = {}): Wire.Reply =>
  error(
    429,
    {
      code: "429",
      message:
        "Requests have exceeded the throughput limit on your Provisioned-Managed deployment. If you continue to exceed your limit, consider increasing the number of provisioned throughput units deployed."
    },
    hintHeaders(hint)
  )

/**
 * 429 of a Standard deployment over its quota of tokens per minute or of calls, in the words used since 2025.
 *
 * @example
 * ```ts
 * import { ErrorReply } from "@spillway/emulator"
 *
 * ErrorReply.rateLimitReached({
 *   limit: "token",
 *   deployment: "gpt-4o",
 *   model: "gpt-4o",
 *   region: "East US",
 *   apiVersion: "2024-10-21",
 *   retryAfterMs: 26_000
 * }).headers["policy-id"] // => "DeploymentRatelimit-Token"
 * ```
 *
 * @since 0.1.0
 * @category throttling
 */
export const rateLimitReached = (
  options: Hint & {
    /** Which quota ran out. */
    readonly limit: "token" | "call"
    readonly deployment: string
    readonly model: string
    readonly region: string
    /** Absent: the call came in under `/openai/v1`. */
    readonly apiVersion?: string | undefined
    /** Azure's name of the operation. Defaults to `ChatCompletions_Create`. */
    readonly operation?: string | undefined
  }
): Wire.Reply => {
  const surface =
    options.apiVersion === undefined
      ? "OpenAI Language Model Instance API"
      : `Azure OpenAI API version ${options.apiVersion}`
  const wait = seconds(options.retryAfterMs ?? 0)
  const operation = options.operation ?? "ChatCompletions_Create"
  return error(
    429,
    {
      code: "RateLimitReached",
      message: `Your requests to ${options.deployment} for ${options.model} in ${options.region} have exceeded the ${options.limit} rate limit for your current OpenAI S0 pricing tier. This request was for ${operation} under ${surface}. Please retry after ${wait} ${wait === 1 ? "second" : "seconds"}. To increase your default rate limit, visit: https://aka.ms/oai/quotaincrease.`
    },
    {
      ...hintHeaders(options),
      "policy-id": options.limit === "token" ? "DeploymentRatelimit-Token" : "DeploymentRatelimit-Call"
    }
  )
}

/**
 * 429 of a Standard deployment whose shared pool is exhausted, though its quota is free. Often seen without a hint.
 *
 * @since 0.1.0
 * @category throttling
 */
export const noCapacity = (hint: Hint = {}): Wire.Reply =>
  error(
    429,
    {
      code: "NoCapacity",
      message:
        "The system is currently experiencing high demand and cannot process your request. Your request exceeds the maximum usage size allowed during peak load. For improved capacity reliability, consider switching to Provisioned Throughput."
    },
    hintHeaders(hint)
  )

/**
 * 400: the prompt is longer than the model takes, or than a provisioned deployment takes. The text of the latter was not found anywhere and
 * is taken to be the same with the smaller number.
 *
 * @since 0.1.0
 * @category invalid requests
 */
export const contextLengthExceeded = (limit: number, tokens: number): Wire.Reply =>
  invalidRequest(
    `This model's maximum context length is ${limit} tokens. However, your messages resulted in ${tokens} tokens. Please reduce the length of the messages.`,
    "messages",
    "context_length_exceeded"
  )

/**
 * 400: more tokens asked for than the model can answer with.
 *
 * @since 0.1.0
 * @category invalid requests
 */
export const maxTokensTooLarge = (param: string, limit: number, asked: number): Wire.Reply =>
  invalidRequest(
    `${param} is too large: ${asked}. This model supports at most ${limit} completion tokens, whereas you provided ${asked}.`,
    param,
    "invalid_value"
  )

/**
 * 400: a reasoning model was given `max_tokens`.
 *
 * @since 0.1.0
 * @category invalid requests
 */
export const maxTokensUnsupported: Wire.Reply = invalidRequest(
  "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
  "max_tokens",
  "unsupported_parameter"
)

/**
 * 400: a parameter is missing.
 *
 * @since 0.1.0
 * @category invalid requests
 */
export const missingParameter = (param: string): Wire.Reply =>
  invalidRequest(`Missing required parameter: '${param}'.`, param, "missing_required_parameter")

/**
 * 400: a parameter is of the wrong type.
 *
 * @since 0.1.0
 * @category invalid requests
 */
export const invalidType = (param: string): Wire.Reply =>
  invalidRequest(`Invalid type for '${param}'.`, param, "invalid_type")

/**
 * 400: a parameter has a value that is not allowed.
 *
 * @since 0.1.0
 * @category invalid requests
 */
export const invalidValue = (param: string, message: string): Wire.Reply =>
  invalidRequest(`Invalid '${param}': ${message}`, param, "invalid_value")

/**
 * 400: `messages` has no message in it.
 *
 * @since 0.1.0
 * @category invalid requests
 */
export const emptyMessages: Wire.Reply = invalidRequest(
  "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
  "messages",
  "empty_array"
)

/**
 * 400: the body is not JSON, or not an object.
 *
 * @since 0.1.0
 * @category invalid requests
 */
export const invalidJson: Wire.Reply = error(400, {
  message:
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
  type: "invalid_request_error",
  param: null,
  code: null
})

/**
 * 400 under `/openai/v1`: the body names no model, so there is no telling which deployment is meant.
 *
 * @since 0.1.0
 * @category invalid requests
 */
export const missingModel: Wire.Reply = error(400, {
  message: "you must provide a model parameter",
  type: "invalid_request_error",
  param: null,
  code: null
})

/**
 * 400: the deployment's model does not serve this operation.
 *
 * @since 0.1.0
 * @category invalid requests
 */
export const operationNotSupported = (operation: string, model: string): Wire.Reply =>
  error(400, {
    code: "OperationNotSupported",
    message: `The ${operation} operation does not work with the specified model, ${model}. Please choose different model and try again. You can learn more about which models can be used with each operation here: https://go.microsoft.com/fwlink/?linkid=2197993.`
  })

/**
 * 400: the prompt was stopped by the content filter, with the spelling most often seen (`innererror`, `content_filter_result`).
 *
 * @since 0.1.0
 * @category invalid requests
 */
export const contentFiltered: Wire.Reply = error(
  400,
  {
    message:
      "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry. To learn more about our content filtering policies please read our documentation: https://go.microsoft.com/fwlink/?linkid=2198766",
    type: null,
    param: "prompt",
    code: "content_filter",
    status: 400,
    innererror: {
      code: "ResponsibleAIPolicyViolation",
      content_filter_result: {
        hate: { filtered: false, severity: "safe" },
        jailbreak: { filtered: false, detected: false },
        self_harm: { filtered: false, severity: "safe" },
        sexual: { filtered: false, severity: "safe" },
        violence: { filtered: true, severity: "medium" }
      }
    }
  },
  { "x-ms-rai-invoked": "true" }
)

/**
 * 400 that Azure never sends: the request asks for something the emulator does not do.
 *
 * @since 0.1.0
 * @category invalid requests
 */
export const notEmulated = (param: string): Wire.Reply =>
  error(400, {
    message: `@spillway/emulator does not emulate '${param}' yet.`,
    type: "invalid_request_error",
    param,
    code: "NotEmulated"
  })

/**
 * 401: the key is wrong.
 *
 * @since 0.1.0
 * @category access
 */
export const invalidKey: Wire.Reply = error(401, {
  code: "401",
  message:
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource."
})

/**
 * 401: no key, and no token that is accepted. Flat, unlike every other error.
 *
 * @since 0.1.0
 * @category access
 */
export const invalidToken: Wire.Reply = Wire.json(401, {
  statusCode: 401,
  message:
    "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), or have expired."
})

/**
 * 401: the principal lacks the role.
 *
 * @since 0.1.0
 * @category access
 */
export const permissionDenied = (principal: string): Wire.Reply =>
  error(401, {
    code: "PermissionDenied",
    message: `The principal \`${principal}\` lacks the required data action \`Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action\` to perform \`POST /openai/deployments/{deployment-id}/chat/completions\` operation.`
  })

/**
 * 404: no such route, wrong method, or no usable `api-version` on a dated URL.
 *
 * @since 0.1.0
 * @category not found
 */
export const resourceNotFound: Wire.Reply = error(404, { code: "404", message: "Resource not found" })

/**
 * 404: no such deployment.
 *
 * @since 0.1.0
 * @category not found
 */
export const deploymentNotFound: Wire.Reply = error(404, {
  code: "DeploymentNotFound",
  message:
    "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again."
})

/**
 * 408: the service took too long.
 *
 * @since 0.1.0
 * @category unavailable
 */
export const timeout: Wire.Reply = error(408, { code: "Timeout", message: "The operation was timeout." })

/**
 * 500: the service failed.
 *
 * @since 0.1.0
 * @category unavailable
 */
export const internalServerError: Wire.Reply = error(500, {
  message: "The server had an error processing your request. Sorry about that!",
  type: "server_error",
  param: null,
  code: "InternalServerError"
})

/**
 * 503 of the front end, in plain text.
 *
 * @since 0.1.0
 * @category unavailable
 */
export const noHealthyUpstream: Wire.Reply = Wire.text(503, "no healthy upstream")
