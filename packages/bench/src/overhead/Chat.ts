/** A whole call of `AzureOpenAI.chat`: request checked and written, reply read and decoded, over an HTTP client that answers from memory. */
import { AzureOpenAI } from "@spillway/azure-openai"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Conversation from "../Conversation.js"
import * as Deployments from "../Deployments.js"
import * as MemoryHttpClient from "./MemoryHttpClient.js"
import * as Spans from "./Spans.js"
import * as Subject from "./Subject.js"

const endpoint = "https://contoso.openai.azure.com"

const decode = Schema.decodeUnknown(Conversation.Answered)

/** By hand: the client's own span switched off, nothing checked but what is read. */
const plain = (client: HttpClient.HttpClient): Effect.Effect<string, unknown> => {
  const quiet = client.pipe(
    HttpClient.withTracerDisabledWhen(() => true),
    HttpClient.withTracerPropagation(false)
  )
  const body = { model: Conversation.model, ...Conversation.request }
  return Effect.suspend(() =>
    HttpClientRequest.post(`${endpoint}/openai/v1/chat/completions`).pipe(
      HttpClientRequest.setHeader("api-key", "c0ffee00c0ffee00c0ffee00c0ffee00"),
      HttpClientRequest.bodyUnsafeJson(body),
      quiet.execute,
      Effect.flatMap((response) => response.json),
      Effect.flatMap(decode),
      Effect.map(({ choices }) => choices[0].message.content)
    )
  )
}

const ask = AzureOpenAI.chat(Conversation.request).pipe(Effect.map(({ text }) => text))

const native = "request by hand, two spans"
const sdk = "request by hand, two spans, OpenTelemetry"

export const subjects = Effect.gen(function* () {
  const deployed = (deployment: Deployments.Deployed) =>
    Layer.build(Layer.provide(deployment, MemoryHttpClient.layer(Conversation.completionJson)))
  const alone = yield* deployed(Deployments.alone(endpoint))
  const everything = yield* deployed(Deployments.everything(endpoint))
  const request = plain(MemoryHttpClient.make(Conversation.completionJson))
  const twoSpans = Spans.within(request, yield* Spans.record(Effect.provide(ask, everything)))
  // Provided around all calls, as an application does it at its edge.
  const chat = (name: string, context: typeof everything, tracer: Subject.Tracer = "native"): Subject.Subject => ({
    name,
    tracer,
    beyond: tracer === "native" ? native : sdk,
    calls: (times) => Effect.provide(Subject.repeat(ask, times), context)
  })
  return [
    Subject.base("request by hand", "native", request),
    Subject.base(native, "native", twoSpans),
    chat("chat, one deployment", alone),
    chat("chat, everything", everything),
    Subject.base(sdk, "OpenTelemetry", twoSpans),
    chat("chat, everything, OpenTelemetry", everything, "OpenTelemetry")
  ]
})
