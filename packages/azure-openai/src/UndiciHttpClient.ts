/**
 * The fastest HTTP client for deployments on Node: platform's `HttpClient`, straight over undici's dispatcher. Optional: it
 * needs the package `undici` 7, and is imported by itself, from `@spillway/azure-openai/UndiciHttpClient`.
 *
 * What every client made here does:
 *
 * - Time is Effect's alone. undici's own limits on headers and bodies (300 s each) are off, whatever a dispatcher was made
 *   with: deployments, `Effect.timeout` and the call's deadline decide. Connecting is the exception: 10 s, unless set.
 * - An interruption, or the end of `HttpClient.withScope`, closes the request's connection at once: what is not answered to
 *   its end leaves no connection for others in HTTP/1.1. undici may then open a new one, which waits for the next request
 *   (nodejs/undici issue 5845).
 * - A body is read as it is asked for. While nobody reads, 64 KiB are taken in and then the socket is paused. A reply that
 *   fits frees its connection even when nobody reads it; any other is closed once nobody holds the response any more.
 * - `text`, `json`, `arrayBuffer`, `urlParamsBody` and `formData` can be read as often as one likes, in any order; `stream`
 *   once, and alone. What is no UTF-8 becomes U+FFFD. A body without bytes is an empty stream, `""` and `null`.
 * - Redirects are not followed, nothing is decompressed, no reply is an error because of its status, nothing is retried.
 * - Failures: `RequestError` with `Transport` (no reply: the `cause` has undici's or the socket's `code`), `InvalidUrl` or
 *   `Encode` (a header or body that cannot be sent); `ResponseError` with `Decode` when a body was cut off or does not parse.
 * - The client makes platform's span unless tracing or `HttpClient.withTracerDisabledWhen` says otherwise.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Agent, Dispatcher } from "undici"
import * as UndiciAgent from "./internal/undiciAgent.js"
import * as UndiciBody from "./internal/undiciBody.js"
import * as UndiciExchange from "./internal/undiciExchange.js"
import { UndiciResponse } from "./internal/undiciResponse.js"

type Sent = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.RequestError>

const failed = (
  request: HttpClientRequest.HttpClientRequest,
  reason: HttpClientError.RequestError["reason"],
  cause: Error
): HttpClientError.RequestError =>
  new HttpClientError.RequestError({ request, reason, cause, description: cause.message })

// What undici says of a request that no connection could carry.
const unsendable = new Set([
  "UND_ERR_INVALID_ARG",
  "UND_ERR_NOT_SUPPORTED",
  "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH",
  "ERR_INVALID_ARG_TYPE"
])

const isUnsendable = (cause: Error): boolean =>
  cause instanceof UndiciBody.BodyError || ("code" in cause && unsendable.has(String(cause.code)))

// A response that nobody holds any more cannot be read any more. Platform's own clients free connections like this too.
const unread = new FinalizationRegistry((exchange: UndiciExchange.Exchange) => exchange.abort())

const send = (
  dispatcher: Dispatcher,
  request: HttpClientRequest.HttpClientRequest,
  url: URL,
  body: UndiciBody.Encoded,
  signal: AbortSignal | undefined
): Sent =>
  Effect.uninterruptibleMask((restore) => {
    const exchange = new UndiciExchange.Exchange()
    const head = Effect.async<void>((resume) => {
      exchange.onHead(() => resume(Effect.void))
      const options = {
        origin: url.origin,
        path: url.pathname + url.search,
        method: request.method,
        headers: request.headers,
        body,
        headersTimeout: 0,
        bodyTimeout: 0
      }
      if (signal?.aborted === true) return exchange.abort()
      signal?.addEventListener("abort", () => exchange.abort())
      UndiciExchange.dispatch(dispatcher, options, exchange)
    })
    return Effect.matchCauseEffect(restore(head), {
      onFailure: (cause) => {
        exchange.abort()
        UndiciBody.discard(body)
        return Effect.failCause(cause)
      },
      onSuccess: () => {
        const { error, status } = exchange
        if (status === 0 && error !== undefined) {
          UndiciBody.discard(body)
          return Effect.fail(failed(request, isUnsendable(error) ? "Encode" : "Transport", error))
        }
        const response = new UndiciResponse(request, exchange)
        // Most replies are complete by now.
        if (!exchange.ended) {
          unread.register(response, exchange, exchange)
          // The registry holds the exchange. One that ended in an error leads, by that error's stack, to the response, which then
          // would never be let go.
          exchange.onOver(() => unread.unregister(exchange))
        }
        return Effect.succeed(response)
      }
    })
  })

const execute = (
  dispatcher: Dispatcher,
  request: HttpClientRequest.HttpClientRequest,
  url: URL,
  signal: AbortSignal | undefined
): Sent =>
  url.protocol === "https:" || url.protocol === "http:"
    ? request.body._tag === "Uint8Array"
      ? send(dispatcher, request, url, request.body.body, signal)
      : Effect.matchEffect(UndiciBody.encode(request.body), {
          onFailure: (error) => Effect.fail(failed(request, "Encode", error)),
          onSuccess: (body) => send(dispatcher, request, url, body, signal)
        })
    : Effect.fail(failed(request, "InvalidUrl", new TypeError("expected a URL that begins with http: or https:")))

// To take a URL apart costs as much as a span, and most requests go to a few. Where they do not, all are forgotten now and then.
const longestMemory = 100

const makeUrls = () => {
  const known = new Map<string, URL>()
  return ({ hash, url, urlParams }: HttpClientRequest.HttpClientRequest): Either.Either<URL, Error> => {
    if (urlParams.length > 0 || Option.isSome(hash)) return UrlParams.makeUrl(url, urlParams, hash)
    const found = known.get(url)
    if (found !== undefined) return Either.right(found)
    const made = UrlParams.makeUrl(url, urlParams, hash)
    if (Either.isRight(made)) {
      if (known.size >= longestMemory) known.clear()
      known.set(url, made.right)
    }
    return made
  }
}

// Where `HttpClient.withScope` leaves what ends a request with its scope: only `HttpClient.make` sees it otherwise, whose
// AbortController and bookkeeping cost every request as much as all that is done here.
const scopedRequests = globalValue(
  "@effect/platform/HttpClient/scopedRequests",
  () => new WeakMap<HttpClientRequest.HttpClientRequest, AbortController>()
)

const isTraced = (fiber: Fiber.RuntimeFiber<unknown, unknown>, request: HttpClientRequest.HttpClientRequest): boolean =>
  fiber.getFiberRef(FiberRef.currentTracerEnabled) && !fiber.getFiberRef(HttpClient.currentTracerDisabledWhen)(request)

/**
 * A client that sends through a dispatcher of undici which somebody else made and ends: one that other parts of the program
 * use as well, or a `MockAgent` in a test. Requests of a dispatcher that was ended fail with `Transport`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import * as UndiciHttpClient from "@spillway/azure-openai/UndiciHttpClient"
 * import { Layer } from "effect"
 * import { getGlobalDispatcher } from "undici"
 *
 * export const Http = Layer.sync(HttpClient.HttpClient, () => UndiciHttpClient.make(getGlobalDispatcher()))
 * ```
 */
