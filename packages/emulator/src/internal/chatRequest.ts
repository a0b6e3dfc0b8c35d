import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as ErrorReply from "../ErrorReply.js"
import type * as Wire from "../Wire.js"
import * as Body from "./body.js"
import type { Demand } from "./capacity.js"
import type { Wish } from "./completion.js"
import { type Deployment, promptLimit } from "./deployment.js"
import * as Form from "./form.js"
import * as InvalidRequest from "./invalidRequest.js"
import * as Reasoning from "./reasoning.js"
import * as Tokens from "./tokens.js"
import type * as Tools from "./tools.js"

// Only what the emulator acts on; every other parameter passes unread.
const Part = Schema.Struct({
  type: Schema.String,
  text: Body.optional(Schema.String),
  image_url: Body.optional(Schema.Struct({ url: Schema.String, detail: Body.optional(Schema.String) }))
})
const Message = Schema.Struct({
  role: Schema.String,
  content: Body.optional(Schema.Union(Schema.String, Schema.Array(Part))),
  tool_calls: Body.optional(
    Schema.Array(Schema.Struct({ function: Body.optional(Schema.Struct({ arguments: Body.optional(Schema.String) })) }))
  )
})
const Tool = Schema.Struct({
  type: Schema.String,
  function: Body.optional(Schema.Struct({ name: Schema.String, parameters: Schema.optional(Schema.Unknown) }))
})
const ToolChoice = Schema.Union(
  Schema.String,
  Schema.Struct({ type: Schema.String, function: Body.optional(Schema.Struct({ name: Schema.String })) })
)
const Format = Schema.Struct({
  type: Schema.String,
  json_schema: Body.optional(Schema.Struct({ name: Schema.String, schema: Schema.optional(Schema.Unknown) }))
})
const Count = Body.optional(Schema.Int)
const Flag = Body.optional(Schema.Boolean)
const Rate = Body.optional(Schema.Number)
const ChatRequest = Schema.Struct({
  messages: Schema.Array(Message),
  max_tokens: Count,
  max_completion_tokens: Count,
  n: Count,
  stream: Flag,
  stream_options: Body.optional(Schema.Struct({ include_usage: Flag, include_obfuscation: Flag })),
  tools: Body.optional(Schema.Array(Tool)),
  tool_choice: Body.optional(ToolChoice),
  response_format: Body.optional(Format),
  logprobs: Flag,
  top_logprobs: Count,
  logit_bias: Schema.optional(Schema.Unknown),
  reasoning_effort: Body.optional(Schema.String),
  temperature: Rate,
  top_p: Rate,
  presence_penalty: Rate,
  frequency_penalty: Rate
})

/** A chat request, as far as the emulator reads it. */
export interface ChatRequest extends Schema.Schema.Type<typeof ChatRequest> {}

/** Reads a body; the left side is the reply that refuses it. */
export const decode = Body.decoder(ChatRequest)

const texts = function* (request: ChatRequest): Generator<string> {
  for (const { content, tool_calls } of request.messages) {
    const calls = (tool_calls ?? []).map((call) => call.function?.arguments ?? "").join("")
    yield (typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? "").join("")) + calls
  }
}

const images = (request: ChatRequest): number =>
  request.messages
    .flatMap(({ content }) => (typeof content === "string" ? [] : (content ?? [])))
    .reduce((total, part) => total + (part.image_url ? Tokens.image(part.image_url.detail) : 0), 0)

/** Estimated length of the prompt. */
export const promptTokens = (request: ChatRequest): number => Tokens.estimateMessages(texts(request)) + images(request)

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

const toolChoice = (choice: ChatRequest["tool_choice"]): Tools.Choice | undefined => {
  if (choice === undefined || choice === null) return undefined
  if (typeof choice === "object") return choice.function ? { name: choice.function.name } : "auto"
  return choice === "none" || choice === "required" ? choice : "auto"
}

/** What it asks for, or the reply that refuses it. */
export const wish = (request: ChatRequest, { model }: Deployment): Either.Either<Wish, Wire.Reply> => {
  const format = request.response_format
  const limit = Math.max(0, maxTokens(request) ?? model.maxOutputTokens)
  return Either.map(
    Form.make({
      tools: (request.tools ?? []).flatMap((tool) =>
        tool.function ? [{ name: tool.function.name, parameters: tool.function.parameters }] : []
      ),
      choice: toolChoice(request.tool_choice),
      format: format ? { type: format.type, schema: format.json_schema?.schema } : undefined,
      texts: texts(request),
      prompt: "messages"
    }),
    (form): Wish => ({
      subject: JSON.stringify(request.messages),
      promptTokens: promptTokens(request),
      choices: choices(request),
      limit: Math.min(limit, model.maxOutputTokens),
      form,
      reasoningTokens: Reasoning.tokensOf(model, request.reasoning_effort)
    })
  )
}

const tokenLimitRefusal = (request: ChatRequest, { model }: Deployment): Wire.Reply | undefined => {
  if (model.reasoning && typeof request.max_tokens === "number") return InvalidRequest.maxTokensUnsupported
  const param = typeof request.max_completion_tokens === "number" ? "max_completion_tokens" : "max_tokens"
  const max = maxTokens(request)
  if (max === undefined) return undefined
  if (max < 1) return InvalidRequest.invalidValue(param, "expected a value of at least 1.")
  return max > model.maxOutputTokens ? InvalidRequest.maxTokensTooLarge(param, model.maxOutputTokens, max) : undefined
}

const logprobsRefusal = (request: ChatRequest): Wire.Reply | undefined => {
  const top = request.top_logprobs ?? 0
  if (top > 0 && request.logprobs !== true) return InvalidRequest.topLogprobsWithoutLogprobs
  return top < 0 || top > 20 ? InvalidRequest.invalidValue("top_logprobs", "expected a value from 0 to 20.") : undefined
}

const roles: ReadonlySet<string> = new Set(["system", "developer", "user", "assistant", "tool", "function"])

/** The reply that refuses a request the model cannot take; undefined if it can. */
export const refusal = (deployment: Deployment, request: ChatRequest): Wire.Reply | undefined => {
  if (request.messages.length === 0) return InvalidRequest.emptyMessages
  const alien = request.messages.findIndex(({ role }) => !roles.has(role))
  if (alien !== -1) return InvalidRequest.unknownRole(request.messages[alien]?.role ?? "", alien)
  if (request.stream_options && request.stream !== true) return InvalidRequest.streamOptionsWithoutStream
  if (choices(request) < 1 || choices(request) > 128) {
    return InvalidRequest.invalidValue("n", "expected a value from 1 to 128.")
  }
  const unsupported = (["logprobs", "top_logprobs", "logit_bias"] as const).filter((param) => request[param])
  const refused =
    tokenLimitRefusal(request, deployment) ??
    Reasoning.refusal(
      deployment.model,
      { param: "reasoning_effort", value: request.reasoning_effort },
      request,
      unsupported
    ) ??
    logprobsRefusal(request)
  if (refused !== undefined) return refused
  const prompt = promptTokens(request)
  const limit = promptLimit(deployment)
  return prompt > limit ? ErrorReply.contextLengthExceeded(limit, prompt) : undefined
}
