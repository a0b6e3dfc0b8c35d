/**
 * Chat completions on the wire. Fields that are not named here pass through unchanged, in both directions.
 *
 * Source: Azure OpenAI REST specification 2024-10-21, and the v1 reference for newer parameters.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const open = Schema.Record({ key: Schema.String, value: Schema.Unknown })

/**
 * A part of a message: text, an image, or whatever the model takes.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ContentPart = Schema.Struct({ type: Schema.String }, open)

/**
 * A message of the conversation.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Message = Schema.Struct(
  {
    role: Schema.Literal("system", "developer", "user", "assistant", "tool", "function"),
    content: Schema.optional(Schema.NullOr(Schema.Union(Schema.String, Schema.Array(ContentPart))))
  },
  open
)

const atLeast = (minimum: number) => Schema.Int.pipe(Schema.greaterThanOrEqualTo(minimum))

/**
 * A request for a chat completion. The deployment is not part of it: the Layer decides.
 *
 * @since 0.1.0
 * @category schemas
 * @example
 * ```ts
 * import type { ChatCompletion } from "@spillway/azure-openai"
 *
 * export const request: ChatCompletion.ChatRequest = {
 *   messages: [{ role: "user", content: "Why is the sky blue?" }],
 *   max_completion_tokens: 200
 * }
 * ```
 */
export const ChatRequest = Schema.Struct(
  {
    messages: Schema.NonEmptyArray(Message),
    /** The most tokens of the answer. Provisioned deployments charge it up front and refund what was not used. */
    max_tokens: Schema.optional(atLeast(1)),
    /** The same for reasoning models, their reasoning included. */
    max_completion_tokens: Schema.optional(atLeast(1)),
    temperature: Schema.optional(Schema.Number.pipe(Schema.between(0, 2))),
    top_p: Schema.optional(Schema.Number.pipe(Schema.between(0, 1))),
    n: Schema.optional(atLeast(1)),
    seed: Schema.optional(Schema.Int),
    stop: Schema.optional(Schema.NullOr(Schema.Union(Schema.String, Schema.Array(Schema.String)))),
    frequency_penalty: Schema.optional(Schema.Number.pipe(Schema.between(-2, 2))),
    presence_penalty: Schema.optional(Schema.Number.pipe(Schema.between(-2, 2))),
    reasoning_effort: Schema.optional(Schema.String),
    user: Schema.optional(Schema.String),
    /** A stream is another operation: here it would be a body that is not JSON. */
    stream: Schema.optional(Schema.Literal(false))
  },
  open
)

/**
 * The type of {@link ChatRequest}.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChatRequest extends Schema.Schema.Type<typeof ChatRequest> {}

/**
 * The tokens a request was billed for.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Usage = Schema.Struct(
  {
    prompt_tokens: Schema.Number,
    completion_tokens: Schema.Number,
    total_tokens: Schema.Number
  },
  open
)

/**
 * The type of {@link Usage}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Usage extends Schema.Schema.Type<typeof Usage> {}

/**
 * One answer of a chat completion.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Choice = Schema.Struct(
  {
    index: Schema.Number,
    /** `stop`, `length`, `content_filter`, `tool_calls`, … */
    finish_reason: Schema.optional(Schema.NullOr(Schema.String)),
    message: Schema.Struct(
      {
        role: Schema.String,
        content: Schema.optional(Schema.NullOr(Schema.String)),
        refusal: Schema.optional(Schema.NullOr(Schema.String))
      },
      open
    )
  },
  open
)

/**
 * A chat completion as the service sends it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ChatCompletion = Schema.Struct(
  {
    id: Schema.String,
    model: Schema.optional(Schema.String),
    choices: Schema.Array(Choice),
    usage: Schema.optional(Schema.NullOr(Usage))
  },
  open
)

/**
 * The type of {@link ChatCompletion}.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChatCompletion extends Schema.Schema.Type<typeof ChatCompletion> {}
