/** Effect's own parts: an HttpClient with its span, alone and under an ExecutionPlan with a span of the call. */
import * as Sse from "@effect/experimental/Sse"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as UndiciHttpClient from "@spillway/azure-openai/UndiciHttpClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ExecutionPlan from "effect/ExecutionPlan"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Conversation from "../Conversation.js"
import * as ByHand from "./ByHand.js"
import type { Definition } from "./Client.js"
import * as Client from "./Client.js"

class Model extends Context.Tag("@spillway/bench/Model")<
  Model,
  { readonly chat: Effect.Effect<string, unknown>; readonly stream: Stream.Stream<string, unknown> }
>() {}

const Chunk = Schema.parseJson(
  Schema.Struct({
    choices: Schema.Array(Schema.Struct({ delta: Schema.Struct({ content: Schema.optional(Schema.String) }) }))
  })
)
const decodeAnswer = HttpClientResponse.schemaBodyJson(Conversation.Answered)
const decodeChunk = Schema.decode(Chunk)

const model = (origin: string, deployment: string) =>
  Layer.effect(
    Model,
    Effect.map(HttpClient.HttpClient, (http) => {
      const client = HttpClient.filterStatusOk(http)
      const request = HttpClientRequest.post(ByHand.url(origin, deployment)).pipe(
        HttpClientRequest.setHeader("api-key", ByHand.key)
      )
      return {
        chat: Effect.suspend(() =>
          client.execute(HttpClientRequest.bodyUnsafeJson(request, Conversation.request)).pipe(
            Effect.flatMap(decodeAnswer),
            Effect.map(({ choices }) => choices[0].message.content)
          )
        ),
        stream: Stream.suspend(() =>
          HttpClientResponse.stream(
            client.execute(HttpClientRequest.bodyUnsafeJson(request, { ...Conversation.request, stream: true }))
          ).pipe(
            Stream.decodeText(),
            Stream.pipeThroughChannel(Sse.makeChannel()),
            Stream.takeWhile(({ data }) => data !== "[DONE]"),
            Stream.mapEffect(({ data }) => decodeChunk(data)),
            Stream.map(({ choices }) => choices[0]?.delta.content ?? "")
          )
        )
      }
    })
  )

const span = { kind: "client", captureStackTrace: false } as const

const chat = Effect.flatMap(Model, ({ chat }) => chat)
const stream = Stream.unwrap(Effect.map(Model, ({ stream }) => stream))

const alone = (id: string, name: string, http: Layer.Layer<HttpClient.HttpClient>): Definition => ({
  id,
  name,
  make: (origin) =>
    Client.fromEffect(Layer.provide(model(origin, "gpt-4o-ptu"), http), { chat, stream: Stream.mkString(stream) })
})

export const platform = alone("platform", "HttpClient alone, layerUndici", NodeHttpClient.layerUndici)

export const httpClient = alone("http-client", "HttpClient alone, UndiciHttpClient", UndiciHttpClient.layer)

/** The deployments are built once and handed to the plan: given Layers, it would build them for every call. */
export const executionPlan: Definition = {
  id: "execution-plan",
  name: "ExecutionPlan over layerUndici",
  make: (origin) =>
    Effect.gen(function* () {
      const [ptu, standard] = yield* Effect.all([
        Layer.build(model(origin, "gpt-4o-ptu")),
        Layer.build(model(origin, "gpt-4o"))
      ]).pipe(Effect.provide(yield* Layer.build(NodeHttpClient.layerUndici)))
      const schedule = Schedule.exponential("500 millis")
      const plan = ExecutionPlan.make(
        { provide: ptu, attempts: 3, schedule },
        { provide: standard, attempts: 3, schedule }
      )
      return yield* Client.fromEffect(Layer.empty, {
        chat: chat.pipe(Effect.withExecutionPlan(plan), Effect.withSpan("chat", span)),
        stream: stream.pipe(Stream.withExecutionPlan(plan), Stream.withSpan("chat", span), Stream.mkString)
      })
    })
}
