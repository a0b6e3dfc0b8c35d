/**
 * The Responses API on the wire: requests, responses, the events of a stream. Fields and events that are not named here
 * pass through unchanged, in both directions.
 *
 * Source: Azure OpenAI documentation, "Responses API", and the event types of the OpenAI SDKs.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const open = Schema.Record({ key: Schema.String, value: Schema.Unknown })

const atLeast = (minimum: number) => Schema.Int.pipe(Schema.greaterThanOrEqualTo(minimum))

/**
 * An input or output item: a message, a function call and its output, reasoning, a tool at work.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Item = Schema.Struct({ type: Schema.optional(Schema.String) }, open)

/**
 * The type of {@link Item}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Item extends Schema.Schema.Type<typeof Item> {}

const parameters = {
  input: Schema.Union(Schema.String, Schema.Array(Item)),
  instructions: Schema.optional(Schema.NullOr(Schema.String)),
  /** The response to go on from. It is asked of the deployment that made it. */
  previous_response_id: Schema.optional(Schema.NullOr(Schema.String)),
  max_output_tokens: Schema.optional(Schema.NullOr(atLeast(1))),
  max_tool_calls: Schema.optional(Schema.NullOr(atLeast(1))),
  temperature: Schema.optional(Schema.NullOr(Schema.Number.pipe(Schema.between(0, 2)))),
  top_p: Schema.optional(Schema.NullOr(Schema.Number.pipe(Schema.between(0, 1)))),
  /** Functions run here; web search, file search, code interpreter, … run at the service. */
  tools: Schema.optional(Schema.NullOr(Schema.Array(Schema.Struct({ type: Schema.String }, open)))),
  tool_choice: Schema.optional(
    Schema.NullOr(
      Schema.Union(Schema.Literal("auto", "none", "required"), Schema.Struct({ type: Schema.String }, open))
    )
  ),
  parallel_tool_calls: Schema.optional(Schema.NullOr(Schema.Boolean)),
  reasoning: Schema.optional(
    Schema.NullOr(
      Schema.Struct(
        {
          effort: Schema.optional(Schema.NullOr(Schema.String)),
          summary: Schema.optional(Schema.NullOr(Schema.String))
        },
        open
      )
    )
  ),
  /** The form of the text: `format` is `text`, `json_object` or a `json_schema`. */
  text: Schema.optional(
    Schema.NullOr(
      Schema.Struct({ format: Schema.optional(Schema.NullOr(Schema.Struct({ type: Schema.String }, open))) }, open)
    )
  ),
  /** Whether the service keeps the response, by default for 30 days. Defaults to true, at the service. */
  store: Schema.optional(Schema.NullOr(Schema.Boolean)),
  /** Whether the service works on it after the reply; then it is asked for with `getResponse`. */
  background: Schema.optional(Schema.NullOr(Schema.Boolean)),
  include: Schema.optional(Schema.NullOr(Schema.Array(Schema.String))),
  metadata: Schema.optional(Schema.NullOr(open)),
  truncation: Schema.optional(Schema.NullOr(Schema.String)),
  user: Schema.optional(Schema.NullOr(Schema.String))
}

/**
 * A request for a response. The deployment is not part of it: the Layer decides.
 *
 * @since 0.1.0
 * @category schemas
 * @example
 * ```ts
 * import type { Responses } from "@spillway/azure-openai"
 *
 * export const request: Responses.ResponseRequest = { input: "Why is the sky blue?", store: false }
 * ```
 */
export const ResponseRequest = Schema.Struct(
  {
    ...parameters,
    /** A stream is another operation. */
    stream: Schema.optional(Schema.NullOr(Schema.Literal(false)))
  },
  open
)