export const make = (dispatcher: Dispatcher): HttpClient.HttpClient => {
  // Spans, and all that belongs to them, are platform's.
  const traced = HttpClient.make((request, url, signal) => execute(dispatcher, request, url, signal))
  const toUrl = makeUrls()
  const run = (request: HttpClientRequest.HttpClientRequest) =>
    Effect.withFiberRuntime<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>((fiber) => {
      if (isTraced(fiber, request)) return traced.execute(request)
      const url = toUrl(request)
      return Either.isLeft(url)
        ? Effect.fail(failed(request, "InvalidUrl", url.left))
        : execute(dispatcher, request, url.right, scopedRequests.get(request)?.signal)
    })
  return HttpClient.makeWith<never, never, HttpClientError.HttpClientError, never>(Effect.flatMap(run), Effect.succeed)
}

/**
 * A client that sends through a dispatcher of its own: a `ProxyAgent`, say, or an `Agent` with interceptors. It is made with
 * the layer and destroyed when the layer's scope closes: requests under way then fail with `Transport`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { layerDispatcher } from "@spillway/azure-openai/UndiciHttpClient"
 * import { Config, Effect } from "effect"
 * import { ProxyAgent } from "undici"
 *
 * export const Http = layerDispatcher(Effect.map(Config.url("HTTPS_PROXY"), ({ href }) => new ProxyAgent(href)))
 * ```
 */
