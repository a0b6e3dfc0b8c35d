import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as ErrorReply from "../ErrorReply.js"
import type * as Wire from "../Wire.js"
import * as Body from "./body.js"
import type { Wish } from "./completion.js"
import { type Deployment, promptLimit } from "./deployment.js"
import * as Form from "./form.js"
import * as InvalidRequest from "./invalidRequest.js"
import * as Reasoning from "./reasoning.js"
import * as Tokens from "./tokens.js"
import type * as Tools from "./tools.js"

// Only what the emulator acts on or repeats; every other parameter passes unread.
const Part = Schema.Struct({
  type: Schema.String,
  text: Body.optional(Schema.String),
  detail: Body.optional(Schema.String)
})
const Item = Schema.Struct({
  type: Body.optional(Schema.String),
  role: Body.optional(Schema.String),
  content: Body.optional(Schema.Union(Schema.String, Schema.Array(Part))),
  arguments: Body.optional(Schema.String),
  output: Body.optional(Schema.Union(Schema.String, Schema.Array(Part)))
})
const Tool = Schema.Struct({
  type: Schema.String,
  name: Body.optional(Schema.String),
  parameters: Schema.optional(Schema.Unknown)
})
const ToolChoice = Schema.Union(
  Schema.String,
  Schema.Struct({ type: Schema.String, name: Body.optional(Schema.String) })
)
const Format = Schema.Struct({ type: Schema.String, schema: Schema.optional(Schema.Unknown) })
const Flag = Body.optional(Schema.Boolean)
const Rate = Body.optional(Schema.Number)
const ResponsesRequest = Schema.Struct({
  input: Schema.Union(Schema.String, Schema.Array(Item)),
  instructions: Body.optional(Schema.String),
  max_output_tokens: Body.optional(Schema.Int),
  previous_response_id: Body.optional(Schema.String),
  store: Flag,
  background: Flag,
  stream: Flag,
  stream_options: Body.optional(Schema.Struct({ include_obfuscation: Flag })),
  tools: Body.optional(Schema.Array(Tool)),
  tool_choice: Body.optional(ToolChoice),
  text: Body.optional(Schema.Struct({ format: Body.optional(Format) })),
  include: Body.optional(Schema.Array(Schema.String)),
  top_logprobs: Body.optional(Schema.Int),
  reasoning: Body.optional(Schema.Struct({ effort: Body.optional(Schema.String) })),
  temperature: Rate,
  top_p: Rate
})

/** A request for a response, as far as the emulator reads it. */
export interface ResponsesRequest extends Schema.Schema.Type<typeof ResponsesRequest> {}

/** Reads a body; the left side is the reply that refuses it. */
export const decode = Body.decoder(ResponsesRequest)

type Item = Exclude<ResponsesRequest["input"], string>[number]

const join = (content: Item["content"]): string =>
  typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? "").join("")

const texts = function* ({ input, instructions }: ResponsesRequest): Generator<string> {
  if (instructions) yield instructions
  if (typeof input === "string") yield input
  else for (const item of input) yield join(item.content) + (item.arguments ?? "") + join(item.output)
}

const images = ({ input }: ResponsesRequest): number =>
  typeof input === "string"
    ? 0
    : input
        .flatMap(({ content }) => (typeof content === "string" ? [] : (content ?? [])))
        .reduce((total, part) => total + (part.type === "input_image" ? Tokens.image(part.detail) : 0), 0)

/** Estimated length of the prompt, without what went before. */
export const promptTokens = (request: ResponsesRequest): number =>
  Tokens.estimateMessages(texts(request)) + images(request)

const toolChoice = (choice: ResponsesRequest["tool_choice"]): Tools.Choice | undefined => {
  if (choice === undefined || choice === null) return undefined
  if (typeof choice === "object") return choice.name ? { name: choice.name } : "auto"
  return choice === "none" || choice === "required" ? choice : "auto"
}

/** What went before: the conversation that a request goes on from. */
export interface Past {
  /** What its answer was made up from. */
  readonly subject: string
  /** Its whole length. */
  readonly tokens: number
}

/** What a request asks for, or the reply that refuses it. */
export const wish = (request: ResponsesRequest, { model }: Deployment, past: Past): Either.Either<Wish, Wire.Reply> => {
  const format = request.text?.format
  return Either.map(
    Form.make({
      tools: (request.tools ?? []).flatMap((tool) =>
        tool.type === "function" && tool.name ? [{ name: tool.name, parameters: tool.parameters }] : []
      ),
      choice: toolChoice(request.tool_choice),
      format: format ? { type: format.type, schema: format.schema } : undefined,
      texts: texts(request),
      prompt: "input"
    }),
    (form): Wish => ({
      subject: past.subject + JSON.stringify([request.instructions, request.input]),
      promptTokens: past.tokens + promptTokens(request),
      choices: 1,
      limit: Math.max(0, Math.min(request.max_output_tokens ?? model.maxOutputTokens, model.maxOutputTokens)),
      form,
      reasoningTokens: Reasoning.tokensOf(model, request.reasoning?.effort)
    })
  )
}

/** The reply that refuses a request the model cannot take; undefined if it can. */
export const refusal = (deployment: Deployment, request: ResponsesRequest, past: Past): Wire.Reply | undefined => {
  const { model } = deployment
  const max = request.max_output_tokens
  if (request.background === true && request.store === false) return InvalidRequest.backgroundWithoutStore
  if (typeof max === "number" && max < 16) return InvalidRequest.belowMinimum("max_output_tokens", 16, max)
  if (typeof max === "number" && max > model.maxOutputTokens) {
    return InvalidRequest.maxTokensTooLarge("max_output_tokens", model.maxOutputTokens, max)
  }
  const refused = Reasoning.refusal(
    model,
    { param: "reasoning.effort", value: request.reasoning?.effort },
    request,
    request.top_logprobs ? ["top_logprobs"] : []
  )
  if (refused !== undefined) return refused
  const prompt = past.tokens + promptTokens(request)
  const limit = promptLimit(deployment)
  return prompt > limit ? ErrorReply.contextLengthExceeded(limit, prompt, "input") : undefined
}
