import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as ErrorReply from "../ErrorReply.js"
import * as Wire from "../Wire.js"
import * as Answer from "./answer.js"
import type { Usage } from "./capacity.js"
import type { Deployment } from "./deployment.js"
import { hash, identifier } from "./hash.js"
import * as InvalidRequest from "./invalidRequest.js"
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
const ChatRequest = Schema.Struct({
  messages: Schema.Array(Message),
  max_tokens: Count,
  max_completion_tokens: Count,
  n: Count,
  stream: Schema.optional(Schema.NullOr(Schema.Boolean))
})

/** A chat request, as far as the emulator reads it. */
export interface ChatRequest extends Schema.Schema.Type<typeof ChatRequest> {}

const decodeEither = Schema.decodeUnknownEither(ChatRequest)

const renderPath = (path: ReadonlyArray<PropertyKey>): string =>
  path.reduce<string>(
    (text, part) =>
      typeof part === "number" ? `${text}[${part}]` : text === "" ? String(part) : `${text}.${String(part)}`,
    ""
  )

/** Reads a body; the left side is the reply that refuses it. */
export const decode = (body: unknown): Either.Either<ChatRequest, Wire.Reply> =>
  Either.mapLeft(decodeEither(body), (error) => {
    const issue = ParseResult.ArrayFormatter.formatErrorSync(error)[0]
    const param = renderPath(issue?.path ?? [])
    return issue?._tag === "Missing" ? InvalidRequest.missingParameter(param) : ErrorReply.invalidType(param)
  })

const texts = function* (request: ChatRequest): Generator<string> {
  for (const { content } of request.messages) {
    yield typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? "").join("")
  }
}

/** Estimated length of the prompt. */
export const promptTokens = (request: ChatRequest): number => Tokens.estimateMessages(texts(request))

/** The longest answer each choice may have; undefined if the request does not say. */
export const maxTokens = (request: ChatRequest): number | undefined =>
  request.max_completion_tokens ?? request.max_tokens ?? undefined

/** How many answers are asked for. */
export const choices = (request: ChatRequest): number => request.n ?? 1

/** The reply that refuses a request the model cannot take; undefined if it can. */
export const refusal = (deployment: Deployment, request: ChatRequest): Wire.Reply | undefined => {
  const { model } = deployment
  if (request.messages.length === 0) return InvalidRequest.emptyMessages
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

/** An answer before it is written down. */
export interface Completion {
  readonly texts: ReadonlyArray<{ readonly text: string; readonly finishReason: string }>
  readonly usage: Usage
  /** Length of the longest of them, in tokens: what its generation takes. */
  readonly longest: number
}

/** Makes an answer up from the messages alone, so that neither the URL's style nor the deployment's kind changes it. */
export const complete = (
  request: ChatRequest,
  length: { readonly min: number; readonly max: number },
  limit: number
): Completion => {
  const subject = JSON.stringify(request.messages)
  const answers = Array.from({ length: choices(request) }, (_, index) =>
    Answer.makeUp(index === 0 ? subject : `${subject}${index}`, length, Math.min(maxTokens(request) ?? limit, limit))
  )
  return {
    texts: answers.map(({ cut, text }) => ({ text, finishReason: cut ? "length" : "stop" })),
    usage: {
      promptTokens: promptTokens(request),
      completionTokens: answers.reduce((total, answer) => total + answer.tokens, 0)
    },
    longest: Math.max(0, ...answers.map((answer) => answer.tokens))
  }
}

/** An answer with a text of the caller's choosing, never cut. */
export const say = (request: ChatRequest, text: string): Completion => {
  const completionTokens = Math.max(1, Tokens.estimate(text))
  return {
    texts: [{ text, finishReason: "stop" }],
    usage: { promptTokens: promptTokens(request), completionTokens },
    longest: completionTokens
  }
}

const safe = { filtered: false, severity: "safe" }
const filterResults = { hate: safe, self_harm: safe, sexual: safe, violence: safe }

/** Writes an answer down. `id` is what tells one reply from another. */
export const reply = (
  completion: Completion,
  options: { readonly model: string; readonly id: string; readonly headers: Readonly<Record<string, string>> }
): Effect.Effect<Wire.Reply> =>
  Effect.map(Clock.currentTimeMillis, (now) =>
    Wire.json(
      200,
      {
        choices: completion.texts.map(({ finishReason, text }, index) => ({
          content_filter_results: filterResults,
          finish_reason: finishReason,
          index,
          logprobs: null,
          message: { annotations: [], content: text, refusal: null, role: "assistant" }
        })),
        created: Math.floor(now / 1000),
        id: `chatcmpl-${identifier(options.id, 29)}`,
        model: options.model,
        object: "chat.completion",
        prompt_filter_results: [
          {
            prompt_index: 0,
            content_filter_results: { ...filterResults, jailbreak: { filtered: false, detected: false } }
          }
        ],
        system_fingerprint: `fp_${hash(options.model).toString(16).padStart(8, "0")}`,
        usage: {
          completion_tokens: completion.usage.completionTokens,
          completion_tokens_details: {
            accepted_prediction_tokens: 0,
            audio_tokens: 0,
            reasoning_tokens: 0,
            rejected_prediction_tokens: 0
          },
          prompt_tokens: completion.usage.promptTokens,
          prompt_tokens_details: { audio_tokens: 0, cached_tokens: 0 },
          total_tokens: completion.usage.promptTokens + completion.usage.completionTokens
        }
      },
      { "x-ms-rai-invoked": "true", "x-accel-buffering": "no", ...options.headers }
    )
  )