/**
 * The type of {@link ResponseRequest}.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResponseRequest extends Schema.Schema.Type<typeof ResponseRequest> {}

/**
 * A request for a response as a stream.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ResponseStreamRequest = Schema.Struct(
  { ...parameters, stream: Schema.optional(Schema.NullOr(Schema.Literal(true))) },
  open
)

/**
 * The type of {@link ResponseStreamRequest}.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResponseStreamRequest extends Schema.Schema.Type<typeof ResponseStreamRequest> {}

/**
 * The tokens a response was billed for.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ResponseUsage = Schema.Struct(
  { input_tokens: Schema.Number, output_tokens: Schema.Number, total_tokens: Schema.Number },
  open
)

/**
 * The type of {@link ResponseUsage}.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResponseUsage extends Schema.Schema.Type<typeof ResponseUsage> {}

/**
 * A response as the service sends it. `status` is `completed`, `incomplete`, `in_progress`, `queued`, `failed` or
 * `cancelled`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Response = Schema.Struct(
  {
    id: Schema.String,
    status: Schema.optional(Schema.String),
    model: Schema.optional(Schema.String),
    output: Schema.optional(Schema.Array(Item)),
    usage: Schema.optional(Schema.NullOr(ResponseUsage)),
    error: Schema.optional(Schema.NullOr(open)),
    incomplete_details: Schema.optional(Schema.NullOr(open))
  },
  open
)

/**
 * The type of {@link Response}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Response extends Schema.Schema.Type<typeof Response> {}

const Message = Schema.Struct({
  type: Schema.Literal("message"),
  content: Schema.Array(Schema.Struct({ type: Schema.String, text: Schema.optional(Schema.String) }, open))
})

const isMessage = Schema.is(Message)

/**
 * The text of a response: its messages' output texts, one after the other.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { Responses } from "@spillway/azure-openai"
 *
 * Responses.outputText({
 *   id: "resp_1",
 *   output: [{ type: "message", content: [{ type: "output_text", text: "Hello" }] }]
 * }) // => "Hello"
 * ```
 */
export const outputText = (response: Response): string =>
  (response.output ?? [])
    .filter(isMessage)
    .flatMap(({ content }) => content)
    .map((part) => (part.type === "output_text" ? (part.text ?? "") : ""))
    .join("")

/** Whether the model refused to answer. @internal */
export const isRefused = (response: Response): boolean =>
  (response.output ?? []).filter(isMessage).some(({ content }) => content.some(({ type }) => type === "refusal"))

const sequence = { sequence_number: Schema.optional(Schema.Number) }

const event = <Type extends string, Fields extends Schema.Struct.Fields>(type: Type, fields: Fields) =>
  Schema.Struct({ type: Schema.Literal(type), ...sequence, ...fields }, open)

const whole = { response: Response }
// Where a piece belongs is told by newer and older services in more ways than one; nothing here depends on it.
const place = { item_id: Schema.optional(Schema.String), output_index: Schema.optional(Schema.Number) }
const item = { output_index: place.output_index, item: Item }
const part = { ...place, content_index: Schema.optional(Schema.Number) }
const call = place

const Known = Schema.Union(
  event("response.created", whole),
  event("response.queued", whole),
  event("response.in_progress", whole),
  event("response.completed", whole),
  event("response.incomplete", whole),
  event("response.cancelled", whole),
  event("response.failed", whole),
  event("response.output_item.added", item),
  event("response.output_item.done", item),
  event("response.content_part.added", { ...part, part: open }),
  event("response.content_part.done", { ...part, part: open }),
  event("response.output_text.delta", { ...part, delta: Schema.String }),
  event("response.output_text.done", { ...part, text: Schema.String }),
  event("response.refusal.delta", { ...part, delta: Schema.String }),
  event("response.refusal.done", { ...part, refusal: Schema.String }),
  event("response.function_call_arguments.delta", { ...call, delta: Schema.String }),
  event("response.function_call_arguments.done", { ...call, arguments: Schema.String }),
  event("response.reasoning_summary_text.delta", { ...call, delta: Schema.String }),
  event("response.reasoning_summary_text.done", { ...call, text: Schema.String })
)

