/**
 * One deployment on the wire: how a request reaches it, and what its reply came to.
 *
 * @since 0.1.0
 */
import type { Attempt } from "@spillway/core"
import { Call } from "@spillway/core"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Credential from "./Credential.js"
import * as Endpoint from "./Endpoint.js"
import * as Failure from "./Failure.js"
import * as Reply from "./Reply.js"
import { requestIdOf } from "./internal/serviceError.js"
import * as HttpSpans from "./internal/httpSpans.js"
import { attributes } from "./Telemetry.js"

/**
 * A request to an operation, such as `chat/completions` or `responses/resp_1/cancel`. The deployment writes itself into the
 * URL or the body, whichever its URL style asks for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  readonly method: "GET" | "POST" | "DELETE"
  readonly operation: string
  readonly body?: Readonly<Record<string, unknown>> | undefined
  readonly query?: Readonly<Record<string, string | ReadonlyArray<string>>> | undefined
  /** Further headers. Those that carry credentials are the deployment's own. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/**
 * A successful reply whose body is still to come. Read one of `text` and `body`, once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Opened extends Failure.Head {
  readonly text: Effect.Effect<string, Failure.Failure>
  readonly body: Stream.Stream<Uint8Array, Failure.Failure>
}

/**
 * What an operation sends to.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  readonly deployment: string
  readonly model: string
  readonly kind: Attempt.Kind
  /** The resource it belongs to: its endpoint. Deployments of one resource share what they store. */
  readonly resource: string
  /** The responses it made, as far as it remembers. */
  readonly responses: Responses
  /** Sends a request. The connection is given back when the enclosing Scope, the attempt's, closes. */
  readonly open: (request: Request) => Effect.Effect<Opened, Failure.Failure, Call.Call | Scope.Scope>
  /** Posts a JSON body and reads the whole reply. */
  readonly post: (
    operation: string,
    body: Readonly<Record<string, unknown>>
  ) => Effect.Effect<Failure.RawReply, Failure.Failure, Call.Call | Scope.Scope>
  readonly limits: Limits
}

/**
 * The ids of the responses that a deployment made. The newest 10,000 are kept.
 *
 * @since 0.1.0
 * @category models
 */
export interface Responses {
  readonly add: (id: string) => void
  readonly has: (id: string) => boolean
}

const longestMemory = 10_000

const makeResponses = (): Responses => {
  // A Set keeps the order of arrival, so the oldest is the first.
  const ids = new Set<string>()
  return {
    add: (id) => {
      ids.delete(id)
      ids.add(id)
      const [oldest] = ids
      if (ids.size > longestMemory && oldest !== undefined) ids.delete(oldest)
    },
    has: (id) => ids.has(id)
  }
}

/**
 * What tracing does beside the attempt's span.
 *
 * @since 0.1.0
 * @category models
 */
export interface Tracing {
  /** Send the attempt's trace id with the request, as the W3C header `traceparent`. */
  readonly propagate: boolean
  /** Make the HTTP client's own span, below the attempt's. */
  readonly httpSpans: boolean
  /** Names of headers, in lower case, whose values no span may hold, beside those that carry credentials. Defaults to none. */
  readonly secretHeaders?: ReadonlyArray<string> | undefined
}

/**
 * How much a deployment may send, and how long it may take to.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** The most bytes of a request, of a reply, and the most characters of one event of a stream. */
  readonly bodyBytes: number
  /** From the sending of a request to the first output of its stream; infinite where the attempt's timeout is all. */
  readonly firstOutput: Duration.Duration
  /** Between two packets of a stream, once output has begun. */
  readonly idle: Duration.Duration
}

/**
 * What a target is made from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly endpoint: URL
  readonly deployment: string
  readonly model: string
  readonly kind: Attempt.Kind
  readonly apiVersion: string | undefined
  /** A key of the resource, or where its tokens come from. Asked for at every attempt. */
  readonly credential: Redacted.Redacted | Credential.Service
  /** Headers of every request. */
  readonly headers: Readonly<Record<string, string>>
  readonly limits: Limits
  readonly tracing: Tracing
}

// A redirect would carry the key to another host, so none is followed.
const prepare = (
  client: HttpClient.HttpClient,
  tracing: Tracing
): HttpClient.HttpClient.With<HttpClientError, Scope.Scope> =>
  HttpSpans.guard(client, tracing).pipe(
    HttpClient.transformResponse(
      Effect.mapInputContext((context: Context.Context<never>) =>
        Context.add(context, FetchHttpClient.RequestInit, {
          ...Context.getOrElse(context, FetchHttpClient.RequestInit, () => ({})),
          redirect: "manual"
        })
      )
    ),
    HttpClient.withScope
  )

type HttpClientError = Parameters<typeof Failure.fromTransport>[0]

// What services say about a refusal takes a few hundred bytes.
const longestRefusal = 256 * 1024

