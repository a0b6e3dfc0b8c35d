import { Call } from "@spillway/core"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { CallError } from "../CallError.js"
import type { StreamBroken } from "../StreamBroken.js"
import type { Service } from "../Deployment.js"
import * as Failure from "../Failure.js"
import * as Reply from "../Reply.js"
import type { Request, Target } from "../Target.js"

import { attributes } from "../Telemetry.js"
import { ChatProtocol } from "./chatProtocol.js"
import type { Protocol, Step } from "./eventStream.js"
import { withoutMember } from "./jsonText.js"
import * as Operation from "./operation.js"
import { ResponseProtocol } from "./responseProtocol.js"
import { follow, once } from "./responses.js"
import { parseJson, record } from "./serviceError.js"
import { about } from "./storedResponses.js"

/** A request as another client wrote it. Names of headers are in lower case. @internal */
export interface Incoming {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What the other client gets. @internal */
export interface Outgoing {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Stream.Stream<Uint8Array, StreamBroken>
}

// `responses/compact` and `responses/input_tokens` are about no response: like `responses`, they go to any deployment.
const operations =
  /\/(chat\/completions|embeddings|responses(?:\/(?:compact|input_tokens|([\w-]+)(?:\/cancel|\/input_items)?))?)\/?$/

const json = { "content-type": "application/json" }

const refusal = (status: number, code: string, message: string, param?: string): Outgoing => ({
  status,
  headers: { ...json, "x-should-retry": "false" },
  body: JSON.stringify({
    error: { code, type: status < 500 ? "invalid_request_error" : "server_error", param: param ?? null, message }
  })
})

interface Parsed {
  readonly operation: string
  readonly id: string | undefined
  readonly method: Request["method"]
  readonly body: Readonly<Record<string, unknown>> | undefined
  /** The same as it was written, to be sent. */
  readonly text: string | undefined
}

const methods: ReadonlySet<string> = new Set(["GET", "POST", "DELETE"])

const isMethod = (method: string): method is Request["method"] => methods.has(method)

const parse = ({ body, headers, method, url }: Incoming): Either.Either<Parsed, Outgoing> => {
  const [, operation, id] = operations.exec(url.pathname) ?? []
  if (operation === undefined) {
    return Either.left(
      refusal(404, "unknown_operation", "expected chat/completions, embeddings or responses at the end of the URL")
    )
  }
  if (!isMethod(method)) return Either.left(refusal(405, "unknown_method", "expected GET, POST or DELETE"))
  if (body === "") return Either.right({ operation, id, method, body: undefined, text: undefined })
  const type = headers["content-type"] ?? ""
  if (type !== "" && !/^application\/(\w+\+)?json\b/i.test(type)) {
    return Either.left(refusal(415, "unknown_content_type", "expected a body of type application/json", "content-type"))
  }
  return Either.match(parseJson(body), {
    onLeft: () => Either.left(refusal(400, "invalid_json", "expected a body that is JSON", "body")),
    onRight: (value) =>
      Array.isArray(value) || !Predicate.isRecord(value)
        ? Either.left(refusal(400, "invalid_json", "expected a body that is a JSON object", "body"))
        : Either.right({ operation, id, method, body: record(value), text: withoutMember(body, "model") })
  })
}

// The other client's credentials are not for these deployments, its connection is its own, and trace ids are not for the
// service.
const credentials = /key|token|secret|auth|password|credential|signature|session|cookie|^(code|sig)$/i
const ownHeaders =
  /^(proxy-.*|host|connection|keep-alive|te|trailer|upgrade|expect|content-.*|transfer-encoding|accept-encoding|traceparent|tracestate|b3|x-b3-.*|x-should-retry)$/

const forwarded = (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !ownHeaders.test(name) && !credentials.test(name)))

const queryOf = (url: URL): Readonly<Record<string, ReadonlyArray<string>>> =>
  Object.fromEntries(
    [...new Set(url.searchParams.keys())]
      .filter((name) => name !== "api-version" && !credentials.test(name))
      .map((name) => [name, url.searchParams.getAll(name)])
  )

// Bodies are handed on decoded, and in other pieces.
const framing = /^(content-encoding|content-length|transfer-encoding|connection|keep-alive)$/

const handedOn = (headers: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || framing.test(name) ? [] : [[name, value]]
    )
  )

const servedHeaders = ({ deployment, outcome, servedBy }: Call.Served): Readonly<Record<string, string>> => ({
  "x-spillway-deployment": encodeURIComponent(deployment),
  "x-spillway-served-by": servedBy,
  "x-spillway-outcome": outcome
})

// The shape of what is only handed on is the other client's to judge.
const tolerant = (protocol: Protocol<unknown>): Protocol<unknown> => ({
  read: (event, now): Step<unknown> => {
    const step = protocol.read(event, now)
    return step._tag === "failed" && step.failure._tag === "Malformed" ? { _tag: "output", value: undefined } : step
  },
  complete: (terminated) => protocol.complete(terminated),
  text: () => protocol.text(),
  usage: () => protocol.usage(),
  attributes: () => protocol.attributes()
})

const usageOf = (answer: unknown): unknown => record(answer)["usage"]

