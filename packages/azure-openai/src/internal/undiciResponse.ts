import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Channel from "effect/Channel"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Exchange } from "./undiciExchange.js"

// Takes the byte order mark off and writes U+FFFD for what is no UTF-8, as fetch does.
const decoder = new TextDecoder()

/** @internal */
export class UndiciResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  private cachedHeaders: Headers.Headers | undefined = undefined

  constructor(
    readonly request: HttpClientRequest.HttpClientRequest,
    private readonly exchange: Exchange
  ) {
    super()
  }

  get status(): number {
    return this.exchange.status
  }

  get headers(): Headers.Headers {
    return (this.cachedHeaders ??= Headers.fromInput(this.exchange.headers))
  }

  get cookies(): Cookies.Cookies {
    return Cookies.fromSetCookie(this.exchange.headers["set-cookie"] ?? [])
  }

  // The dispatcher does not tell.
  get remoteAddress(): Option.Option<string> {
    return Option.none()
  }

  private failed(cause: unknown, description?: string): HttpClientError.ResponseError {
    return new HttpClientError.ResponseError({
      request: this.request,
      response: this,
      reason: "Decode",
      cause,
      ...(description === undefined ? {} : { description })
    })
  }

  private taken(): Effect.Effect<never, HttpClientError.ResponseError> {
    return Effect.fail(this.failed(undefined, "the body was read before, or is being read"))
  }

  // All that read the body as a whole may do so more than once, in any order: what has come is kept.
  private whole<A>(decode: (bytes: Uint8Array) => A): Effect.Effect<A, HttpClientError.ResponseError> {
    const { exchange } = this
    const result = () =>
      exchange.error === undefined
        ? Effect.try({ try: () => decode(exchange.bytes()), catch: (cause) => this.failed(cause) })
        : Effect.fail(this.failed(exchange.error))
    return Effect.suspend(() => {
      if (!exchange.openWhole()) return this.taken()
      if (exchange.ended) return result()
      return Effect.async((resume) => {
        exchange.onWhole(() => resume(result()))
        return Effect.sync(() => exchange.abort())
      })
    })
  }

  get text(): Effect.Effect<string, HttpClientError.ResponseError> {
    return this.whole((bytes) => decoder.decode(bytes))
  }

  get json(): Effect.Effect<unknown, HttpClientError.ResponseError> {
    return this.whole((bytes) => (bytes.length === 0 ? null : JSON.parse(decoder.decode(bytes))))
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError.ResponseError> {
    return this.whole((bytes) => UrlParams.fromInput(new URLSearchParams(decoder.decode(bytes))))
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.ResponseError> {
    // The buffer below holds other replies as well.
    return this.whole((bytes) => new Uint8Array(bytes).buffer)
  }

  get formData(): Effect.Effect<FormData, HttpClientError.ResponseError> {
    return Effect.flatMap(this.arrayBuffer, (body) =>
      Effect.tryPromise({
        try: () => new Response(body, { headers: { "content-type": this.headers["content-type"] ?? "" } }).formData(),
        catch: (cause) => this.failed(cause)
      })
    )
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    const { exchange } = this
    const more = Effect.async<void>((resume) => exchange.onMore(() => resume(Effect.void)))
    const read: Channel.Channel<Chunk.Chunk<Uint8Array>, unknown, HttpClientError.ResponseError> = Channel.suspend(
      () => {
        const bytes = exchange.take()
        if (bytes.length > 0) return Channel.flatMap(Channel.write(Chunk.of(bytes)), () => read)
        if (!exchange.ended) return Channel.flatMap(Channel.fromEffect(more), () => read)
        return exchange.error === undefined ? Channel.void : Channel.fail(this.failed(exchange.error))
      }
    )
    return Stream.suspend(() => {
      if (!exchange.openStream()) return Stream.fromEffect(this.taken())
      return Stream.ensuring(
        Stream.fromChannel(read),
        Effect.sync(() => exchange.abort())
      )
    })
  }

  // Without the body: an answer has no place in a log.
  toJSON(): unknown {
    return {
      _id: "@effect/platform/HttpClientResponse",
      request: this.request.toJSON(),
      status: this.status,
      headers: Inspectable.redact(this.headers),
      remoteAddress: this.remoteAddress.toJSON()
    }
  }
}
