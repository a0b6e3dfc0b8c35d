/**
 * Chat completions as a stream of chunks: their shape on the wire, and what is commonly made of them.
 *
 * Source: Azure OpenAI REST specification 2024-10-21, and "Content streaming" for the filter's chunks.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { ChatCompletion } from "./ChatCompletion.js"
import { Logprobs, ToolCallDelta, Usage } from "./ChatCompletion.js"
import { CompletionDraft } from "./internal/completionDraft.js"

const open = Schema.Record({ key: Schema.String, value: Schema.Unknown })

/**
 * What a chunk adds to a message.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Delta = Schema.Struct(
  {
    role: Schema.optional(Schema.NullOr(Schema.String)),
    content: Schema.optional(Schema.NullOr(Schema.String)),
    refusal: Schema.optional(Schema.NullOr(Schema.String)),
    tool_calls: Schema.optional(Schema.NullOr(Schema.Array(ToolCallDelta)))
  },
  open
)

/**
 * What a chunk adds to a choice. Without `delta` it is an annotation of the asynchronous content filter.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ChunkChoice = Schema.Struct(
  {
    index: Schema.Number,
    delta: Schema.optional(Delta),
    finish_reason: Schema.optional(Schema.NullOr(Schema.String)),
    logprobs: Schema.optional(Schema.NullOr(Logprobs))
  },
  open
)

/**
 * One chunk. The first has no choices but the filter's verdict on the prompt; the last, where `include_usage` asked for it,
 * none but the usage.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ChatChunk = Schema.Struct(
  {
    id: Schema.optional(Schema.String),
    model: Schema.optional(Schema.String),
    choices: Schema.Array(ChunkChoice),
    usage: Schema.optional(Schema.NullOr(Usage))
  },
  open
)

/**
 * The type of {@link ChatChunk}.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChatChunk extends Schema.Schema.Type<typeof ChatChunk> {}

/**
 * The text of the first choice, piece by piece, as it comes in: for a terminal or a page.
 *
 * @since 0.1.0
 * @category helpers
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { AzureOpenAI, ChatStream } from "@spillway/azure-openai"
 *
 * export const program = AzureOpenAI.chatStream({ messages: [{ role: "user", content: "Hi" }] }).pipe(
 *   ChatStream.texts,
 *   Stream.runForEach((text) => Effect.sync(() => process.stdout.write(text)))
 * )
 * ```
 */
export const texts = <E, R>(self: Stream.Stream<ChatChunk, E, R>): Stream.Stream<string, E, R> =>
  Stream.filterMap(self, (chunk) => {
    const text = chunk.choices.map((choice) => (choice.index === 0 ? (choice.delta?.content ?? "") : "")).join("")
    return text === "" ? Option.none() : Option.some(text)
  })

/**
 * Runs a stream to its end and gives the whole text of the first choice.
 *
 * @since 0.1.0
 * @category helpers
 * @example
 * ```ts
 * import { AzureOpenAI, ChatStream } from "@spillway/azure-openai"
 *
 * export const story = ChatStream.text(AzureOpenAI.chatStream({ messages: [{ role: "user", content: "Tell me a story" }] }))
 * ```
 */
export const text = <E, R>(self: Stream.Stream<ChatChunk, E, R>): Effect.Effect<string, E, R> =>
  Stream.mkString(texts(self))

/**
 * Runs a stream to its end and gives the tokens billed: none unless the request asked with `stream_options.include_usage`.
 *
 * @since 0.1.0
 * @category helpers
 * @example
 * ```ts
 * import { AzureOpenAI, ChatStream } from "@spillway/azure-openai"
 *
 * export const billed = ChatStream.usage(
 *   AzureOpenAI.chatStream({
 *     messages: [{ role: "user", content: "Hi" }],
 *     stream_options: { include_usage: true }
 *   })
 * )
 * ```
 */
export const usage = <E, R>(self: Stream.Stream<ChatChunk, E, R>): Effect.Effect<Option.Option<Usage>, E, R> =>
  Stream.runFold(self, Option.none<Usage>(), (last, chunk) => (chunk.usage ? Option.some(chunk.usage) : last))

/**
 * Runs a stream to its end and puts the chunks together into the completion they are the pieces of: texts, refusals, tool
 * calls, log probabilities, finish reasons, usage. Fields without a name here are kept: in a message or a tool call, texts and
 * lists are put together like the others (`reasoning_content`); elsewhere the last word counts (`system_fingerprint`, the
 * filter's results).
 *
 * @since 0.1.0
 * @category helpers
 * @example
 * ```ts
 * import { AzureOpenAI, ChatStream } from "@spillway/azure-openai"
 *
 * export const completion = ChatStream.completion(
 *   AzureOpenAI.chatStream({ messages: [{ role: "user", content: "Hi" }], stream_options: { include_usage: true } })
 * )
 * ```
 */
export const completion = <E, R>(self: Stream.Stream<ChatChunk, E, R>): Effect.Effect<ChatCompletion, E, R> =>
  Effect.suspend(() => {
    const draft = new CompletionDraft()
    return Effect.map(
      Stream.runForEach(self, (chunk) => Effect.sync(() => draft.add(chunk))),
      () => draft.finished()
    )
  })
