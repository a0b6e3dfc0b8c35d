import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as ErrorReply from "../ErrorReply.js"
import type * as Wire from "../Wire.js"
import type { Demand } from "./capacity.js"
import type { Wish } from "./completion.js"
import type { Deployment } from "./deployment.js"
import * as InvalidRequest from "./invalidRequest.js"
import * as Path from "./path.js"
import * as Tokens from "./tokens.js"

// Only what the emulator acts on; every other parameter passes unread.
const Message = Schema.Struct({
  role: Schema.String,
  content: Schema.optional(
    Schema.NullOr(
      Schema.Union(
        Schema.String,
        Schema.Array(Schema.Struct({ type: Schema.String, text: Schema.optional(Schema.String) }))
      )
    )
  )
})
const Count = Schema.optional(Schema.NullOr(Schema.Int))
const Flag = Schema.optional(Schema.NullOr(Schema.Boolean))
const ChatRequest = Schema.Struct({
  messages: Schema.Array(Message),
  max_tokens: Count,
  max_completion_tokens: Count,
  n: Count,
  stream: Flag,
  stream_options: Schema.optional(Schema.NullOr(Schema.Struct({ include_usage: Flag, include_obfuscation: Flag })))
})

/** A chat request, as far as the emulator reads it. */
export interface ChatRequest extends Schema.Schema.Type<typeof ChatRequest> {}

const decodeEither = Schema.decodeUnknownEither(ChatRequest)

/** Reads a body; the left side is the reply that refuses it. */
export const decode = (body: unknown): Either.Either<ChatRequest, Wire.Reply> =>
  Either.mapLeft(decodeEither(body), (error) => {
    const issue = ParseResult.ArrayFormatter.formatErrorSync(error)[0]
    const param = Path.render(issue?.path ?? [])
    return issue?._tag === "Missing" ? InvalidRequest.missingParameter(param) : ErrorReply.invalidType(param)
  })

const texts = function* (request: ChatRequest): Generator<string> {
  for (const { content } of request.messages) {
    yield typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? "").join("")
  }
}

/** Estimated length of the prompt. */
export const promptTokens = (request: ChatRequest): number => Tokens.estimateMessages(texts(request))

/** Characters of the prompt, from which the content filter counts. */
export const promptCharacters = (request: ChatRequest): number => {
  let total = 0
  for (const text of texts(request)) total += text.length
  return total
}

/** The longest answer each choice may have; undefined if the request does not say. */
const maxTokens = (request: ChatRequest): number | undefined =>
  request.max_completion_tokens ?? request.max_tokens ?? undefined

/** How many answers are asked for. */
const choices = (request: ChatRequest): number => request.n ?? 1

/** What it asks of the deployment's capacity. */
export const demand = (request: ChatRequest): Demand => ({
  promptTokens: promptTokens(request),
  maxTokens: maxTokens(request),
  choices: choices(request)
})

/** What it asks for. */
export const wish = (request: ChatRequest, limit: number): Wish => ({
  subject: JSON.stringify(request.messages),
  promptTokens: promptTokens(request),
  choices: choices(request),
  limit: Math.min(maxTokens(request) ?? limit, limit)
})

/** The reply that refuses a request the model cannot take; undefined if it can. */
export const refusal = (deployment: Deployment, request: ChatRequest): Wire.Reply | undefined => {
  const { model } = deployment
  if (request.messages.length === 0) return InvalidRequest.emptyMessages
  if (request.stream_options !== undefined && request.stream_options !== null && request.stream !== true) {
    return InvalidRequest.streamOptionsWithoutStream
  }
  if (model.reasoning && typeof request.max_tokens === "number") return InvalidRequest.maxTokensUnsupported
  const param = typeof request.max_completion_tokens === "number" ? "max_completion_tokens" : "max_tokens"
  const max = maxTokens(request)
  if (max !== undefined && max < 1) return InvalidRequest.invalidValue(param, "expected a value of at least 1.")
  if (max !== undefined && max > model.maxOutputTokens) {
    return InvalidRequest.maxTokensTooLarge(param, model.maxOutputTokens, max)
  }
  if (choices(request) < 1 || choices(request) > 128)
    return InvalidRequest.invalidValue("n", "expected a value from 1 to 128.")
  const prompt = promptTokens(request)
  const limit =
    deployment.kind === "provisioned"
      ? Math.min(model.contextWindow, model.provisionedPromptLimit ?? model.contextWindow)
      : model.contextWindow
  return prompt > limit ? ErrorReply.contextLengthExceeded(limit, prompt) : undefined
}
