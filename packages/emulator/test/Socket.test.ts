import { FetchHttpClient, HttpServer } from "@effect/platform"
import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Emulator, type EmulatorConfig, Script } from "@spillway/emulator"
import { Effect, Fiber, Layer, Schedule, Tracer } from "effect"
import { createServer } from "node:http"
import { dated, datedPath, prompt, type Received, send, v1 } from "./support/calls.js"

const server = (emulator: Layer.Layer<Emulator.Emulator>) =>
  Emulator.serve.pipe(
    Layer.provideMerge(emulator),
    Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
  )

const url = Effect.map(HttpServer.HttpServer, ({ address }) =>
  address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : ""
)

const config: EmulatorConfig.EmulatorConfig = {
  apiKeys: ["k"],
  deployments: [
    {
      name: "ptu",
      kind: "provisioned",
      model: "gpt-4o",
      // Full for minutes after one call, so that what is throttled does not depend on the machine's speed.
      windowSeconds: 0.001,
      latency: { firstTokenMs: 1, tokensPerSecond: 1e6 },
      answerTokens: { min: 16_000, max: 16_000 }
    },
    { name: "s", kind: "standard", model: "gpt-4o", latency: { firstTokenMs: 1, tokensPerSecond: 1e6 } }
  ]
}

/** One of everything. */
const conversation = (baseUrl?: string) => {
  const options = baseUrl === undefined ? {} : { baseUrl }
  return Effect.all([
    dated("s", { messages: [{ role: "user", content: "Grüße – 水" }] }, options),
    v1("s", { ...prompt(10), max_tokens: 5 }, options),
    dated("ptu", { ...prompt(10), max_tokens: 16_384 }, options),
    v1("ptu", prompt(10), options),
    dated("absent", prompt(1), options),
    dated("s", prompt(1), { ...options, headers: { "api-key": "wrong" } }),
    dated("s", {}, options),
    send("/nowhere", undefined, { ...options, method: "GET" }),
    send(datedPath("s"), "{", options)
  ])
}

// What HTTP itself adds, and what tells the time.
const perConnection = new Set(["connection", "content-length", "date", "keep-alive", "retry-after", "retry-after-ms"])

const comparable = ({ body, headers, status }: Received) => ({
  status,
  headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !perConnection.has(name))),
  body: JSON.stringify(body).replace(/"created":\d+/, '"created":0')
})

