/**
 * Chat completions as a stream of chunks: their shape on the wire, and what is commonly made of them.
 *
 * Source: Azure OpenAI REST specification 2024-10-21, and "Content streaming" for the filter's chunks.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { ChatCompletion, ToolCall } from "./ChatCompletion.js"
import { Logprobs, ToolCallDelta, Usage } from "./ChatCompletion.js"

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
 */
export const text = <E, R>(self: Stream.Stream<ChatChunk, E, R>): Effect.Effect<string, E, R> =>
  Stream.mkString(texts(self))

/**
 * Runs a stream to its end and gives the tokens billed: none unless the request asked with `stream_options.include_usage`.
 *
 * @since 0.1.0
 * @category helpers
 */
export const usage = <E, R>(self: Stream.Stream<ChatChunk, E, R>): Effect.Effect<Option.Option<Usage>, E, R> =>
  Stream.runFold(self, Option.none<Usage>(), (last, chunk) => (chunk.usage ? Option.some(chunk.usage) : last))

interface Draft {
  text: string | undefined
  refusal: string | undefined
  finish: string | undefined
  readonly tools: Map<number, { id: string; type: string; name: string; arguments: string }>
}

/**
 * Runs a stream to its end and puts the chunks together into the completion they are the pieces of: texts, refusals, tool
 * calls, finish reasons, usage.
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
    const drafts = new Map<number, Draft>()
    let id = ""
    let model: string | undefined
    let usage: Usage | undefined
    const add = (chunk: ChatChunk): void => {
      id = chunk.id || id
      model = chunk.model || model
      usage = chunk.usage ?? usage
      for (const { delta, finish_reason: finish, index } of chunk.choices) {
        const draft = drafts.get(index) ?? { text: undefined, refusal: undefined, finish: undefined, tools: new Map() }
        drafts.set(index, draft)
        if (Predicate.isString(delta?.content)) draft.text = (draft.text ?? "") + delta.content
        if (Predicate.isString(delta?.refusal)) draft.refusal = (draft.refusal ?? "") + delta.refusal
        if (finish) draft.finish = finish
        for (const piece of delta?.tool_calls ?? []) {
          const call = draft.tools.get(piece.index) ?? { id: "", type: "function", name: "", arguments: "" }
          draft.tools.set(piece.index, {
            id: piece.id ?? call.id,
            type: piece.type ?? call.type,
            name: call.name + (piece.function?.name ?? ""),
            arguments: call.arguments + (piece.function?.arguments ?? "")
          })
        }
      }
    }
    const toolCalls = (draft: Draft): ReadonlyArray<ToolCall> =>
      [...draft.tools.values()].map(({ arguments: text, id, name, type }) => ({
        id,
        type,
        function: { name, arguments: text }
      }))
    const finished = (): ChatCompletion => ({
      id,
      ...(model === undefined ? {} : { model }),
      ...(usage === undefined ? {} : { usage }),
      choices: Array.from(drafts, ([index, draft]) => {
        const message = { role: "assistant" as const, content: draft.text ?? null, refusal: draft.refusal ?? null }
        return {
          index,
          finish_reason: draft.finish ?? null,
          message:
            draft.tools.size === 0 ? message : { ...message, content: draft.text || null, tool_calls: toolCalls(draft) }
        }
      })
    })
    return Effect.map(
      Stream.runForEach(self, (chunk) => Effect.sync(() => add(chunk))),
      finished
    )
  })
