import type { Call } from "@spillway/core"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { CallError } from "../CallError.js"
import type { Deployment, Service } from "../Deployment.js"
import * as Failure from "../Failure.js"
import * as Reply from "../Reply.js"
import type { ResponseEvent, ResponseUsage } from "../Responses.js"
import { isRefused, outputText, Response, ResponseRequest, ResponseStreamRequest } from "../Responses.js"
import type { StreamBroken } from "../StreamBroken.js"
import type { Target } from "../Target.js"
import { attributes } from "../Telemetry.js"
import * as Content from "./content.js"
import { onFirstUse } from "./firstUse.js"
import * as Operation from "./operation.js"
import { describe, ResponseProtocol } from "./responseProtocol.js"
import { codeOf, labelOf, record } from "./serviceError.js"
import * as Structured from "./structured.js"

/**
 * A response, and who made it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResponseAnswer {
  /** The text of its messages; empty where there is none, as when the model calls a function. */
  readonly text: string
  readonly usage: ResponseUsage | undefined
  /** The response as the service sent it, unknown fields included. */
  readonly response: Response
  /** Who served it and why: deployment, outcome, waits, attempts, request id. */
  readonly served: Call.Served
}

const ranHere: ReadonlySet<string> = new Set(["function", "custom"])

/** What a request leaves behind at the service, or has it do, must not be left or done twice. @internal */
export const once = ({
  background,
  store,
  tools
}: {
  readonly background?: unknown
  readonly store?: unknown
  readonly tools?: unknown
}): boolean =>
  store !== false ||
  background === true ||
  (Array.isArray(tools) && tools.some((tool) => !ranHere.has(String(record(tool)["type"]))))

/** The deployment that is known to have made a response. @internal */
export const maker = ({ members = [] }: Service, id: string): Service | undefined =>
  members.find(({ target }) => target.responses.has(id))?.runner

/** A response goes on where it began. One that was made elsewhere, or long ago, may be known to any. @internal */
export const follow = (runner: Service, previous: unknown): Service =>
  (typeof previous === "string" ? maker(runner, previous) : undefined) ?? runner

const common: Omit<Operation.Operation<ResponseRequest | ResponseStreamRequest>, "check"> = {
  name: "chat",
  path: "responses",
  describe: (request) => ({
    [attributes.maxTokens]: request.max_output_tokens,
    [attributes.temperature]: request.temperature,
    [attributes.topP]: request.top_p
  }),
  prompt: (request) => Content.prompt(request),
  once,
  runner: (all, request) => follow(all, request.previous_response_id)
}

const operation: Operation.Operation<ResponseRequest> = {
  ...common,
  check: Operation.checkWith(onFirstUse(() => Schema.validateEither(ResponseRequest)))
}

const streaming: Operation.Operation<ResponseStreamRequest> = {
  ...common,
  check: Operation.checkWith(onFirstUse(() => Schema.validateEither(ResponseStreamRequest)))
}

const decode = Reply.decode(Response)

/** A response that failed is no answer: a throttle is a throttle, whatever the status of its reply. @internal */
export const read = (reply: Failure.RawReply, target: Target): Effect.Effect<Response, Failure.Failure> =>
  Effect.flatMap(decode(reply), (response) =>
    response.status === "failed"
      ? Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.fail(
            Reply.classifyInStream({
              ...reply,
              kind: target.kind,
              model: target.model,
              error: response.error ?? {},
              response,
              now
            })
          )
        )
      : Effect.sync(() => {
          target.responses.add(response.id)
          return response
        })
  )

const said = (response: Response): Operation.Said => ({
  attributes: describe(response),
  answer: () => ({ [attributes.outputMessages]: Content.said(response) }),
  usage: response.usage
})

const toAnswer = (response: Response, served: Call.Served): ResponseAnswer => ({
  text: outputText(response),
  usage: response.usage ?? undefined,
  response,
  served
})

/**
 * Asks for a response.
 *
 * Waits and falls back as the deployment's policy says, within what `CallSettings` allow. But what leaves something behind
 * is not sent twice: unless the request says `store: false`, is not in the background, and has only functions for tools, it
 * is sent again only after a throttle or a refused connection; whatever else goes wrong ends the call with
 * `OutcomeUnknown`. A request with a `previous_response_id` goes to the deployment that made that response, and to no
 * other, as long as this process remembers (its 10,000 newest for each deployment); an id from elsewhere goes the usual way.
 *
 * A request that cannot be right fails with `BadRequest` and is not sent. Interruption cancels the request in flight or
 * ends the wait.
 *
 * One root span `chat {model}`, with a child for every attempt and every wait.
 *
 * @since 0.1.0
 * @category operations
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { AzureOpenAI } from "@spillway/azure-openai"
 *
 * export const answer = AzureOpenAI.createResponse({ input: "Why is the sky blue?", store: false }).pipe(
 *   Effect.map(({ text }) => text)
 * )
 * ```
 */
