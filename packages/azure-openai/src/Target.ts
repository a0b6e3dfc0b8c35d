/**
 * One deployment on the wire: how a request reaches it, and what its reply came to.
 *
 * @since 0.1.0
 */
import type { Attempt } from "@spillway/core"
import { Call, Deadline, RetryAfter } from "@spillway/core"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
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
  /** The text of a JSON object that names no model, as {@link bodyOf} writes it. */
  readonly body?: string | undefined
  readonly query?: Readonly<Record<string, string | ReadonlyArray<string>>> | undefined
  /** Further headers. Those that carry credentials are the deployment's own. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/**
 * The body of a request, written down once for all attempts: each deployment puts its own name into it, where its URL style
 * wants one. Left for what does not become the text of a JSON object.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Target } from "@spillway/azure-openai"
 *
 * Target.bodyOf({ model: "any", input: "Hi" }) // => Either.right('{"input":"Hi"}')
 * Target.bodyOf({ input: 1n }) // => a left, "BadRequest": JSON has no bigints
 * ```
 */
export const bodyOf = (fields: Readonly<Record<string, unknown>>): Either.Either<string, Failure.Failure> =>
  Either.filterOrLeft(
    Either.try({
      try: (): unknown => JSON.stringify({ ...fields, model: undefined }),
      catch: () => Failure.refused("body")
    }),
    (text): text is string => Predicate.isString(text) && text.startsWith("{"),
    () => Failure.refused("body")
  )

/**
 * A successful reply whose body is still to come.
 *
 * @since 0.1.0
 * @category models
 */
export interface Opened extends Failure.Head {
  /** To be read once. */
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
  /** Sends a request and reads the whole reply. */
  readonly send: (request: Request) => Effect.Effect<Failure.RawReply, Failure.Failure, Call.Call>
  /** Sends a request, for a reply that comes in pieces. The connection is given back when the attempt's Scope closes. */
  readonly open: (request: Request) => Effect.Effect<Opened, Failure.Failure, Call.Call | Scope.Scope>
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
  /** The resource, as `Endpoint.parse` gives it. */
  readonly endpoint: URL
  /** The deployment's name at the resource. */
  readonly deployment: string
  /** The model behind it. */
  readonly model: string
  /** How it is paid for. */
  readonly kind: Attempt.Kind
  /** A dated version for the dated URL style; undefined for the v1 style. */
  readonly apiVersion: string | undefined
  /** A key of the resource, or where its tokens come from. Asked for at every attempt. */
  readonly credential: Redacted.Redacted | Credential.Service
  /** Headers of every request. */
  readonly headers: Readonly<Record<string, string>>
  /** What its bodies and streams may take. */
  readonly limits: Limits
  /** Which spans are made, and which ids are sent. */
  readonly tracing: Tracing
}

type HttpClientError = Parameters<typeof Failure.fromTransport>[0]

type Response = HttpClientResponse.HttpClientResponse

// What services say about a refusal takes a few hundred bytes.
const longestRefusal = 256 * 1024

