/**
 * An @effect/platform HttpClient that applies the policy, for Effect clients of OpenAI's API such as `@effect/ai-openai`.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { Service } from "./Deployment.js"
import { Deployment } from "./Deployment.js"
import { webResponse } from "./internal/webResponse.js"

const encodeError = (request: HttpClientRequest.HttpClientRequest, cause?: unknown) =>
  new HttpClientError.RequestError({ request, reason: "Encode", cause })

const textOf = (request: HttpClientRequest.HttpClientRequest): Effect.Effect<string, HttpClientError.RequestError> => {
  const { body } = request
  switch (body._tag) {
    case "Empty":
      return Effect.succeed("")
    case "Uint8Array":
      return Effect.sync(() => new TextDecoder().decode(body.body))
    case "Raw":
      return typeof body.body === "string" ? Effect.succeed(body.body) : Effect.fail(encodeError(request))
    case "Stream":
      return Effect.mapError(Stream.mkString(Stream.decodeText(body.stream)), (cause) => encodeError(request, cause))
    case "FormData":
      return Effect.fail(encodeError(request))
  }
}

/**
 * An HttpClient over a deployment. Whatever URL and key the client above it was set up with, the request goes to the
 * deployments, each by its own URL style and credential, and waits and falls back as the policy says. Replies and streams are
 * handed on as by `FetchBridge.make`, failures too: as the last reply, or as what a gateway would say in its place. Retries
 * above it (`HttpClient.retryTransient`) are to be left out: they have one owner.
 *
 * Settings around a call (`CallSettings`) hold, and spans have the call's span for a parent. The HttpClient's own span is
 * switched off, because the call's stands for it. A body that cannot be sent as JSON (a form, a file) is a `RequestError`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { HttpClientRequest } from "@effect/platform"
 * import { Effect } from "effect"
 * import { Deployment, HttpClientBridge } from "@spillway/azure-openai"
 *
 * // A client of your own over the policy, beside one that goes elsewhere.
 * export const answer = Effect.gen(function* () {
 *   const chat = HttpClientBridge.make(yield* Deployment.Deployment)
 *   return yield* HttpClientRequest.post("https://unused.example/v1/chat/completions").pipe(
 *     HttpClientRequest.bodyUnsafeJson({ model: "any", messages: [{ role: "user", content: "Hi" }] }),
 *     chat.execute,
 *     Effect.flatMap((response) => response.json)
 *   )
 * })
 * ```
 */
export const make = (runner: Service): HttpClient.HttpClient =>
  HttpClient.make((request, url, signal) =>
    Effect.flatMap(textOf(request), (body) =>
      webResponse(runner, { method: request.method, url, headers: request.headers, body }, signal).pipe(
        Effect.map((response) => HttpClientResponse.fromWeb(request, response))
      )
    )
  ).pipe(HttpClient.withTracerDisabledWhen(() => true))

/**
 * Provides {@link make} over the deployment the program is given.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { HttpClient } from "@effect/platform"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer } from "effect"
 * import type { Deployment } from "@spillway/azure-openai"
 * import { HttpClientBridge } from "@spillway/azure-openai"
 *
 * declare const Chat: Layer.Layer<Deployment.Deployment, never, HttpClient.HttpClient>
 *
 * // OpenAiClient.layer({}) of @effect/ai-openai takes this in place of FetchHttpClient.layer.
 * export const client = HttpClientBridge.layer.pipe(Layer.provide(Chat), Layer.provide(FetchHttpClient.layer))
 * ```
 */
export const layer: Layer.Layer<HttpClient.HttpClient, never, Deployment> = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(Deployment, make)
)