export const createResponse = (request: ResponseRequest): Effect.Effect<ResponseAnswer, CallError, Deployment> =>
  Effect.map(Operation.whole(operation, request, read, said), ([response, served]) => toAnswer(response, served))

/**
 * A response whose JSON was decoded.
 *
 * @since 0.1.0
 * @category models
 */
export interface JsonResponseAnswer<A> extends ResponseAnswer {
  readonly value: A
}

/**
 * Asks for a response in JSON that fits a Schema, and decodes it. The Schema's JSON Schema is sent as `text.format`; where
 * it fits the service's strict mode, the model is held to it.
 *
 * Everything else as in {@link createResponse}. An answer that does not decode, was cut off or refused fails with
 * `Malformed`: its `path` says where, its `code` why (`max_output_tokens`, `content_filter`, `refusal`), and nothing of the
 * answer is in it.
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
 * export const person = AzureOpenAI.responseJson(
 *   { input: "Ada Lovelace when she wrote the notes", store: false },
 *   Person
 * ).pipe(Effect.map(({ value }) => `${value.name}, ${value.age}`))
 * ```
 */
export const responseJson = <A, I, R>(
  request: ResponseRequest,
  schema: Schema.Schema<A, I, R>,
  options?: {
    /** What the schema is called, for the model to read. Defaults to `answer`. */
    readonly name?: string | undefined
  }
): Effect.Effect<JsonResponseAnswer<A>, CallError, Deployment | R> =>
  Effect.suspend(() => {
    const output = Structured.of(schema)
    const asked: Operation.Operation<ResponseRequest> = {
      ...operation,
      check: (request) =>
        Either.flatMap(
          Either.mapLeft(output, (expected) => Failure.refused("text.format", expected)),
          ({ format }) =>
            operation.check({
              ...record(request),
              text: {
                ...record(record(request)["text"]),
                format: { type: "json_schema", name: options?.name ?? "answer", ...format }
              }
            })
        )
    }
    const decodeValue = Structured.decoder(schema, output)
    return Effect.map(
      Operation.whole(
        asked,
        request,
        (reply, target) =>
          Effect.flatMap(read(reply, target), (response) =>
            Effect.map(decodeValue(reply, toSpoken(response)), (value) => ({ response, value }))
          ),
        ({ response }) => said(response)
      ),
      ([{ response, value }, served]) => ({ ...toAnswer(response, served), value })
    )
  })

const toSpoken = (response: Response): Structured.Spoken => ({
  content: outputText(response),
  at: "output_text",
  refusal: isRefused(response) ? "output.refusal" : undefined,
  cut: codeOf(record(response.incomplete_details)["reason"])
})

/**
 * A response whose output has begun.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResponseStreaming {
  /** The events, from the first on. To be run once. */
  readonly events: Stream.Stream<ResponseEvent, StreamBroken>
  /** Who serves it and why. `totalMs` is the time to the first output. */
  readonly served: Call.Served
}

/**
 * Begins a response as a stream, and says who serves it: succeeds with the first output. The connection and the spans last
 * until the enclosing Scope closes. Otherwise as {@link responseStream}, which most programs want.
 *
 * @since 0.1.0
 * @category operations
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { AzureOpenAI, Responses } from "@spillway/azure-openai"
 *
 * export const program = Effect.scoped(
 *   Effect.gen(function* () {
 *     const { events, served } = yield* AzureOpenAI.beginResponseStream({ input: "Hi", store: false })
 *     yield* Console.error(`served by ${served.deployment}`)
 *     return yield* Responses.text(events)
 *   })
 * )
 * ```
 */
export const beginResponseStream = (
  request: ResponseStreamRequest
): Effect.Effect<ResponseStreaming, CallError, Deployment | Scope.Scope> =>
  Operation.begun(
    streaming,
    request,
    (reply, target, _, call) =>
      new ResponseProtocol(reply, target, (id) => {
        target.responses.add(id)
        // What it leaves behind can be found by it, should the call come to nothing.
        const responseId = labelOf(id)
        if (responseId !== undefined) call.recordReply({ ...call.reply, responseId })
      })
  )

/**
 * Asks for a response as a stream of events.
 *
 * Waits and falls back as the deployment's policy says, but only until the first output; `response.created`, `queued` and
 * `in_progress` are held back until then, so that they reach the caller once. A throttle that the service reports within
 * the stream, as it does here, counts as a 429 until then. Once output has begun nothing is asked again: a stream that
 * breaks, or a response that fails, ends with `StreamBroken`. What else is not sent twice, and where a request with a
 * `previous_response_id` goes, is as in {@link createResponse}.
 *
 * Nothing is read ahead of the consumer, but for the packet at hand. The connection is closed when the stream is
 * interrupted, or left early; spans end when the stream ends.
 *
 * @since 0.1.0
 * @category operations
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
export const responseStream = (
  request: ResponseStreamRequest
): Stream.Stream<ResponseEvent, CallError | StreamBroken, Deployment> =>
  Operation.streamed(beginResponseStream(request))
