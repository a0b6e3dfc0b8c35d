/**
 * Chat completions on the wire. Fields that are not named here pass through unchanged, in both directions.
 *
 * Source: Azure OpenAI REST specification 2024-10-21, and the v1 reference for newer parameters.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const open = Schema.Record({ key: Schema.String, value: Schema.Unknown })

const knownParts: ReadonlySet<string> = new Set(["text", "image_url", "input_audio"])

/**
 * A part of a message: text, an image, sound, or whatever else the model takes.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ContentPart = Schema.Union(
  Schema.Struct({ type: Schema.Literal("text"), text: Schema.String }, open),
  Schema.Struct(
    {
      type: Schema.Literal("image_url"),
      /** `url` may be a `data:` URL that holds the image; `detail` is `low`, `high` or `auto`. */
      image_url: Schema.Struct({ url: Schema.String, detail: Schema.optional(Schema.String) }, open)
    },
    open
  ),
  Schema.Struct(
    {
      type: Schema.Literal("input_audio"),
      input_audio: Schema.Struct({ data: Schema.String, format: Schema.String }, open)
    },
    open
  ),
  Schema.Struct({ type: Schema.String.pipe(Schema.filter((type) => !knownParts.has(type))) }, open)
)

/**
 * A call of a tool that the model asks for. `arguments` are JSON as the model wrote it: it may not fit the tool's schema.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCall = Schema.Struct(
  {
    id: Schema.String,
    type: Schema.optional(Schema.String),
    function: Schema.optional(Schema.Struct({ name: Schema.String, arguments: Schema.String }, open))
  },
  open
)

/**
 * The type of {@link ToolCall}.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolCall extends Schema.Schema.Type<typeof ToolCall> {}

/**
 * A piece of a tool call in a stream. Pieces with one `index` belong together: the id and name come once, the arguments in
 * parts.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCallDelta = Schema.Struct(
  {
    index: Schema.Number,
    id: Schema.optional(Schema.NullOr(Schema.String)),
    type: Schema.optional(Schema.NullOr(Schema.String)),
    function: Schema.optional(
      Schema.Struct(
        {
          name: Schema.optional(Schema.NullOr(Schema.String)),
          arguments: Schema.optional(Schema.NullOr(Schema.String))
        },
        open
      )
    )
  },
  open
)

/**
 * A message of the conversation. What the assistant answered is one, as it came: the `message` of a completion's choice.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Message = Schema.Struct(
  {
    role: Schema.Literal("system", "developer", "user", "assistant", "tool", "function"),
    content: Schema.optional(Schema.NullOr(Schema.Union(Schema.String, Schema.Array(ContentPart)))),
    /** What the assistant asked for, to be sent back with the results. */
    tool_calls: Schema.optional(Schema.NullOr(Schema.Array(ToolCall))),
    /** Which tool call a message of role `tool` is the result of. */
    tool_call_id: Schema.optional(Schema.String)
  },
  open
)

