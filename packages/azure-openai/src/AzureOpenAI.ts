/**
 * The operations of Azure OpenAI, answered by whatever deployment the program is given.
 *
 * @since 0.1.0
 */
import type { Call } from "@spillway/core"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { CallError } from "./CallError.js"
import type { StreamBroken } from "./StreamBroken.js"
import type { Usage } from "./ChatCompletion.js"
import { ChatCompletion, ChatRequest, ChatStreamRequest } from "./ChatCompletion.js"
import type { ChatChunk } from "./ChatStream.js"
import type { Deployment } from "./Deployment.js"
import { ChatProtocol } from "./internal/chatProtocol.js"
import * as Content from "./internal/content.js"
import { onFirstUse } from "./internal/firstUse.js"
import * as Operation from "./internal/operation.js"
import { codeOf, labelOf, record } from "./internal/serviceError.js"
import * as Structured from "./internal/structured.js"
import * as Failure from "./Failure.js"
import * as Reply from "./Reply.js"
import { attributes } from "./Telemetry.js"

/**
 * The answer to a chat request.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChatAnswer {
  /** The text of the first choice; empty where there is none, as when the model calls a tool. */
  readonly text: string
  readonly usage: Usage | undefined
  /** The completion as the service sent it, unknown fields included. */
  readonly completion: ChatCompletion
  /** Who served it and why: deployment, outcome, waits, attempts, request id. */
  readonly served: Call.Served
}

const requestAttributes = (request: ChatRequest | ChatStreamRequest): Record<string, unknown> => ({
  [attributes.maxTokens]: request.max_completion_tokens ?? request.max_tokens,
  [attributes.temperature]: request.temperature,
  [attributes.topP]: request.top_p,
  [attributes.frequencyPenalty]: request.frequency_penalty,
  [attributes.presencePenalty]: request.presence_penalty,
  [attributes.seed]: request.seed,
  [attributes.choiceCount]: request.n === 1 ? undefined : request.n
})

const common: Omit<Operation.Operation<ChatRequest | ChatStreamRequest>, "check"> = {
  name: "chat",
  path: "chat/completions",
  describe: requestAttributes,
  prompt: ({ messages }) => ({ [attributes.inputMessages]: Content.input(messages) })
}

const operation: Operation.Operation<ChatRequest> = {
  ...common,
  check: Operation.checkWith(onFirstUse(() => Schema.validateEither(ChatRequest)))
}

const streaming: Operation.Operation<ChatStreamRequest> = {
  ...common,
  check: Operation.checkWith(onFirstUse(() => Schema.validateEither(ChatStreamRequest)))
}

const decode = Reply.decode(ChatCompletion)

const said = (completion: ChatCompletion): Operation.Said => ({
  attributes: {
    [attributes.responseId]: labelOf(completion.id),
    [attributes.responseModel]: labelOf(completion.model),
    // A string, because exporters write an array as one pretty-printed string anyway.
    [attributes.finishReasons]: completion.choices.map((choice) => codeOf(choice.finish_reason) ?? "none").join(","),
    [attributes.inputTokens]: completion.usage?.prompt_tokens,
    [attributes.cachedTokens]: completion.usage?.prompt_tokens_details?.cached_tokens || undefined,
    [attributes.outputTokens]: completion.usage?.completion_tokens
  },
  answer: () => ({ [attributes.outputMessages]: Content.output(completion) }),
  usage: completion.usage
})

const toAnswer = (completion: ChatCompletion, served: Call.Served): ChatAnswer => ({
  text: completion.choices[0]?.message.content ?? "",
  usage: completion.usage ?? undefined,
  completion,
  served
})

/**
 * Asks for a chat completion.
 *
 * Waits and falls back as the deployment's policy says, within what `CallSettings` allow. The request is checked before
 * anything is sent: one that cannot be right fails with `BadRequest` and no attempts. Interruption cancels the request in
 * flight or ends the wait; nothing is sent afterwards.
 *
 * One root span `chat {model}`, with a child for every attempt and every wait.
 *
 * @since 0.1.0
 * @category operations
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { CallSettings } from "@spillway/core"
 * import { AzureOpenAI } from "@spillway/azure-openai"
 *
 * export const program = AzureOpenAI.chat({ messages: [{ role: "user", content: "Hi" }] }).pipe(
 *   CallSettings.withMaxWait("2 seconds"),
 *   Effect.tap((answer) => Console.log(answer.text, answer.served.outcome)),
 *   Effect.catchTag("RateLimited", (error) => Console.error(`${error.deployment} is out of capacity`))
 * )
 * ```
 */
export const chat = (request: ChatRequest): Effect.Effect<ChatAnswer, CallError, Deployment> =>
  Effect.map(Operation.whole(operation, request, decode, said), ([completion, served]) => toAnswer(completion, served))

/**
 * The answer to a chat request whose JSON was decoded.
 *
 * @since 0.1.0
 * @category models
 */
export interface JsonAnswer<A> extends ChatAnswer {
  readonly value: A
}

