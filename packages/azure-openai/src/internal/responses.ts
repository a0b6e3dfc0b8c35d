import { Call, Runner } from "@spillway/core"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { CallError } from "../CallError.js"
import type { StreamBroken } from "../StreamBroken.js"
import type { Service } from "../Deployment.js"
import { Deployment } from "../Deployment.js"
import * as Failure from "../Failure.js"
import * as Reply from "../Reply.js"
import type { ResponseEvent, ResponseUsage } from "../Responses.js"
import { Deleted, outputText, Response, ResponseRequest, ResponseStreamRequest } from "../Responses.js"
import type { Request, Target } from "../Target.js"
import { attributes } from "../Telemetry.js"
import * as Operation from "./operation.js"
import { record } from "./serviceError.js"
import { describe, ResponseProtocol } from "./responseProtocol.js"

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

type AnyRequest = ResponseRequest | ResponseStreamRequest

const requestAttributes = (request: AnyRequest): Record<string, unknown> => ({
  [attributes.maxTokens]: request.max_output_tokens,
  [attributes.temperature]: request.temperature,
  [attributes.topP]: request.top_p
})

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

const membersOf = (runner: Service) => runner.members ?? []

const maker = (runner: Service, id: string): Service | undefined =>
  membersOf(runner).find(({ target }) => target.responses.has(id))?.runner

/** A response goes on where it began. One that was made elsewhere, or long ago, may be known to any. @internal */
export const follow = (runner: Service, previous: unknown): Service =>
  (typeof previous === "string" ? maker(runner, previous) : undefined) ?? runner

const validate = Schema.validateEither(ResponseRequest)
const validateStream = Schema.validateEither(ResponseStreamRequest)
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

const answered = (runner: Service, response: Response): Effect.Effect<ResponseAnswer, never, Call.Call> =>
  Effect.annotateCurrentSpan(Operation.defined(describe(response))).pipe(
    Effect.zipRight(Operation.recordUsage(response.usage)),
    Effect.zipRight(Call.served(runner.primary)),
    Effect.map((served) => ({
      text: outputText(response),
      usage: response.usage ?? undefined,
      response,
      served
    }))
  )

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
  Effect.flatMap(Deployment, (all) => {
    const runner = follow(all, request.previous_response_id)
    return Effect.gen(function* () {
      const body = yield* Operation.valid(runner, () => validate(request), requestAttributes)
      const response = yield* runner.execute((target) =>
        Effect.flatMap(target.post("responses", body), (reply) => read(reply, target))
      )
      return yield* answered(runner, response)
    }).pipe(Operation.call(runner, "chat", {}, { once: once(request), body: request }))
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
  Effect.flatMap(Deployment, (all) => {
    const runner = follow(all, request.previous_response_id)
    return Effect.flatMap(
      Operation.valid(runner, () => validateStream(request), requestAttributes),
      (valid) =>
        Operation.begin(runner, {
          name: "chat",
          request: {
            method: "POST",
            operation: "responses",
            body: { ...valid, stream: true },
            headers: { accept: "text/event-stream" }
          },
          protocol: (reply, target) => new ResponseProtocol(reply, target)
        })
    ).pipe(Operation.callScoped(runner, "chat", { [attributes.stream]: true }, { once: once(request), body: request }))
  })

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

/**
 * Asks the deployment that made the response. Where that is not known, one deployment of each resource is asked, until one
 * knows it: these operations neither cost anything nor run anything.
 *
 * @internal
 */
export const about = (runner: Service, id: string): Service => {
  const known = maker(runner, id)
  if (known !== undefined) return known
  const members = membersOf(runner)
  const [first = runner, ...others] = members
    .filter(({ target }, n) => members.findIndex((other) => other.target.resource === target.resource) === n)
    .map(({ runner }): Service => runner)
  return others.reduce((self, that) => Runner.orElse(self, that, { when: (error) => error._tag === "NotFound" }), first)
}

const stored = <A>(
  id: string,
  name: string,
  request: Omit<Request, "operation"> & { readonly path?: string },
  decode: (reply: Failure.RawReply) => Effect.Effect<A, Failure.Failure>
): Effect.Effect<A, CallError, Deployment> =>
  Effect.flatMap(Deployment, (all) => {
    const runner = about(all, id)
    const { path = "", ...rest } = request
    return Effect.gen(function* () {
      if (!/^[\w-]+$/.test(id)) return yield* Operation.fail(runner, Failure.refused("id", "expected a response's id"))
      return yield* runner.execute((target) =>
        Effect.flatMap(target.send({ ...rest, operation: `responses/${id}${path}` }), decode)
      )
    }).pipe(Operation.call(runner, name, { [attributes.responseId]: id }))
  })

/**
 * Asks for a stored response: what has become of one in the background, or what was said before.
 *
 * Goes to the deployment that made it; where this process does not remember, to one deployment of each resource in turn,
 * until one knows it. `NotFound` where none does. Waits as the policy says, and may be sent again.
 *
 * One root span `get_response {model}`.
 *
 * @since 0.1.0
 * @category operations
 * @example
 * ```ts
 * import { Effect, Schedule } from "effect"
 * import type { Responses } from "@spillway/azure-openai"
 * import { AzureOpenAI } from "@spillway/azure-openai"
 *
 * // Asks every 2 seconds until the response is there.
 * export const settled = (id: string) =>
 *   AzureOpenAI.getResponse(id).pipe(
 *     Effect.repeat(
 *       Schedule.recurUntil<Responses.Response>(({ status }) => status !== "queued" && status !== "in_progress").pipe(
 *         Schedule.addDelay(() => "2 seconds")
 *       )
 *     )
 *   )
 * ```
 */
export const getResponse = (
  id: string,
  options?: {
    /** What to send along that is left out otherwise, such as `reasoning.encrypted_content`. */
    readonly include?: ReadonlyArray<string> | undefined
  }
): Effect.Effect<Response, CallError, Deployment> =>
  stored(
    id,
    "get_response",
    { method: "GET", ...(options?.include === undefined ? {} : { query: { include: options.include } }) },
    decode
  )

/**
 * Deletes a stored response. Goes where {@link getResponse} goes. Sent again after a lost reply, it may find the response
 * gone: `NotFound`.
 *
 * @since 0.1.0
 * @category operations
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { AzureOpenAI } from "@spillway/azure-openai"
 *
 * export const forget = (id: string) => Effect.catchTag(AzureOpenAI.deleteResponse(id), "NotFound", () => Effect.void)
 * ```
 */
export const deleteResponse = (id: string): Effect.Effect<void, CallError, Deployment> =>
  Effect.asVoid(stored(id, "delete_response", { method: "DELETE" }, decodeDeleted))

const decodeDeleted = Reply.decode(Deleted)

/**
 * Cancels a response in the background, and gives what is there of it. Goes where {@link getResponse} goes.
 *
 * @since 0.1.0
 * @category operations
 * @example
 * ```ts
 * import { AzureOpenAI } from "@spillway/azure-openai"
 *
 * export const stop = (id: string) => AzureOpenAI.cancelResponse(id)
 * ```
 */
export const cancelResponse = (id: string): Effect.Effect<Response, CallError, Deployment> =>
  stored(id, "cancel_response", { method: "POST", path: "/cancel" }, decode)
