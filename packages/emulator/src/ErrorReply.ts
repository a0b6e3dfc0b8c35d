/**
 * Azure OpenAI's error replies, with their texts as they were documented or seen. The emulator sends them, and a test can play
 * any of them from a script.
 *
 * @since 0.1.0
 */
import { error, invalidRequest } from "./internal/envelope.js"
import * as Hints from "./internal/hint.js"
import * as Wire from "./Wire.js"

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
    Hints.headers(hint)
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
  const wait = Hints.seconds(options.retryAfterMs ?? 0)
  const operation = options.operation ?? "ChatCompletions_Create"
  return error(
    429,
    {
      code: "RateLimitReached",
      message: `Your requests to ${options.deployment} for ${options.model} in ${options.region} have exceeded the ${options.limit} rate limit for your current OpenAI S0 pricing tier. This request was for ${operation} under ${surface}. Please retry after ${wait} ${wait === 1 ? "second" : "seconds"}. To increase your default rate limit, visit: https://aka.ms/oai/quotaincrease.`
    },
    {
      ...Hints.headers(options),
      "policy-id": options.limit === "token" ? "DeploymentRatelimit-Token" : "DeploymentRatelimit-Call"
    }
  )
}

/**
 * 429 of a Standard deployment whose shared pool is exhausted, though its quota is free. Often seen without a hint.
 *
 * @example
 * ```ts
 * import { ErrorReply, Script } from "@spillway/emulator"
 *
 * const busy = Script.error(ErrorReply.noCapacity({ retryAfter: 30 }))
 * ```
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
    Hints.headers(hint)
  )

/**
 * 400: the prompt is longer than the model takes, or than a provisioned deployment takes. The text of the latter was not found anywhere and
 * is taken to be the same with the smaller number. `param` is what the prompt is called by the operation; `messages` by default.
 *
 * @example
 * ```ts
 * import { ErrorReply, Script } from "@spillway/emulator"
 *
 * const tooLong = Script.error(ErrorReply.contextLengthExceeded(128_000, 130_001))
 * ```
 *
 * @since 0.1.0
 * @category invalid requests
 */
export const contextLengthExceeded = (limit: number, tokens: number, param = "messages"): Wire.Reply =>
  invalidRequest(
    `This model's maximum context length is ${limit} tokens. However, your messages resulted in ${tokens} tokens. Please reduce the length of the messages.`,
    param,
    "context_length_exceeded"
  )

/**
 * 400: the deployment's model does not serve this operation.
 *
 * @example
 * ```ts
 * import { ErrorReply, Script } from "@spillway/emulator"
 *
 * const wrongModel = Script.error(ErrorReply.operationNotSupported("chatCompletion", "text-embedding-3-small"))
 * ```
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
 * 400: a parameter is of the wrong type. The text is that of OpenAI's own service, shortened.
 *
 * @example
 * ```ts
 * import { ErrorReply, Script } from "@spillway/emulator"
 *
 * const bad = Script.error(ErrorReply.invalidType("messages"))
 * ```
 *
 * @since 0.1.0
 * @category invalid requests
 */
export const invalidType = (param: string): Wire.Reply =>
  invalidRequest(`Invalid type for '${param}'.`, param, "invalid_type")

/**
 * 400: the prompt was stopped by the content filter, with the spelling most often seen (`innererror`, `content_filter_result`).
 *
 * @example
 * ```ts
 * import { ErrorReply, Script } from "@spillway/emulator"
 *
 * const filtered = Script.error(ErrorReply.contentFiltered, { after: "300 millis" })
 * ```
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
 * 401: the key is wrong.
 *
 * @example
 * ```ts
 * import { ErrorReply, Script } from "@spillway/emulator"
 *
 * const step = Script.error(ErrorReply.invalidKey)
 * ```
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
 * @example
 * ```ts
 * import { ErrorReply, Script } from "@spillway/emulator"
 *
 * const step = Script.error(ErrorReply.invalidToken)
 * ```
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
 * @example
 * ```ts
 * import { ErrorReply, Script } from "@spillway/emulator"
 *
 * const noRole = Script.error(ErrorReply.permissionDenied("00000000-0000-0000-0000-000000000000"))
 * ```
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
 * 403: the resource takes no keys.
 *
 * @example
 * ```ts
 * import { ErrorReply, Script } from "@spillway/emulator"
 *
 * const step = Script.error(ErrorReply.keyAuthDisabled)
 * ```
 *
 * @since 0.1.0
 * @category access
 */
export const keyAuthDisabled: Wire.Reply = error(403, {
  code: "AuthenticationTypeDisabled",
  message: "Key based authentication is disabled for this resource."
})

/**
 * 404: no such route, wrong method, or no usable `api-version` on a dated URL.
 *
 * @example
 * ```ts
 * import { ErrorReply, Script } from "@spillway/emulator"
 *
 * const step = Script.error(ErrorReply.resourceNotFound)
 * ```
 *
 * @since 0.1.0
 * @category not found
 */
export const resourceNotFound: Wire.Reply = error(404, { code: "404", message: "Resource not found" })

/**
 * 404: no such deployment.
 *
 * @example
 * ```ts
 * import { ErrorReply, Script } from "@spillway/emulator"
 *
 * const step = Script.error(ErrorReply.deploymentNotFound)
 * ```
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
 * 404: the resource has no such stored response. The text is that of OpenAI's own service.
 *
 * @example
 * ```ts
 * import { ErrorReply, Script } from "@spillway/emulator"
 *
 * const step = Script.error(ErrorReply.responseNotFound("resp_1"))
 * ```
 *
 * @since 0.1.0
 * @category not found
 */
export const responseNotFound = (id: string): Wire.Reply =>
  error(404, {
    message: `Response with id '${id}' not found.`,
    type: "invalid_request_error",
    param: null,
    code: null
  })

/**
 * 408: the service took too long.
 *
 * @example
 * ```ts
 * import { ErrorReply, Script } from "@spillway/emulator"
 *
 * const step = Script.error(ErrorReply.timeout)
 * ```
 *
 * @since 0.1.0
 * @category unavailable
 */
export const timeout: Wire.Reply = error(408, { code: "Timeout", message: "The operation was timeout." })

/**
 * 500: the service failed.
 *
 * @example
 * ```ts
 * import { ErrorReply, Script } from "@spillway/emulator"
 *
 * const step = Script.error(ErrorReply.internalServerError)
 * ```
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
 * @example
 * ```ts
 * import { ErrorReply, Script } from "@spillway/emulator"
 *
 * // as it stands, without Azure's usual headers
 * const frontEnd = Script.reply(ErrorReply.noHealthyUpstream)
 * ```
 *
 * @since 0.1.0
 * @category unavailable
 */
export const noHealthyUpstream: Wire.Reply = Wire.text(503, "no healthy upstream")