/**
 * A tool the model may call. `parameters` is a JSON Schema; with `strict` the model keeps to it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Tool = Schema.Union(
  Schema.Struct(
    {
      type: Schema.Literal("function"),
      function: Schema.Struct(
        {
          name: Schema.String.pipe(Schema.pattern(/^[\w-]{1,64}$/)),
          description: Schema.optional(Schema.String),
          parameters: Schema.optional(open),
          strict: Schema.optional(Schema.NullOr(Schema.Boolean))
        },
        open
      )
    },
    open
  ),
  Schema.Struct({ type: Schema.String.pipe(Schema.filter((type) => type !== "function")) }, open)
)

/**
 * The form of the answer: text, any JSON, or JSON that fits a JSON Schema.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ResponseFormat = Schema.Union(
  Schema.Struct({ type: Schema.Literal("text") }, open),
  Schema.Struct({ type: Schema.Literal("json_object") }, open),
  Schema.Struct(
    {
      type: Schema.Literal("json_schema"),
      json_schema: Schema.Struct(
        {
          name: Schema.String.pipe(Schema.pattern(/^[\w-]{1,64}$/)),
          description: Schema.optional(Schema.String),
          schema: Schema.optional(open),
          strict: Schema.optional(Schema.NullOr(Schema.Boolean))
        },
        open
      )
    },
    open
  )
)

const atLeast = (minimum: number) => Schema.Int.pipe(Schema.greaterThanOrEqualTo(minimum))

// A parameter that is null is as good as left out, at the service: it decides, not this side.
const maybe = <A, I, R>(schema: Schema.Schema<A, I, R>) => Schema.optional(Schema.NullOr(schema))

const parameters = {
  messages: Schema.Array(Message).pipe(Schema.minItems(1)),
  /** The most tokens of the answer. Provisioned deployments charge it up front and refund what was not used. */
  max_tokens: maybe(atLeast(1)),
  /** The same for reasoning models, their reasoning included. */
  max_completion_tokens: maybe(atLeast(1)),
  temperature: maybe(Schema.Number.pipe(Schema.between(0, 2))),
  top_p: maybe(Schema.Number.pipe(Schema.between(0, 1))),
  n: maybe(atLeast(1)),
  seed: maybe(Schema.Int),
  stop: maybe(Schema.Union(Schema.String, Schema.Array(Schema.String))),
  frequency_penalty: maybe(Schema.Number.pipe(Schema.between(-2, 2))),
  presence_penalty: maybe(Schema.Number.pipe(Schema.between(-2, 2))),
  tools: maybe(Schema.Array(Tool).pipe(Schema.minItems(1))),
  /** `auto`, `none`, `required`, or the one tool to call. */
  tool_choice: maybe(
    Schema.Union(Schema.Literal("auto", "none", "required"), Schema.Struct({ type: Schema.String }, open))
  ),
  parallel_tool_calls: maybe(Schema.Boolean),
  response_format: maybe(ResponseFormat),
  /** Whether each token comes with its log probability, and with how many of its likeliest alternatives. */
  logprobs: maybe(Schema.Boolean),
  top_logprobs: maybe(Schema.Int.pipe(Schema.between(0, 20))),
  logit_bias: maybe(Schema.Record({ key: Schema.String, value: Schema.Number })),
  /** How long a reasoning model thinks: `none`, `minimal`, `low`, `medium`, `high`, … */
  reasoning_effort: maybe(Schema.String),
  /** How wordy the answer is: `low`, `medium`, `high`. */
  verbosity: maybe(Schema.String),
  user: maybe(Schema.String)
}

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
    ...parameters,
    /** A stream is another operation: here it would be a body that is not JSON. */
    stream: maybe(Schema.Literal(false))
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
 * A request for a chat completion as a stream. `include_usage` asks for a last chunk with the tokens billed.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ChatStreamRequest = Schema.Struct(
  {
    ...parameters,
    stream: maybe(Schema.Literal(true)),
    stream_options: maybe(Schema.Struct({ include_usage: maybe(Schema.Boolean) }, open))
  },
  open
)

/**
 * The type of {@link ChatStreamRequest}.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChatStreamRequest extends Schema.Schema.Type<typeof ChatStreamRequest> {}

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
    total_tokens: Schema.Number,
    /** `cached_tokens`: the part of the prompt that the service had in its cache. */
    prompt_tokens_details: Schema.optional(
      Schema.NullOr(Schema.Struct({ cached_tokens: Schema.optional(Schema.NullOr(Schema.Number)) }, open))
    )
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

const TokenLogprob = Schema.Struct({ token: Schema.String, logprob: Schema.Number }, open)

/**
 * The log probabilities of an answer's tokens; each may carry `bytes` and `top_logprobs`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Logprobs = Schema.Struct(
  {
    content: Schema.optional(Schema.NullOr(Schema.Array(TokenLogprob))),
    refusal: Schema.optional(Schema.NullOr(Schema.Array(TokenLogprob)))
  },
  open
)

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
    /** What the assistant said: a {@link Message}, to be sent back as it is. */
    message: Schema.Struct(
      {
        role: Schema.Literal("assistant"),
        content: Schema.optional(Schema.NullOr(Schema.String)),
        refusal: Schema.optional(Schema.NullOr(Schema.String)),
        tool_calls: Schema.optional(Schema.NullOr(Schema.Array(ToolCall)))
      },
      open
    ),
    logprobs: Schema.optional(Schema.NullOr(Logprobs))
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