describe("behind a socket", () => {
  for (const [name, client] of [
    ["undici", NodeHttpClient.layerUndici],
    ["fetch", FetchHttpClient.layer]
  ] as const) {
    it.live(`${name} gets the replies that are given in process`, () =>
      Effect.gen(function* () {
        const emulated = yield* conversation().pipe(
          Effect.provide(Emulator.layerClient.pipe(Layer.provide(Emulator.layer(config))))
        )
        const received = yield* Effect.flatMap(url, conversation).pipe(
          Effect.provide(server(Emulator.layer(config)).pipe(Layer.merge(client)))
        )

        assert.deepStrictEqual(received.map(comparable), emulated.map(comparable))
        assert.deepStrictEqual(
          received.map((reply) => reply.status),
          [200, 200, 200, 429, 404, 401, 400, 404, 400]
        )
        const hint = Number(received[3].headers["retry-after-ms"])
        // 64 000 tokens at 625 a second, but for what drained while the test ran.
        assert.isTrue(hint > 92_000 && hint <= 102_500, String(hint))
        assert.strictEqual(received[3].headers["retry-after"], String(Math.ceil(hint / 1000)))
      })
    )
  }

  it.live("a refused request finds its connection gone, and the next one is answered", () =>
    Effect.gen(function* () {
      const baseUrl = yield* url
      const error = yield* Effect.flip(dated("d", prompt(1), { baseUrl }))
      const next = yield* dated("d", prompt(1), { baseUrl })

      assert.strictEqual(error._tag === "RequestError" ? error.reason : error._tag, "Transport")
      assert.strictEqual(next.status, 200)
      const emulator = yield* Emulator.Emulator
      assert.deepStrictEqual(
        (yield* emulator.requests).map((request) => [request.status, request.interrupted]),
        [
          [undefined, false],
          [200, false]
        ]
      )
    }).pipe(
      Effect.provide(
        server(Emulator.layerScripted(Script.make({ d: [Script.refuse(), Script.answer()] }))).pipe(
          Layer.merge(NodeHttpClient.layerUndici)
        )
      )
    )
  )

  it.live("a body over the limit is refused with its length, one of a dozen megabytes is not", () =>
    Effect.gen(function* () {
      const baseUrl = yield* url
      const [large, larger] = yield* Effect.all(
        [12, 17].map((megabytes) =>
          v1("s", { messages: [{ role: "system", content: "x".repeat(megabytes * 1024 * 1024) }] }, { baseUrl })
        )
      )

      assert.strictEqual(large?.status, 400)
      assert.match(JSON.stringify(large?.body), /resulted in 3145729 tokens/)
      assert.strictEqual(larger?.status, 413)
      assert.match(JSON.stringify(larger?.body), /At most 16777216 bytes/)
    }).pipe(
      Effect.provide(
        server(
          Emulator.layer({
            deployments: [{ name: "s", kind: "standard", model: "gpt-4o", tokensPerMinute: 100_000_000 }]
          })
        ).pipe(Layer.merge(NodeHttpClient.layerUndici))
      )
    )
  )

  it.live("a caller that hangs up frees its place", () =>
    Effect.gen(function* () {
      const emulator = yield* Emulator.Emulator
      const until = (n: number) =>
        emulator.inFlight.pipe(
          Effect.repeat({ until: (inFlight) => inFlight === n, schedule: Schedule.spaced("2 millis") }),
          Effect.timeout("5 seconds")
        )
      const fiber = yield* Effect.fork(dated("d", prompt(1), { baseUrl: yield* url }))
      yield* until(1)
      yield* Fiber.interrupt(fiber)
      yield* until(0)

      assert.deepStrictEqual(
        (yield* emulator.requests).map((request) => [request.status, request.interrupted]),
        [[undefined, true]]
      )
    }).pipe(
      Effect.provide(
        server(Emulator.layerScripted(Script.make({ d: [Script.silent] }))).pipe(
          Layer.merge(NodeHttpClient.layerUndici)
        )
      )
    )
  )

  it.live("two hundred at once are each answered once", () =>
    Effect.gen(function* () {
      const baseUrl = yield* url
      const replies = yield* Effect.all(
        Array.from({ length: 200 }, (_, i) =>
          dated("s", { messages: [{ role: "user", content: `question ${i}` }] }, { baseUrl })
        ),
        { concurrency: "unbounded" }
      )

      assert.isTrue(replies.every((reply) => reply.status === 200))
      assert.strictEqual(new Set(replies.map((reply) => reply.headers["x-request-id"])).size, 200)
      const emulator = yield* Emulator.Emulator
      assert.strictEqual((yield* emulator.requests).length, 200)
      assert.strictEqual(yield* emulator.inFlight, 0)
    }).pipe(Effect.provide(server(Emulator.layer(config)).pipe(Layer.merge(NodeHttpClient.layerUndici))))
  )

  it.live("the server makes no span, so no key reaches the tracer and no trace of a client grows", () => {
    const spans: Array<string> = []
    const recording = Layer.unwrapEffect(
      Effect.map(Effect.tracer, (tracer) =>
        Layer.setTracer(
          Tracer.make({
            context: (f, fiber) => tracer.context(f, fiber),
            span: (name, ...rest) => {
              spans.push(name)
              return tracer.span(name, ...rest)
            }
          })
        )
      )
    )

    return Effect.gen(function* () {
      yield* dated("s", prompt(1), { baseUrl: yield* url })

      assert.deepStrictEqual(spans, ["http.client POST"])
    }).pipe(
      Effect.provide(
        server(Emulator.layer(config)).pipe(Layer.merge(NodeHttpClient.layerUndici), Layer.provideMerge(recording))
      )
    )
  })
})
