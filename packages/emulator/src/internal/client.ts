import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type * as Wire from "../Wire.js"

/** A client whose requests are answered by `exchange`, in the fiber that makes them. */
export const make = (
  exchange: (request: Wire.Request) => Effect.Effect<Wire.Reply, Wire.Dropped>
): HttpClient.HttpClient =>
  HttpClient.make((request, url) =>
    bodyText(request.body).pipe(
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
      Effect.map((reply) => new ReplyResponse(request, reply))
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

  private decode<A>(f: (text: string) => A): Effect.Effect<A, HttpClientError.ResponseError> {
    return Effect.try({
      try: () => f(this.reply.body),
      catch: (cause) =>
        new HttpClientError.ResponseError({ request: this.request, response: this, reason: "Decode", cause })
    })
  }

  get text(): Effect.Effect<string, HttpClientError.ResponseError> {
    return Effect.succeed(this.reply.body)
  }

  get json(): Effect.Effect<unknown, HttpClientError.ResponseError> {
    // An empty body is null, as with every other client of the platform.
    return this.decode((text): unknown => (text === "" ? null : JSON.parse(text)))
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError.ResponseError> {
    return this.decode((text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.ResponseError> {
    return this.decode((text) => new TextEncoder().encode(text).buffer)
  }

  get formData(): Effect.Effect<FormData, HttpClientError.ResponseError> {
    return this.decode((text) => {
      const form = new FormData()
      for (const [name, value] of new URLSearchParams(text)) form.append(name, value)
      return form
    })
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.encodeText(Stream.make(this.reply.body))
  }

  override toJSON(): unknown {
    return HttpIncomingMessage.inspect(this, {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status
    })
  }
}