// A reply that is cut off, or a response that was throttled, is another deployment's to mend.
const check = (
  reply: Failure.RawReply,
  target: Target,
  parsed: Parsed
): Effect.Effect<Failure.RawReply, Failure.Failure> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Either.match(reply.body === "" ? Either.right({}) : parseJson(reply.body), {
      onLeft: () => Effect.fail(Failure.brokenBody(reply)),
      onRight: (value) => {
        const response = record(value)
        if (isCreation(parsed)) {
          if (response["status"] === "failed") {
            const failure = Reply.classifyInStream({
              ...reply,
              kind: target.kind,
              model: target.model,
              error: response["error"] ?? {},
              response,
              now
            })
            if (failure._tag === "RateLimited" && !failure.mayHaveRun) return Effect.fail(failure)
          }
          if (Predicate.isString(response["id"])) target.responses.add(response["id"])
        }
        return Effect.succeed(reply)
      }
    })
  )

const statuses: Record<CallError["_tag"], number> = {
  RateLimited: 429,
  Saturated: 429,
  Unauthorized: 401,
  NotFound: 404,
  BadRequest: 400,
  PromptTooLong: 400,
  ContentFiltered: 400,
  Malformed: 502,
  Unavailable: 502,
  OutcomeUnknown: 502,
  DeadlineExceeded: 504
}

const statusOf = (error: CallError): number =>
  "reason" in error && error.reason === "timeout" ? 504 : statuses[error._tag]

// What the service said last is what the other client's own errors are made from; where it said nothing, what a gateway would
// say. The client is told not to try again: that was done, or must not be.
const toOutgoing = (error: CallError, last: Failure.RawReply | undefined): Outgoing =>
  last === undefined
    ? refusal(statusOf(error), error._tag, error.message, error._tag === "BadRequest" ? error.param : undefined)
    : {
        status: last.status,
        headers: { ...handedOn(last.headers), "x-should-retry": "false" },
        body: last.body
      }

const isCreation = ({ method, operation }: Parsed): boolean => operation === "responses" && method === "POST"

const names: Readonly<Record<string, string>> = {
  embeddings: "embeddings",
  "chat/completions": "chat",
  responses: "chat",
  "responses/compact": "compact_response",
  "responses/input_tokens": "count_input_tokens"
}

const nameOf = ({ method, operation }: Parsed): string => {
  const name = names[operation]
  if (name !== undefined) return name
  if (operation.endsWith("/cancel")) return "cancel_response"
  if (operation.endsWith("/input_items")) return "list_input_items"
  return method === "DELETE" ? "delete_response" : "get_response"
}

/**
 * Answers another client's request as the policy says, failures included. What it holds is given back when the enclosing
 * Scope closes, which must not be before the body was read.
 *
 * @internal
 */
export const respond = (all: Service, incoming: Incoming): Effect.Effect<Outgoing, never, Scope.Scope> =>
  Either.match(parse(incoming), {
    onLeft: (outgoing) => Effect.succeed(outgoing),
    onRight: (parsed) => {
      const { body, id, method, operation, text } = parsed
      const creates = isCreation(parsed)
      const runner =
        id === undefined
          ? follow(all, operation.startsWith("responses") ? body?.["previous_response_id"] : undefined)
          : about(all, id)
      const query = queryOf(incoming.url)
      const request: Request = { method, operation, body: text, query, headers: forwarded(incoming.headers) }
      const streams = body?.["stream"] === true || incoming.url.searchParams.get("stream") === "true"

      // A runner fails with an error that knows no body. The last reply is kept on its way to it.
      let last: Failure.RawReply | undefined
      const watched = (runner: Service): Service => ({
        primary: runner.primary,
        execute: (use, conditions) =>
          runner.execute(
            (target) =>
              Effect.suspend(() => {
                last = undefined
                return Effect.tapError(use(target), (failure) => Effect.sync(() => void (last = failure.reply)))
              }),
            conditions
          )
      })

      const whole = Effect.gen(function* () {
        const reply = yield* watched(runner).execute((target) =>
          Effect.flatMap(target.send(request), (reply) => check(reply, target, parsed))
        )
        yield* Operation.recordUsage(Either.getOrElse(Either.map(parseJson(reply.body), usageOf), () => undefined))
        const served = yield* Call.served(runner.primary)
        const { headers, status } = reply
        return { status, headers: { ...handedOn(headers), ...servedHeaders(served) }, body: reply.body }
      })

      const streamed = Effect.map(
        Operation.begin<unknown>(watched(runner), {
          name: nameOf(parsed),
          request,
          protocol: (reply, target) =>
            tolerant(
              operation.startsWith("responses")
                ? new ResponseProtocol(reply, target, (id) => target.responses.add(id))
                : new ChatProtocol(reply, target, body ?? {})
            )
        }),
        ({ bytes, reply, served }): Outgoing => ({
          status: reply.status,
          headers: { ...handedOn(reply.headers), ...servedHeaders(served) },
          body: bytes
        })
      )

      const outgoing: Effect.Effect<Outgoing, CallError, Call.Call | Scope.Scope> = streams ? streamed : whole
      return outgoing.pipe(
        Operation.callScoped(
          runner,
          nameOf(parsed),
          { [attributes.stream]: streams ? true : undefined },
          { once: creates && once(body ?? {}), ...(body === undefined ? {} : { body }) }
        ),
        Effect.catchAll((error) => Effect.sync(() => toOutgoing(error, last)))
      )
    }
  })
