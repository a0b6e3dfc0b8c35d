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

/** 400 under `/openai/v1`: the body names no model, so there is no telling which deployment is meant. */
export const missingModel: Wire.Reply = error(400, {
  message: "you must provide a model parameter",
  type: "invalid_request_error",
  param: null,
  code: null
})
