// A response as it is shown: at each moment of its making, and in the end.
import * as Completion from "./completion.js"
import { identifier } from "./hash.js"
import * as Logprobs from "./logprobs.js"
import type { ResponsesRequest } from "./responsesRequest.js"

/** A response, made or in the making. */
export interface Response {
  readonly id: string
  /** Tells it from every other; its parts have identifiers made from it. */
  readonly seed: string
  readonly model: string
  /** In seconds. */
  readonly createdAt: number
  readonly request: ResponsesRequest
  /** The request's body as sent, of which parts are repeated. */
  readonly body: Readonly<Record<PropertyKey, unknown>>
  readonly completion: Completion.Completion
}

/** What a response is, at some moment. */
export type Status = "queued" | "in_progress" | "completed" | "incomplete" | "cancelled"

export const idOf = (seed: string): string => `resp_${identifier(`${seed}/response`, 48)}`

/** What it is when all of it is there. */
export const finalStatus = ({ completion }: Response): "completed" | "incomplete" =>
  completion.choices.some(({ finishReason }) => finishReason === "length" || finishReason === "content_filter")
    ? "incomplete"
    : "completed"

/** How many of the likeliest tokens come with each; undefined for no likelihoods. */
export const logprobs = ({ request }: Response): number | undefined =>
  request.include?.includes("message.output_text.logprobs") === true ? (request.top_logprobs ?? 0) : undefined

/** The thought that goes before an answer. What was thought is not said. */
export const reasoningItem = ({ seed }: Response): object => ({
  id: `rs_${identifier(`${seed}/reasoning`, 48)}`,
  type: "reasoning",
  summary: []
})

export const itemId = ({ completion, seed }: Response): string =>
  `${completion.choices[0]?.call === undefined ? "msg" : "fc"}_${identifier(`${seed}/item`, 48)}`

/** The part of a message that is its text. */
export const textPart = (response: Response, pieces: ReadonlyArray<string>): object => {
  const top = logprobs(response)
  return {
    type: "output_text",
    annotations: [],
    logprobs: top === undefined ? [] : Logprobs.make(pieces, top),
    text: pieces.join("")
  }
}

/** The message, or the function call: as it begins, or when it is done. */
export const answerItem = (response: Response, choice: Completion.Choice, status: "in_progress" | Status): object => {
  const begun = status === "in_progress"
  const id = itemId(response)
  return choice.call === undefined
    ? {
        id,
        type: "message",
        status,
        content: begun ? [] : [textPart(response, choice.pieces)],
        role: "assistant"
      }
    : {
        id,
        type: "function_call",
        status,
        arguments: begun ? "" : Completion.text(choice),
        call_id: `call_${identifier(`${response.seed}/call`, 24)}`,
        name: choice.call
      }
}

const incompleteDetails = ({ completion }: Response): object => ({
  reason: completion.choices[0]?.finishReason === "content_filter" ? "content_filter" : "max_output_tokens"
})

const usage = ({ completion }: Response): object => {
  const { completionTokens, promptTokens } = Completion.usage(completion)
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: completion.reasoningTokens },
    total_tokens: promptTokens + completionTokens
  }
}

/** The items of an answer that is done. */
export const output = (response: Response): ReadonlyArray<object> => {
  const { choices, reasoningTokens } = response.completion
  const status = finalStatus(response)
  return [
    ...(reasoningTokens > 0 ? [reasoningItem(response)] : []),
    ...choices.filter(({ pieces }) => pieces.length > 0).map((choice) => answerItem(response, choice, status))
  ]
}

/** The response as it is shown under a status. */
export const show = (response: Response, status: Status): object => {
  const { body, request } = response
  const done = status === "completed" || status === "incomplete"
  return {
    id: response.id,
    object: "response",
    created_at: response.createdAt,
    status,
    background: request.background === true,
    error: null,
    incomplete_details: status === "incomplete" ? incompleteDetails(response) : null,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    metadata: body["metadata"] ?? {},
    model: response.model,
    output: done ? output(response) : [],
    parallel_tool_calls: body["parallel_tool_calls"] ?? true,
    previous_response_id: request.previous_response_id ?? null,
    reasoning: { effort: request.reasoning?.effort ?? null, summary: null },
    service_tier: "default",
    store: request.store !== false,
    temperature: request.temperature ?? 1,
    text: body["text"] ?? { format: { type: "text" } },
    tool_choice: body["tool_choice"] ?? "auto",
    tools: body["tools"] ?? [],
    top_logprobs: request.top_logprobs ?? 0,
    top_p: request.top_p ?? 1,
    truncation: body["truncation"] ?? "disabled",
    usage: done ? usage(response) : null,
    user: body["user"] ?? null
  }
}
