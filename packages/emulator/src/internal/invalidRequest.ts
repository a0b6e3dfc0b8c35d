// Refusals that a test has no need to script. The texts of the first two were captured; the rest are OpenAI's own, or nobody's.
import type * as Wire from "../Wire.js"
import { error, invalidRequest } from "./envelope.js"

/** 400: more tokens asked for than the model can answer with. */
export const maxTokensTooLarge = (param: string, limit: number, asked: number): Wire.Reply =>
  invalidRequest(
    `${param} is too large: ${asked}. This model supports at most ${limit} completion tokens, whereas you provided ${asked}.`,
    param,
    "invalid_value"
  )

/** 400: a reasoning model was given `max_tokens`. */
export const maxTokensUnsupported: Wire.Reply = invalidRequest(
  "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
  "max_tokens",
  "unsupported_parameter"
)

/** 400: options of a stream, and no stream. */
export const streamOptionsWithoutStream: Wire.Reply = invalidRequest(
  "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
  "stream_options",
  null
)

/** 400: a parameter is missing. */
export const missingParameter = (param: string): Wire.Reply =>
  invalidRequest(`Missing required parameter: '${param}'.`, param, "missing_required_parameter")

/** 400: a parameter has a value that is not allowed. */
export const invalidValue = (param: string, message: string): Wire.Reply =>
  invalidRequest(`Invalid '${param}': ${message}`, param, "invalid_value")

/** 400: `messages` has no message in it. */
export const emptyMessages: Wire.Reply = invalidRequest(
  "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
  "messages",
  "empty_array"
)

/** 400: the body is not JSON, or not an object. */
export const invalidJson: Wire.Reply = error(400, {
  message:
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
  type: "invalid_request_error",
  param: null,
  code: null
})

/** 400: the body says that it is something else than JSON. */
export const unsupportedContentType = (type: string): Wire.Reply =>
  invalidRequest(
    `Unsupported content type: '${type}'. This API method only accepts 'application/json' requests, but you specified the header 'Content-Type: ${type}'. Please try again with a supported content type.`,
    null,
    "unsupported_content_type"
  )

/** 400: a message of a role that nobody has. */
export const unknownRole = (role: string, index: number): Wire.Reply =>
  invalidRequest(
    `Invalid value: '${role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.`,
    `messages[${index}].role`,
    "invalid_value"
  )

/** 413: the body is longer than the service takes. */
export const tooLarge = (limit: number): Wire.Reply =>
  error(413, {
    code: "RequestEntityTooLarge",
    message: `The request body is too large. At most ${limit} bytes are accepted.`
  })

/** 400 under `/openai/v1`: the body names no model, so there is no telling which deployment is meant. */
export const missingModel: Wire.Reply = error(400, {
  message: "you must provide a model parameter",
  type: "invalid_request_error",
  param: null,
  code: null
})

/** 400: a tool choice, and no tools. */
export const toolChoiceWithoutTools: Wire.Reply = invalidRequest(
  "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
  "tool_choice",
  null
)

/** 400: the tool that is to be called is not among the tools. */
export const unknownTool: Wire.Reply = invalidRequest(
  "Invalid value for 'tool_choice': the specified tool was not found in the 'tools' parameter.",
  "tool_choice",
  null
)

/** 400: JSON is asked for, and no message says so. */
export const noMentionOfJson = (param: string): Wire.Reply =>
  invalidRequest(
    `'${param}' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.`,
    param,
    null
  )

/** 400: a parameter the model does not have. */
export const unsupportedParameter = (param: string): Wire.Reply =>
  invalidRequest(`Unsupported parameter: '${param}' is not supported with this model.`, param, "unsupported_parameter")

/** 400: a parameter of which the model has only the default. */
export const unsupportedValue = (param: string, value: number, only: number): Wire.Reply =>
  invalidRequest(
    `Unsupported value: '${param}' does not support ${value} with this model. Only the default (${only}) value is supported.`,
    param,
    "unsupported_value"
  )

/** 400: a parameter that only reasoning models know. */
export const unrecognizedArgument = (param: string): Wire.Reply =>
  invalidRequest(`Unrecognized request argument supplied: ${param}`, null, null)

/** 400: a whole number that is too small. */
export const belowMinimum = (param: string, minimum: number, value: number): Wire.Reply =>
  invalidRequest(
    `Invalid '${param}': integer below minimum value. Expected a value >= ${minimum}, but got ${value} instead.`,
    param,
    "integer_below_min_value"
  )

/** 400: the response to go on from is not there. */
export const previousResponseNotFound = (id: string): Wire.Reply =>
  invalidRequest(`Previous response with id '${id}' not found.`, "previous_response_id", "previous_response_not_found")

/** 400: only what runs in the background can be cancelled. */
export const notCancellable: Wire.Reply = invalidRequest("Cannot cancel a synchronous response.", null, null)

/** 400: what runs in the background must be kept. */
export const backgroundWithoutStore: Wire.Reply = invalidRequest(
  "Background mode requires 'store' to be true.",
  "background",
  null
)

/** 400: more of the likeliest tokens, and not the likelihood of the chosen one. */
export const topLogprobsWithoutLogprobs: Wire.Reply = invalidRequest(
  "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
  "top_logprobs",
  null
)

/** 400: nothing to embed. */
export const emptyInput: Wire.Reply = invalidRequest("Invalid 'input': input cannot be empty.", "input", null)

/** 400: more to embed than goes in one request. */
export const tooManyInputs = (limit: number, given: number): Wire.Reply =>
  invalidRequest(
    `Invalid 'input': array too long. Expected an array with maximum length ${limit}, but got an array with length ${given} instead.`,
    "input",
    "array_above_max_length"
  )

/** 400: a model whose vectors have one length. */
export const fixedDimensions: Wire.Reply = invalidRequest(
  "This model does not support specifying dimensions.",
  "dimensions",
  null
)