// A length of encoded bytes says nothing of the text. Without one, a reply is read piece by piece, so that the limit holds
// while it comes in.
const readText = (response: Response, limit: number): Effect.Effect<string, HttpClientError | "too large"> => {
  const { headers } = response
  const length = /^\d+$/.test(headers["content-length"] ?? "") ? Number(headers["content-length"]) : Number.NaN
  if (length > limit) return Effect.fail("too large")
  if (length <= limit && headers["content-encoding"] === undefined) return response.text
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

// A client closes the connection of a body whose reading is interrupted.
const discard = (response: Response): Effect.Effect<void> =>
  Effect.suspend(() => Effect.ignore(Deadline.failAt(Stream.runDrain(response.stream), 0n, () => undefined)))

interface SignedIn {
  readonly headers: Readonly<Record<string, string>>
  readonly rejected: Effect.Effect<void>
}

/**
 * A target that sends through `client`, with the client's own span switched off unless asked for (the attempt's span
 * stands for it) and redirects not followed.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { HttpClient } from "@effect/platform"
 * import { Target } from "@spillway/azure-openai"
 * import { Duration, Effect, Redacted } from "effect"
 *
 * export const target = Effect.map(HttpClient.HttpClient, (client) =>
 *   Target.make(
 *     {
 *       endpoint: new URL("https://contoso.openai.azure.com"),
 *       deployment: "gpt-4o",
 *       model: "gpt-4o",
 *       kind: "standard",
 *       apiVersion: undefined,
 *       credential: Redacted.make("KEY"),
 *       headers: {},
 *       limits: { bodyBytes: 1024 * 1024, firstOutput: Duration.minutes(1), idle: Duration.minutes(1) },
 *       tracing: { propagate: false, httpSpans: false }
 *     },
 *     client
 *   )
 * )
 * ```
 */
export const make = (options: Options, httpClient: HttpClient.HttpClient): Target => {
  const { deployment, kind, limits, model } = options
  const client = HttpSpans.guard(httpClient, options.tracing)
  const scoped = HttpClient.withScope(client)
  const encoder = new TextEncoder()

  const { credential } = options
  const signIn: Effect.Effect<SignedIn, Failure.Failure> = Redacted.isRedacted(credential)
    ? Effect.succeed({ headers: { "api-key": Redacted.value(credential) }, rejected: Effect.void })
    : Effect.mapBoth(credential.token, {
        onFailure: Failure.fromCredential,
        onSuccess: (token) => ({
          headers: { authorization: `Bearer ${Redacted.value(token)}` },
          rejected: credential.rejected(token)
        })
      })

  // The hint counts from here. The status has decided already, but for a 400: its body is not waited for.
  const refusal = (
    response: Response,
    spilled: boolean,
    { rejected }: SignedIn
  ): Effect.Effect<never, Failure.Failure> =>
    Effect.gen(function* () {
      const { headers, status } = response
      const clock = yield* Effect.clock
      const now = clock.unsafeCurrentTimeMillis()
      const patience = status === 400 ? 5_000_000_000n : 500_000_000n
      const text = yield* readText(response, longestRefusal).pipe(
        Effect.tapError((error) => (error === "too large" ? discard(response) : Effect.void)),
        Deadline.failAt(clock.unsafeCurrentTimeNanos() + patience, () => "too late" as const),
        Effect.orElseSucceed(() => "")
      )
      if (status === 401) yield* rejected
      return yield* Effect.fail(
        Reply.classify({ status, headers, body: text, kind: spilled ? "standard" : kind, model, now })
      )
    })

  // Without the credential: what cannot be sent needs none.
  const toRequest = (request: Request): Either.Either<HttpClientRequest.HttpClientRequest, Failure.Failure> => {
    const { body, url } = Endpoint.route(options, request.operation, request.body)
    const headers = { accept: "application/json", ...request.headers, ...options.headers }
    const bare = HttpClientRequest.make(request.method)(url, { headers, urlParams: request.query })
    if (body === undefined) return Either.right(bare)
    const bytes = encoder.encode(body)
    return bytes.length > limits.bodyBytes
      ? Either.left(Failure.refused("body", `${bytes.length} bytes, expected at most ${limits.bodyBytes}`))
      : Either.right(HttpClientRequest.bodyUint8Array(bare, bytes, "application/json"))
  }

  // Sends, and reads a success by `read`.
  const exchange = <A, R>(
    request: Request,
    client: HttpClient.HttpClient.With<HttpClientError, R>,
    read: (response: Response) => Effect.Effect<A, Failure.Failure>
  ): Effect.Effect<A, Failure.Failure, R | Call.Call> =>
    Effect.withFiberRuntime(({ currentContext, currentDefaultServices, currentSpan }) => {
      const call = Context.unsafeGet(currentContext, Call.Call)
      const note = (key: string, value: unknown): void => {
        if (currentSpan?._tag === "Span") currentSpan.attribute(key, value)
      }
      const ready = toRequest(request)
      if (Either.isLeft(ready)) return Effect.fail(ready.left)
      if (request.method !== "POST") note(attributes.method, request.method)
      const answered = (response: Response, signedIn: SignedIn): Effect.Effect<A, Failure.Failure> => {
        const { headers, status } = response
        const requestId = requestIdOf(headers)
        const spilled = Reply.spilledFrom(headers) !== undefined
        const succeeded = status >= 200 && status < 300
        const now = Context.get(currentDefaultServices, Clock.Clock).unsafeCurrentTimeMillis()
        const hint = succeeded ? Option.none() : RetryAfter.fromHeaders(headers, now)
        call.recordReply({
          status,
          ...(requestId === undefined ? {} : { requestId }),
          ...(Option.isSome(hint) ? { retryAfterMs: Duration.toMillis(hint.value) } : {}),
          ...(spilled ? { kind: "standard" } : {})
        })
        note(attributes.status, status)
        if (requestId !== undefined) note(attributes.serviceRequestId, requestId)
        return succeeded ? read(response) : refusal(response, spilled, signedIn)
      }
      return Effect.flatMap(signIn, (signedIn) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.matchCauseEffect(
            restore(client.execute(HttpClientRequest.setHeaders(ready.right, signedIn.headers))),
            {
              onFailure: (cause) => {
                const error = Cause.failureOrCause(cause)
                if (Either.isRight(error)) return Effect.failCause(error.right)
                // A client that takes a refusal for an error of its own still has the reply.
                return error.left._tag === "ResponseError" && error.left.reason === "StatusCode"
                  ? restore(answered(error.left.response, signedIn))
                  : Effect.fail(Failure.fromTransport(error.left))
              },
              onSuccess: (response) =>
                Effect.catchAllCause(restore(answered(response, signedIn)), (cause) =>
                  Cause.isInterruptedOnly(cause)
                    ? Effect.zipRight(discard(response), Effect.failCause(cause))
                    : Effect.failCause(cause)
                )
            }
          )
        )
      )
    })

  const send: Target["send"] = (request) =>
    exchange(request, client, (response) =>
      Effect.matchEffect(readText(response, limits.bodyBytes), {
        onFailure: (error) => {
          const { headers, status } = response
          const reply = { status, headers }
          return error === "too large"
            ? Effect.zipRight(discard(response), Effect.fail(Failure.tooLarge(reply, limits.bodyBytes)))
            : Effect.fail(Failure.brokenBody(reply))
        },
        onSuccess: (body) => Effect.succeed({ status: response.status, headers: response.headers, body })
      })
    )

  return {
    deployment,
    model,
    kind,
    limits,
    resource: options.endpoint.href,
    responses: makeResponses(),
    send,
    open: (request) =>
      exchange(request, scoped, (response) => {
        const { headers, status } = response
        const reply = { status, headers }
        return Effect.succeed({
          ...reply,
          body: Stream.mapError(response.stream, (error) => Failure.brokenStream(reply, error))
        })
      })
  }
}
