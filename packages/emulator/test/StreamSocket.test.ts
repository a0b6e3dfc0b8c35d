import { HttpServer } from "@effect/platform"
import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Emulator, type EmulatorConfig, Script } from "@spillway/emulator"
import { Effect, Exit, Fiber, Layer, Schedule, Scope, Stream } from "effect"
import { createServer } from "node:http"
import { v1 } from "./support/calls.js"
import { events, openChat, said } from "./support/streams.js"

const server = (emulator: Layer.Layer<Emulator.Emulator>) =>
  Emulator.serve.pipe(
    Layer.provideMerge(emulator),
    Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
    Layer.merge(NodeHttpClient.layerUndici)
  )

const url = Effect.map(HttpServer.HttpServer, ({ address }) =>
  address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : ""
)

const question = { messages: [{ role: "user", content: "Wie hoch ist das Wehr? 水" }] }

/** A streamed chat with the fetch of the platform, and nothing of Effect. */
const fetchStream = (baseUrl: string, signal?: AbortSignal, deployment = "d") =>
  fetch(`${baseUrl}/openai/v1/chat/completions`, {
    method: "POST",
    headers: { "api-key": "k", "content-type": "application/json" },
    body: JSON.stringify({ model: deployment, stream: true, ...question }),
    ...(signal === undefined ? {} : { signal })
  })

const untilInFlight = (n: number) =>
  Effect.flatMap(Emulator.Emulator, ({ inFlight }) =>
    inFlight.pipe(
      Effect.repeat({ until: (count) => count === n, schedule: Schedule.spaced("2 millis") }),
      Effect.timeout("5 seconds")
    )
  )

const fast: EmulatorConfig.EmulatorConfig = {
  deployments: [
    {
      name: "d",
      kind: "standard",
      model: "gpt-4o",
      latency: { firstTokenMs: 1, tokensPerSecond: 1e6 },
      answerTokens: { min: 40, max: 40 },
      burstTokens: 4
    }
  ]
}

