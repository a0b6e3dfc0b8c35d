import { FetchHttpClient, Headers, HttpClient, HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, Credential, Deployment, Telemetry } from "@spillway/azure-openai"
import { RetryAfter } from "@spillway/core"
import { Emulator, Script } from "@spillway/emulator"
import { NodeTelemetry } from "@spillway/opentelemetry"
import { Effect, Layer, Logger, LogLevel, Redacted } from "effect"
import { createServer } from "node:http"
import * as OtlpReceiver from "./support/telemetry/otlpReceiver.js"

const key = "KEY-4be1c0de-that-was-really-sent"
const token = "TOKEN-eyJ0eXAiOiJKV1QiLCJh-that-was-really-sent"
const gatewayKey = "a-gateway-key-nobody-may-read"
const prompt = "PROMPT-nobody-else-may-read"
const answer = "ANSWER-nobody-else-may-read"

const credential = Layer.succeed(Credential.Credential, {
  token: Effect.succeed(Redacted.make(token)),
  rejected: () => Effect.void
})

// What a service could do worst: quote what it was sent, in headers and in words.
const script = Script.make({
  ptu: [
    Script.throttled({ retryAfterMs: 5 }),
    Script.reply({
      status: 429,
      headers: { "x-echo": key, "x-echoes": `you sent ${key}`, "retry-after-ms": "60000" },
      body: `${key} ${prompt}`
    })
  ],
  std: [
    Script.answer({ text: answer }),
    Script.reply({
      status: 400,
      headers: { "x-echo": `Bearer ${token}`, "x-echoes": token },
      body: { error: { code: "bad", message: `${token} ${prompt}` } }
    })
  ]
})

/** A client whose owner switched its spans on, its redaction off and its propagation on. */
const careless = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(
    HttpClient.HttpClient,
    HttpClient.transformResponse((response) =>
      response.pipe(
        Effect.locally(Headers.currentRedactedNames, []),
        Effect.locally(HttpClient.currentTracerDisabledWhen, () => false)
      )
    )
  )
).pipe(Layer.provide(FetchHttpClient.layer))

interface Case {
  readonly name: string
  readonly options: Partial<Deployment.Options>
  readonly client: Layer.Layer<HttpClient.HttpClient>
  readonly httpSpans: boolean
}

const cases: ReadonlyArray<Case> = [
  { name: "with the default settings", options: {}, client: FetchHttpClient.layer, httpSpans: false },
  {
    name: "with the HTTP client's own spans and propagation on",
    options: { httpSpans: true, propagate: true },
    client: FetchHttpClient.layer,
    httpSpans: true
  },
  { name: "with a client set to tell everything", options: {}, client: careless, httpSpans: false },
  {
    name: "with a client set to tell everything, and its spans asked for",
    options: { httpSpans: true },
    client: careless,
    httpSpans: true
  }
]

describe("everything that is exported", () => {
  it.live.each([...cases])("$name holds no key, token, prompt or answer", ({ client, httpSpans, options }) =>
    Effect.gen(function* () {
      const receiver = yield* OtlpReceiver.start()
      const { address } = yield* HttpServer.HttpServer
      const endpoint = address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : ""
      const headers = { "X-Gateway-Key": Redacted.make(gatewayKey) }
      const common = { endpoint, model: "gpt-4o", headers, ...options }
      const chat = Deployment.provisioned({ ...common, deployment: "ptu", apiKey: Redacted.make(key) }).pipe(
        Deployment.retry(RetryAfter.within("1 second")),
        Deployment.orElse(Deployment.standard({ ...common, deployment: "std", credential }))
      )
      const lines: Array<string> = []
      const ask = AzureOpenAI.chat({ messages: [{ role: "user", content: prompt }] })
      const [first, second] = yield* Effect.all([Effect.either(ask), Effect.either(ask)]).pipe(
        Effect.provide(Layer.orDie(Layer.provide(chat, client))),
        Effect.provide([
          NodeTelemetry.layer({ serviceName: "secrets", otlp: { endpoint: receiver.url } }),
          Logger.replace(
            Logger.defaultLogger,
            Logger.map(Logger.jsonLogger, (line) => void lines.push(line))
          ),
          Logger.minimumLogLevel(LogLevel.All)
        ])
      )
      const requests = yield* Effect.flatMap(Emulator.Emulator, (emulator) => emulator.requests)
      const exported = receiver.bodies.join("\n")

      // They were really sent, and both answered and quoted back.
      assert.strictEqual(first._tag, "Right")
      assert.strictEqual(second._tag, "Left")
      assert.isTrue(requests.some(({ headers }) => headers["api-key"] === key))
      assert.isTrue(requests.some(({ headers }) => headers["authorization"] === `Bearer ${token}`))
      assert.isTrue(requests.every(({ headers }) => headers["x-gateway-key"] === gatewayKey))
      // And something was exported that could have held them.
      assert.strictEqual(exported.includes(`"http.client POST"`), httpSpans)
      assert.include(exported, `"chat gpt-4o"`)
      assert.include(exported, `"spillway.calls"`)
      assert.isAbove(lines.length, 3)
      for (const secret of [key, token, gatewayKey, prompt, answer]) {
        assert.notInclude(exported, secret)
        assert.notInclude(lines.join("\n"), secret)
      }
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Emulator.serve.pipe(
          Layer.provideMerge(Emulator.layerScripted(script)),
          Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
        )
      )
    )
  )

  it.live("holds prompt and answer where they are asked for, and still no key", () =>
    Effect.gen(function* () {
      const receiver = yield* OtlpReceiver.start()
      const { address } = yield* HttpServer.HttpServer
      const endpoint = address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : ""
      yield* AzureOpenAI.chat({ messages: [{ role: "user", content: prompt }] }).pipe(
        Telemetry.withContent(true),
        Effect.provide(
          Layer.orDie(Deployment.standard({ endpoint, deployment: "std", apiKey: Redacted.make(key) })).pipe(
            Layer.provide(FetchHttpClient.layer)
          )
        ),
        Effect.provide(NodeTelemetry.layer({ serviceName: "content", otlp: { endpoint: receiver.url } }))
      )
      const exported = receiver.bodies.join("\n")

      assert.include(exported, prompt)
      assert.include(exported, answer)
      assert.notInclude(exported, key)
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Emulator.serve.pipe(
          Layer.provideMerge(Emulator.layerScripted(script)),
          Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
        )
      )
    )
  )
})