export const layerDispatcher = <E, R>(
  dispatcher: Effect.Effect<Dispatcher, E, R>
): Layer.Layer<HttpClient.HttpClient, E, Exclude<R, Scope.Scope>> =>
  Layer.scoped(
    HttpClient.HttpClient,
    Effect.map(
      Effect.acquireRelease(dispatcher, (dispatcher) => Effect.promise(() => dispatcher.destroy())),
      make
    )
  )

/**
 * The options of undici's `Agent`, of which all about connecting (`timeout`, `allowH2`, `ca` and the other options of TLS
 * and TCP) goes into `connect`. Those not given are undici's own, but for `keepAliveTimeout`.
 *
 * - `connections`: how many to one origin at a time. Default: as many as there are requests under way.
 * - `keepAliveTimeout`: how many milliseconds an idle connection is kept when the server names no time. Default: 30,000.
 * - `connect.timeout`: how many milliseconds connecting may take, TLS included. Default: 10,000.
 *
 * @since 0.1.0
 * @category models
 */
export interface AgentOptions extends Omit<
  Agent.Options,
  | "headersTimeout"
  | "bodyTimeout"
  | "connectTimeout"
  | "maxCachedSessions"
  | "allowH2"
  | "socketPath"
  | "autoSelectFamily"
  | "autoSelectFamilyAttemptTimeout"
  | "factory"
  | "interceptors"
> {}

// undici's 4 s would make a new TLS connection for most calls of a quiet hour. Servers and load balancers close idle
// connections after a minute or more, unless they say so.
const keepAliveTimeout = 30_000

/**
 * A client with an `Agent` of its own, made as asked. Where `connections` is not limited, an interruption closes a socket that
 * is still being connected, too.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { layerAgent } from "@spillway/azure-openai/UndiciHttpClient"
 *
 * export const Http = layerAgent({ connections: 128, connect: { timeout: 2000 } })
 * ```
 */
export const layerAgent = (options: AgentOptions = {}): Layer.Layer<HttpClient.HttpClient> =>
  layerDispatcher(Effect.sync(() => UndiciAgent.make({ keepAliveTimeout, ...options })))

/**
 * A client with an `Agent` of its own and all defaults: provide it once, at the edge of the program, so that calls share its
 * connections.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Deployment } from "@spillway/azure-openai"
 * import * as UndiciHttpClient from "@spillway/azure-openai/UndiciHttpClient"
 * import { Config, Layer, ManagedRuntime } from "effect"
 *
 * const Ptu = Deployment.provisionedConfig({
 *   deployment: Config.string("PTU_DEPLOYMENT"),
 *   endpoint: Config.string("AZURE_OPENAI_ENDPOINT"),
 *   apiKey: Config.redacted("AZURE_OPENAI_API_KEY")
 * })
 *
 * export const runtime = ManagedRuntime.make(Ptu.pipe(Layer.provide(UndiciHttpClient.layer)))
 * ```
 */
export const layer: Layer.Layer<HttpClient.HttpClient> = layerAgent()