const known: ReadonlySet<string> = new Set(Known.members.map(({ fields }) => fields.type.literals[0]))

/**
 * An event whose shape is described here.
 *
 * @since 0.1.0
 * @category models
 */
export type KnownEvent = typeof Known.Type

/**
 * An event of a type that has no name here: a newer one, or a tool's.
 *
 * @since 0.1.0
 * @category schemas
 */
export const OtherEvent = Schema.Struct(
  { type: Schema.String.pipe(Schema.filter((type) => !known.has(type))), ...sequence },
  open
)

/**
 * An event of a response's stream. {@link isEvent} tells which.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ResponseEvent = Schema.Union(Known, OtherEvent)

/**
 * The type of {@link ResponseEvent}.
 *
 * @since 0.1.0
 * @category models
 */
export type ResponseEvent = typeof ResponseEvent.Type

/**
 * Whether an event is of a type, for `Stream.filter` and the like. Comparing `type` alone does not narrow it, because an
 * event without a name here could be of any type.
 *
 * @since 0.1.0
 * @category guards
 * @example
 * ```ts
 * import { Stream } from "effect"
 * import { AzureOpenAI, Responses } from "@spillway/azure-openai"
 *
 * export const items = AzureOpenAI.responseStream({ input: "Hi", store: false }).pipe(
 *   Stream.filter(Responses.isEvent("response.output_item.done")),
 *   Stream.map(({ item }) => item.type)
 * )
 * ```
 */
export const isEvent =
  <Type extends KnownEvent["type"]>(type: Type) =>
  (event: ResponseEvent): event is Extract<KnownEvent, { readonly type: Type }> =>
    event.type === type

/**
 * What the service says of a response it has deleted.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Deleted = Schema.Struct({ id: Schema.String, deleted: Schema.Boolean }, open)

/**
 * The text of a response, piece by piece, as it comes in: for a terminal or a page.
 *
 * @since 0.1.0
 * @category helpers
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { AzureOpenAI, Responses } from "@spillway/azure-openai"
 *
 * export const program = AzureOpenAI.responseStream({ input: "Hi", store: false }).pipe(
 *   Responses.texts,
 *   Stream.runForEach((text) => Effect.sync(() => process.stdout.write(text)))
 * )
 * ```
 */
export const texts = <E, R>(self: Stream.Stream<ResponseEvent, E, R>): Stream.Stream<string, E, R> =>
  self.pipe(
    Stream.filter(isEvent("response.output_text.delta")),
    Stream.map(({ delta }) => delta)
  )

/**
 * Runs a stream to its end and gives the whole text.
 *
 * @since 0.1.0
 * @category helpers
 * @example
 * ```ts
 * import { AzureOpenAI, Responses } from "@spillway/azure-openai"
 *
 * export const answer = Responses.text(AzureOpenAI.responseStream({ input: "Hi", store: false }))
 * ```
 */
export const text = <E, R>(self: Stream.Stream<ResponseEvent, E, R>): Effect.Effect<string, E, R> =>
  Stream.mkString(texts(self))

/**
 * Runs a stream to its end and gives the response it ended with, usage included. None for a stream that was cut short on
 * purpose, as by `Stream.take`.
 *
 * @since 0.1.0
 * @category helpers
 * @example
 * ```ts
 * import { AzureOpenAI, Responses } from "@spillway/azure-openai"
 *
 * export const last = Responses.response(AzureOpenAI.responseStream({ input: "Hi", store: false }))
 * ```
 */
export const response = <E, R>(
  self: Stream.Stream<ResponseEvent, E, R>
): Effect.Effect<Option.Option<Response>, E, R> =>
  Stream.runFold(self, Option.none<Response>(), (last, event) => (isLast(event) ? Option.some(event.response) : last))

const isLast = Predicate.or(
  isEvent("response.completed"),
  Predicate.or(isEvent("response.incomplete"), isEvent("response.cancelled"))
)
