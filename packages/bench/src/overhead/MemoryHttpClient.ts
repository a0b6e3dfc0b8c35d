/** An `HttpClient` that answers at once, from memory. */
import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** Unlike one from a web `Response` it costs next to nothing, so what is measured is not the reading of bodies. */
class MemoryResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly status = 200
  readonly remoteAddress = Option.none<string>()

  constructor(
    readonly request: HttpClientRequest.HttpClientRequest,
    readonly headers: Headers.Headers,
    private readonly body: string
  ) {
    super()
  }

  get cookies(): Cookies.Cookies {
    return Cookies.empty
  }

  get text(): Effect.Effect<string> {
    return Effect.succeed(this.body)
  }

  get json(): Effect.Effect<unknown> {
    return Effect.sync(() => JSON.parse(this.body))
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer> {
    return Effect.sync(() => new TextEncoder().encode(this.body).buffer)
  }

  get stream(): Stream.Stream<Uint8Array> {
    return Stream.make(this.body).pipe(Stream.encodeText)
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Effect.Effect<FormData> {
    return Effect.dieMessage("a chat completion is no form")
  }

  toJSON(): unknown {
    return { _id: "MemoryResponse", status: this.status }
  }
}

/** Every request gets this body, as JSON. */
export const make = (body: string): HttpClient.HttpClient => {
  const headers = Headers.fromInput({
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "apim-request-id": "0c5f4b0a-6f5c-4f0e-9f3e-3f8a1f6d2b11"
  })
  return HttpClient.make((request) => Effect.succeed(new MemoryResponse(request, headers, body)))
}

export const layer = (body: string): Layer.Layer<HttpClient.HttpClient> =>
  Layer.succeed(HttpClient.HttpClient, make(body))