describe("a stream behind a socket", () => {
  it.live("reaches fetch whole, and says what the whole answer says", () =>
    Effect.gen(function* () {
      const baseUrl = yield* url
      const whole = yield* v1("d", question, { baseUrl })
      const response = yield* Effect.promise(() => fetchStream(baseUrl))
      const text = yield* Effect.promise(() => response.text())

      assert.strictEqual(response.headers.get("content-type"), "text/event-stream; charset=utf-8")
      assert.strictEqual(response.headers.get("transfer-encoding"), "chunked")
      const all = events(text)
      assert.strictEqual(all.at(-1), "[DONE]")
      assert.include(JSON.stringify(whole.body), said(all).text)
      assert.strictEqual(said(all).text.split(" ").length, 40)
      yield* untilInFlight(0)
      const emulator = yield* Emulator.Emulator
      assert.deepStrictEqual(
        (yield* emulator.requests).map(({ interrupted, status }) => [status, interrupted]),
        [
          [200, false],
          [200, false]
        ]
      )
    }).pipe(Effect.provide(server(Emulator.layer(fast))))
  )

  it.live("its headers leave before its first piece", () =>
    Effect.gen(function* () {
      const controller = new AbortController()
      const baseUrl = yield* url
      const response = yield* Effect.promise(() => fetchStream(baseUrl, controller.signal))

      assert.strictEqual(response.status, 200)
      controller.abort()
      yield* untilInFlight(0)
    }).pipe(
      Effect.provide(server(Emulator.layerScripted(Script.make({ d: [Script.stream({ events: [], end: "silent" })] }))))
    )
  )

  it.live("a caller that aborts its fetch, and one that is interrupted, end it", () =>
    Effect.gen(function* () {
      const baseUrl = yield* url
      const controller = new AbortController()
      const response = yield* Effect.promise(() => fetchStream(baseUrl, controller.signal))
      yield* untilInFlight(1)
      controller.abort()
      yield* untilInFlight(0)
      assert.isTrue(response.ok)

      const fiber = yield* Effect.fork(
        Effect.flatMap(openChat("d", question, { baseUrl }), (response) => Stream.runDrain(response.stream))
      )
      yield* untilInFlight(1)
      yield* Fiber.interrupt(fiber)
      yield* untilInFlight(0)

      const emulator = yield* Emulator.Emulator
      assert.deepStrictEqual(
        (yield* emulator.requests).map(({ interrupted, status }) => [status, interrupted]),
        [
          [200, true],
          [200, true]
        ]
      )
    }).pipe(
      Effect.provide(
        server(
          Emulator.layerScripted(
            Script.make({ d: [Script.forever(Script.stream({ events: [{ choices: [] }], end: "silent" }))] })
          )
        )
      )
    )
  )

  for (const end of ["cut", "reset"] as const) {
    it.live(`fetch sees it broken when it is ${end}, after what was sent`, () =>
      Effect.gen(function* () {
        const baseUrl = yield* url
        const response = yield* Effect.promise(() => fetchStream(baseUrl))
        const read = yield* Effect.promise(async () => {
          const decoder = new TextDecoder()
          let text = ""
          try {
            for await (const piece of response.body ?? []) text += decoder.decode(piece, { stream: true })
            return { text, broken: false }
          } catch {
            return { text, broken: true }
          }
        })

        assert.deepStrictEqual(read, { text: "data: 1\n\ndata: 2\n\n", broken: true })
        yield* untilInFlight(0)
      }).pipe(
        Effect.provide(
          server(
            Emulator.layerScripted(
              Script.make({ d: [Script.stream({ chunks: ["data: 1\n\n", "data: 2\n\n"], every: "10 millis", end })] })
            )
          )
        )
      )
    )
  }

  it.live("a JSON body that is cut has announced its length and does not keep it", () =>
    Effect.gen(function* () {
      const baseUrl = yield* url
      const response = yield* Effect.promise(() => fetchStream(baseUrl))
      const length = Number(response.headers.get("content-length"))
      const failure = yield* Effect.promise(() => response.text().catch((error: unknown) => error))

      assert.isAbove(length, 500)
      assert.instanceOf(failure, TypeError)
    }).pipe(
      Effect.provide(
        server(
          Emulator.layerScripted(
            Script.make({ d: [Script.truncated(Script.reply({ body: { text: "x".repeat(1000) } }))] })
          )
        )
      )
    )
  )

  it.live("a reader that stops reading stops it, until it reads on", () => {
    const piece = new Uint8Array(65_536).fill(120)
    const pieces = 400
    const counted = Array.from({ length: pieces }, () => piece)
    return Effect.gen(function* () {
      const baseUrl = yield* url
      const emulator = yield* Emulator.Emulator
      const response = yield* Effect.promise(() => fetchStream(baseUrl))
      yield* Effect.sleep("300 millis")
      // 26 MB do not fit into the buffers of two sockets, so it is waiting.
      assert.strictEqual(yield* emulator.inFlight, 1)
      const body = yield* Effect.promise(() => response.arrayBuffer())

      assert.strictEqual(body.byteLength, pieces * piece.length)
      yield* untilInFlight(0)
      assert.deepStrictEqual(
        (yield* emulator.requests).map(({ interrupted }) => interrupted),
        [false]
      )
    }).pipe(Effect.provide(server(Emulator.layerScripted(Script.make({ d: [Script.stream({ chunks: counted })] })))))
  })

  it.live("the server closes though it never ends", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        server(Emulator.layerScripted(Script.make({ d: [Script.stream({ events: [], end: "silent" })] }))),
        scope
      )
      const response = yield* Effect.flatMap(url, (baseUrl) => Effect.promise(() => fetchStream(baseUrl))).pipe(
        Effect.provide(context)
      )
      yield* Effect.timeout(Scope.close(scope, Exit.void), "5 seconds")

      assert.strictEqual(yield* Effect.promise(() => response.text().catch(() => "broken")), "")
    })
  )

  it.live("a hundred at once are each told apart and leave nothing behind", () =>
    Effect.gen(function* () {
      const baseUrl = yield* url
      const texts = yield* Effect.promise(() =>
        Promise.all(Array.from({ length: 100 }, () => fetchStream(baseUrl).then((response) => response.text())))
      )

      assert.strictEqual(new Set(texts.map((text) => /"id":"(chatcmpl-\w+)"/.exec(text)?.[1])).size, 100)
      assert.isTrue(texts.every((text) => text.endsWith("data: [DONE]\n\n")))
      yield* untilInFlight(0)
    }).pipe(Effect.provide(server(Emulator.layer(fast))))
  )
})
