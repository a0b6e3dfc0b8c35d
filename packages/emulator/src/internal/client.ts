import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Wire from "../Wire.js"

/**
 * A client whose requests are answered by `exchange`, in the fiber that makes them. The exchange ends when the body has been read or its reading has ended,
 * and where nobody reads it, when the platform's client gives the response up: with the scope of the request, or when it is collected.
 */
export const make = (
  exchange: (request: Wire.Request) => Effect.Effect<Wire.Reply, Wire.Dropped, Scope.Scope>,
  runtime: Runtime.Runtime<never>
): HttpClient.HttpClient =>
  HttpClient.make((request, url, signal) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const exit = yield* bodyText(request.body).pipe(
          Effect.flatMap((body) =>
            exchange({
              method: request.method,
              url: `${url.pathname}${url.search}`,
              host: url.host,
              headers: withContentType(request),
              body
            })
          ),
          Effect.mapError((cause) => new HttpClientError.RequestError({ request, reason: "Transport", cause })),
          Scope.extend(scope),
          // What waits in the scope must not know the request's span, which knows the response: it would never be collected.
          Effect.mapInputContext<never, never>(() => Context.empty()),
          restore,
          Effect.exit
        )
        if (Exit.isFailure(exit) || typeof exit.value.body === "string") {
          yield* Scope.close(scope, exit)
        } else {
          signal.addEventListener("abort", () => Runtime.runFork(runtime)(Scope.close(scope, exit)), { once: true })
        }
        return yield* Effect.map(exit, (reply) => new ReplyResponse(request, reply))
      })
    )
  )

const withContentType = (request: HttpClientRequest.HttpClientRequest): Headers.Headers =>
  request.body.contentType === undefined || Headers.has(request.headers, "content-type")
    ? request.headers
    : Headers.set(request.headers, "content-type", request.body.contentType)

const bodyText = (body: HttpBody.HttpBody): Effect.Effect<string, unknown> => {
  switch (body._tag) {
    case "Uint8Array":
      return Effect.sync(() => new TextDecoder().decode(body.body))
    case "Stream":
      return Stream.mkString(Stream.decodeText(body.stream))
    case "Raw":
      return Predicate.isString(body.body)
        ? Effect.succeed(body.body)
        : Effect.fail("the emulator's client sends no raw body that is not a string")
    case "FormData":
      return Effect.tryPromise(() => new Response(body.formData).text())
    case "Empty":
      return Effect.succeed("")
  }
}

// A web Response would hand its body over through promises, outside the fiber and its clock, at five times the cost.
class ReplyResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly status: number
  readonly headers: Headers.Headers
  readonly remoteAddress = Option.none<string>()
  readonly cookies = Cookies.empty

  constructor(
    readonly request: HttpClientRequest.HttpClientRequest,
    readonly reply: Wire.Reply
  ) {
    super()
    this.status = reply.status
    this.headers = Headers.fromInput(reply.headers)
  }

  private failure(cause: unknown): HttpClientError.ResponseError {
    return new HttpClientError.ResponseError({ request: this.request, response: this, reason: "Decode", cause })
  }

  private decode<A>(f: (text: string) => A): Effect.Effect<A, HttpClientError.ResponseError> {
    return Effect.flatMap(this.text, (text) =>
      Effect.try({ try: () => f(text), catch: (cause) => this.failure(cause) })
    )
  }

  get text(): Effect.Effect<string, HttpClientError.ResponseError> {
    const { body } = this.reply
    return typeof body === "string" ? Effect.succeed(body) : Stream.mkString(Stream.decodeText(this.stream))
  }

  get json(): Effect.Effect<unknown, HttpClientError.ResponseError> {
    // An empty body is null, as with every other client of the platform.
    return this.decode((text): unknown => (text === "" ? null : JSON.parse(text)))
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError.ResponseError> {
    return this.decode((text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.ResponseError> {
    return Effect.map(Stream.runCollect(this.stream), concatenate)
  }

  get formData(): Effect.Effect<FormData, HttpClientError.ResponseError> {
    return this.decode((text) => {
      const form = new FormData()
      for (const [name, value] of new URLSearchParams(text)) form.append(name, value)
      return form
    })
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    const { body } = this.reply
    return typeof body === "string"
      ? Stream.encodeText(Stream.make(body))
      : Stream.mapError(body, (cause) => this.failure(cause))
  }

  override toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }
}

const concatenate = (chunks: Iterable<Uint8Array>): ArrayBuffer => {
  const parts = Array.from(chunks)
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole.buffer
}