// A reply without a length is read piece by piece, so that the limit holds while it comes in.
const readText = (
  response: HttpClientResponse.HttpClientResponse,
  limit: number
): Effect.Effect<string, HttpClientError | "too large"> => {
  const length = Number(response.headers["content-length"] ?? Number.NaN)
  if (length > limit) return Effect.fail("too large")
  if (length <= limit) return response.text
  return Effect.suspend(() => {
    const decoder = new TextDecoder()
    let size = 0
    let text = ""
    return response.stream.pipe(
      Stream.runForEach((bytes) => {
        size += bytes.length
        if (size > limit) return Effect.fail<"too large">("too large")
        text += decoder.decode(bytes, { stream: true })
        return Effect.void
      }),
      Effect.map(() => text + decoder.decode())
    )
  })
}

/**
 * A target that sends through `client`, with the client's own span switched off unless asked for (the attempt's span
 * stands for it) and redirects not followed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options, httpClient: HttpClient.HttpClient): Target => {
  const { deployment, kind, limits, model } = options
  const client = prepare(httpClient, options.tracing)
  const encoder = new TextEncoder()

  const encode = (body: Readonly<Record<string, unknown>>) =>
    Effect.flatMap(
      Effect.try({ try: () => encoder.encode(JSON.stringify(body)), catch: () => Failure.refused("body") }),
      (bytes) =>
        bytes.length > limits.bodyBytes
          ? Effect.fail(Failure.refused("body", `${bytes.length} bytes, expected at most ${limits.bodyBytes}`))
          : Effect.succeed(HttpClientRequest.bodyUint8Array(bytes, "application/json"))
    )

  const { credential } = options
  const signIn = Redacted.isRedacted(credential)
    ? Effect.succeed({ headers: { "api-key": Redacted.value(credential) }, rejected: Effect.void })
    : Effect.mapBoth(credential.token, {
        onFailure: Failure.fromCredential,
        onSuccess: (token) => ({
          headers: { authorization: `Bearer ${Redacted.value(token)}` },
          rejected: credential.rejected(token)
        })
      })

  const open: Target["open"] = (request) =>
    Effect.gen(function* () {
      const call = yield* Call.Call
      const { body, url } = Endpoint.route(options, request.operation, request.body)
      for (const [name, values] of Object.entries(request.query ?? {})) {
        for (const value of typeof values === "string" ? [values] : values) url.searchParams.append(name, value)
      }
      const withBody = body === undefined ? undefined : yield* encode(body)
      const credential = yield* signIn
      const plain = HttpClientRequest.make(request.method)(url).pipe(
        HttpClientRequest.setHeaders({
          accept: "application/json",
          ...request.headers,
          ...options.headers,
          ...credential.headers
        })
      )
      if (request.method !== "POST") yield* Effect.annotateCurrentSpan(attributes.method, request.method)
      const response = yield* client.execute(withBody === undefined ? plain : withBody(plain)).pipe(
        // A client that takes a refusal for an error of its own still has the reply.
        Effect.catchTag("ResponseError", (error) =>
          error.reason === "StatusCode" ? Effect.succeed(error.response) : Effect.fail(error)
        ),
        Effect.mapError(Failure.fromTransport)
      )
      const { headers, status } = response
      const requestId = requestIdOf(headers)
      const spilled = Reply.spilledFrom(headers) !== undefined
      call.recordReply({
        status,
        ...(requestId === undefined ? {} : { requestId }),
        ...(spilled ? { kind: "standard" } : {})
      })
      yield* Effect.annotateCurrentSpan({
        [attributes.status]: status,
        ...(requestId === undefined ? {} : { [attributes.serviceRequestId]: requestId })
      })
      if (status >= 200 && status < 300) {
        const reply = { status, headers }
        return {
          ...reply,
          text: Effect.mapError(readText(response, limits.bodyBytes), (error) =>
            error === "too large" ? Failure.tooLarge(reply, limits.bodyBytes) : Failure.brokenBody(reply)
          ),
          body: Stream.mapError(response.stream, (error) => Failure.brokenStream(reply, error))
        }
      }
      // The hint counts from here. The status has decided already, but for a 400: its body is not waited for.
      const now = yield* Clock.currentTimeMillis
      const text = yield* readText(response, longestRefusal).pipe(
        Effect.timeoutTo({
          duration: status === 400 ? "5 seconds" : "500 millis",
          onSuccess: (text) => text,
          onTimeout: () => ""
        }),
        Effect.orElseSucceed(() => "")
      )
      if (status === 401) yield* credential.rejected
      return yield* Effect.fail(
        Reply.classify({ status, headers, body: text, kind: spilled ? "standard" : kind, model, now })
      )
    })

  return {
    deployment,
    model,
    kind,
    limits,
    resource: options.endpoint.href,
    responses: makeResponses(),
    open,
    post: (operation, body) =>
      Effect.flatMap(open({ method: "POST", operation, body }), ({ headers, status, text }) =>
        Effect.map(text, (body) => ({ status, headers, body }))
      )
  }
}
