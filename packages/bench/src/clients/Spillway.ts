/** Spillway with everything on: admission, retry, fallback, spans. */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { AzureOpenAI, ChatStream } from "@spillway/azure-openai"
import * as UndiciHttpClient from "@spillway/azure-openai/UndiciHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Conversation from "../Conversation.js"
import * as Deployments from "../Deployments.js"
import * as OpenTelemetry from "../OpenTelemetry.js"
import type { Definition } from "./Client.js"
import * as Client from "./Client.js"

const define = (
  id: string,
  name: string,
  http: Layer.Layer<HttpClient.HttpClient>,
  tracer: Layer.Layer<never>
): Definition => ({
  id,
  name,
  make: (origin) =>
    Client.fromEffect(Layer.provideMerge(Layer.provide(Deployments.everything(origin), http), tracer), {
      chat: Effect.map(AzureOpenAI.chat(Conversation.request), ({ text }) => text),
      stream: AzureOpenAI.chatStream(Conversation.request).pipe(ChatStream.texts, Stream.mkString)
    })
})

/** What the rows with OpenTelemetry have exported. */
export const exported = new OpenTelemetry.Counter()

const sdk = OpenTelemetry.layer(exported)

export const onPlatform = define("spillway", "Spillway, layerUndici", NodeHttpClient.layerUndici, Layer.empty)

export const onPlatformTraced = define(
  "spillway-otel",
  "Spillway, layerUndici, OpenTelemetry",
  NodeHttpClient.layerUndici,
  sdk
)

/** On the HTTP client that is recommended where speed matters. */
export const fastest = define("spillway-undici", "Spillway, UndiciHttpClient", UndiciHttpClient.layer, Layer.empty)

export const fastestTraced = define(
  "spillway-undici-otel",
  "Spillway, UndiciHttpClient, OpenTelemetry",
  UndiciHttpClient.layer,
  sdk
)