/**
 * Asks for a chat completion in JSON that fits a Schema, and decodes it. The Schema's JSON Schema is sent as
 * `response_format`; where it fits the service's strict mode, the model is held to it.
 *
 * Everything else as in {@link chat}. An answer that does not decode, was cut off or refused fails with `Malformed`: its
 * `path` says where, its `code` why (`length`, `content_filter`, `refusal`), and nothing of the answer is in it.
 *
 * @since 0.1.0
 * @category operations
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { AzureOpenAI } from "@spillway/azure-openai"
 *
 * const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
 *
 * export const person = AzureOpenAI.chatJson(
 *   { messages: [{ role: "user", content: "Ada Lovelace when she wrote the notes" }] },
 *   Person
 * ).pipe(Effect.map(({ value }) => `${value.name}, ${value.age}`))
 * ```
 */
export const chatJson = <A, I, R>(
  request: ChatRequest,
  schema: Schema.Schema<A, I, R>,
  options?: {
    /** What the schema is called, for the model to read. Defaults to `answer`. */
    readonly name?: string | undefined
  }
): Effect.Effect<JsonAnswer<A>, CallError, Deployment | R> =>
  Effect.suspend(() => {
    const output = Structured.of(schema)
    const asked: Operation.Operation<ChatRequest> = {
      ...operation,
      check: (request) =>
        Either.flatMap(
          Either.mapLeft(output, (expected) => Failure.refused("response_format", expected)),
          ({ format }) =>
            operation.check({
              ...record(request),
              response_format: { type: "json_schema", json_schema: { name: options?.name ?? "answer", ...format } }
            })
        )
    }
    const decodeValue = Structured.decoder(schema, output)
    return Effect.map(
      Operation.whole(
        asked,
        request,
        (reply) =>
          Effect.flatMap(decode(reply), (completion) =>
            Effect.map(decodeValue(reply, toSpoken(completion)), (value) => ({ completion, value }))
          ),
        ({ completion }) => said(completion)
      ),
      ([{ completion, value }, served]) => ({ ...toAnswer(completion, served), value })
    )
  })

const toSpoken = ({ choices }: ChatCompletion): Structured.Spoken => {
  const choice = choices[0]
  const { content, refusal } = choice?.message ?? {}
  const finish = choice?.finish_reason
  return {
    content,
    at: "choices.0.message.content",
    refusal: refusal ? "choices.0.message.refusal" : undefined,
    cut: finish && finish !== "stop" ? codeOf(finish) : undefined
  }
}

/**
 * A chat completion whose output has begun.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChatStreaming {
  /** The chunks, from the first on. To be run once. */
  readonly chunks: Stream.Stream<ChatChunk, StreamBroken>
  /** Who serves it and why. `totalMs` is the time to the first output. */
  readonly served: Call.Served
}

/**
 * Begins a chat completion as a stream, and says who serves it: succeeds with the first output. The connection and the
 * spans last until the enclosing Scope closes. Otherwise as {@link chatStream}, which most programs want.
 *
 * @since 0.1.0
 * @category operations
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { AzureOpenAI, ChatStream } from "@spillway/azure-openai"
 *
 * export const program = Effect.scoped(
 *   Effect.gen(function* () {
 *     const { chunks, served } = yield* AzureOpenAI.beginChatStream({ messages: [{ role: "user", content: "Hi" }] })
 *     yield* Console.error(`served by ${served.deployment}`)
 *     return yield* ChatStream.text(chunks)
 *   })
 * )
 * ```
 */
export const beginChatStream = (
  request: ChatStreamRequest
): Effect.Effect<ChatStreaming, CallError, Deployment | Scope.Scope> =>
  Effect.map(beginChat(request), ({ events, served }) => ({ chunks: events, served }))

const beginChat = (request: ChatStreamRequest) =>
  Operation.begun(streaming, request, (reply, target, request) => new ChatProtocol(reply, target, request))

/**
 * Asks for a chat completion as a stream of chunks.
 *
 * Waits and falls back as the deployment's policy says, but only until the first output: text, a tool call, a finish
 * reason. Whatever precedes it (the filter's verdict on the prompt, the role) is held back until then, so one preamble
 * reaches the caller, never two. Once output was handed out nothing is asked again: a stream that breaks fails with
 * `StreamBroken`, which holds the text received. Where the packet of the first output also brings a throttle or a fault,
 * nothing of it is handed out, so it is asked again as if there had been no output. The stream ends well at `[DONE]`; where
 * the connection ends without one, only if every choice has finished, and the usage has come if it was asked for.
 *
 * Nothing is read ahead of the consumer, but for the packet at hand. The connection is closed when the stream is
 * interrupted, or left early; spans end when the stream ends. A request that cannot be right fails with `BadRequest`.
 *
 * @since 0.1.0
 * @category operations
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
export const chatStream = (
  request: ChatStreamRequest
): Stream.Stream<ChatChunk, CallError | StreamBroken, Deployment> => Operation.streamed(beginChat(request))

export { embed, embeddings } from "./internal/embeddings.js"
export type { EmbeddingsAnswer } from "./internal/embeddings.js"
export { beginResponseStream, createResponse, responseJson, responseStream } from "./internal/responses.js"
export type { JsonResponseAnswer, ResponseAnswer, ResponseStreaming } from "./internal/responses.js"
export { cancelResponse, deleteResponse, getResponse } from "./internal/storedResponses.js"
