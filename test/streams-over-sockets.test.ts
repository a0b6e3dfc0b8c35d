import { FetchHttpClient } from "@effect/platform"
import type { HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, ChatStream, Deployment, FetchBridge } from "@spillway/azure-openai"
import type { ChatCompletion } from "@spillway/azure-openai"
import * as UndiciHttpClient from "@spillway/azure-openai/UndiciHttpClient"
import { Deferred, Effect, Fiber, Layer, Queue, Redacted, Stream } from "effect"
import { createServer } from "node:http"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

const request: ChatCompletion.ChatStreamRequest = { messages: [{ role: "user", content: "Hi" }] }

const chunk = (delta: Record<string, unknown>, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: "1", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`

const preamble = chunk({ role: "assistant", content: "" })
const end = `${chunk({}, "stop")}data: [DONE]\n\n`

/** A server that is there until the test ends, and what its handler sees. */
const serve = (handler: (request: IncomingMessage, response: ServerResponse) => void) =>
  Effect.acquireRelease(
    Effect.async<Server>((resume) => {
      const server = createServer(handler)
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.async<void>((resume) => {
        server.closeAllConnections()
        server.close(() => resume(Effect.void))
      })
  ).pipe(Effect.map((server) => ({ server, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })))

const deployment = (endpoint: string, client: Layer.Layer<HttpClient.HttpClient>) =>
  Deployment.provisioned({ deployment: "ptu", endpoint, apiKey: Redacted.make("key") }).pipe(Layer.provide(client))

const clients: ReadonlyArray<readonly [string, Layer.Layer<HttpClient.HttpClient>]> = [
  ["platform's undici", NodeHttpClient.layerUndici],
  ["UndiciHttpClient", UndiciHttpClient.layer],
  ["fetch", FetchHttpClient.layer],
  ["node:http", NodeHttpClient.layer]
]

for (const [name, client] of clients) {
  describe(`streams over sockets, ${name}`, () => {
    for (const [when, head] of [
      ["after its output began", preamble + chunk({ content: "Hello" })],
      ["before its output", preamble],
      ["before its headers", undefined]
    ] as const) {
      it.scopedLive(`closes the socket within 50 ms when interrupted ${when}`, () =>
        Effect.gen(function* () {
          const asked = yield* Queue.unbounded<void>()
          const closed = yield* Queue.unbounded<number>()
          const { endpoint } = yield* serve((_, response) => {
            response.on("close", () => Queue.unsafeOffer(closed, performance.now()))
            if (head !== undefined) response.writeHead(200, { "content-type": "text/event-stream" }).write(head)
            Queue.unsafeOffer(asked, undefined)
          })
          const interrupted = Effect.gen(function* () {
            const fiber = yield* Effect.fork(Stream.runDrain(AzureOpenAI.chatStream(request)))
            yield* Queue.take(asked)
            yield* Effect.sleep("30 millis")
            const began = performance.now()
            yield* Fiber.interrupt(fiber)
            return (yield* Queue.take(closed)) - began
          })

          const took = yield* Effect.replicateEffect(interrupted, 5).pipe(Effect.provide(deployment(endpoint, client)))

          // The median, because the machine may be busy with something else and the first one compiles.
          assert.isBelow(took.toSorted((a, b) => a - b)[2] ?? Infinity, 50)
        })
      )
    }

    it.scopedLive("closes the socket when the consumer leaves early", () =>
      Effect.gen(function* () {
        const closed = yield* Deferred.make<void>()
        const { endpoint } = yield* serve((_, response) => {
          response.on("close", () => Deferred.unsafeDone(closed, Effect.void))
          response.writeHead(200, { "content-type": "text/event-stream" }).write(preamble + chunk({ content: "Hello" }))
        })

        const text = yield* AzureOpenAI.chatStream(request).pipe(
          ChatStream.texts,
          Stream.take(1),
          Stream.mkString,
          Effect.provide(deployment(endpoint, client))
        )

        assert.strictEqual(text, "Hello")
        yield* Deferred.await(closed).pipe(Effect.timeout("1 second"))
      })
    )

    it.scopedLive("stops the server from sending while the consumer does not read", () =>
      Effect.gen(function* () {
        const total = 64 * 1024 * 1024
        const big = chunk({ content: "x".repeat(64 * 1024) })
        let written = 0
        const { endpoint } = yield* serve((_, response) => {
          response.writeHead(200, { "content-type": "text/event-stream" })
          response.write(preamble)
          const more = () => {
            while (written < total) {
              written += big.length
              if (!response.write(big)) {
                response.once("drain", more)
                return
              }
            }
            response.end(end)
          }
          more()
        })
        const slow = AzureOpenAI.chatStream(request).pipe(
          ChatStream.texts,
          Stream.take(3),
          Stream.tap(() => Effect.sleep("100 millis")),
          Stream.runDrain,
          Effect.provide(deployment(endpoint, client))
        )

        yield* slow

        // What sockets and the kernel hold; far from the whole.
        assert.isBelow(written, total / 4)
      })
    )

    it.scopedLive("reports a reset connection as a broken stream", () =>
      Effect.gen(function* () {
        const { endpoint } = yield* serve((_, response) => {
          response.writeHead(200, { "content-type": "text/event-stream" })
          response.write(preamble + chunk({ content: "Hello" }))
          setTimeout(() => response.socket?.resetAndDestroy(), 20)
        })

        const error = yield* AzureOpenAI.chatStream(request).pipe(
          Stream.runDrain,
          Effect.flip,
          Effect.provide(deployment(endpoint, client))
        )

        assert.strictEqual(error._tag, "StreamBroken")
        assert.strictEqual(error._tag === "StreamBroken" && Redacted.value(error.text), "Hello")
        assert.strictEqual(error._tag === "StreamBroken" && error.reason, "connection")
      })
    )
  })
}

describe("a bridge over sockets", () => {
  it.scopedLive("answers a status that no web response may have with a 502, and closes the socket", () =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<void>()
      const { endpoint } = yield* serve((request, response) => {
        request.resume()
        response.socket?.on("close", () => Deferred.unsafeDone(closed, Effect.void))
        response.writeHead(999, { "content-type": "application/json", connection: "close" }).end("{}")
      })
      const fetch = yield* FetchBridge.make.pipe(Effect.provide(deployment(endpoint, NodeHttpClient.layer)))

      const response = yield* Effect.promise(() =>
        fetch("https://unused.example/v1/chat/completions", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(request)
        })
      )

      assert.strictEqual(response.status, 502)
      assert.strictEqual(response.headers.get("x-should-retry"), "false")
      yield* Deferred.await(closed).pipe(Effect.timeout("1 second"))
    })
  )
})

describe("streams over sockets", () => {
  it.scopedLive.each([NodeHttpClient.layerUndici, UndiciHttpClient.layer])(
    "use a connection again after [DONE]",
    (client) =>
      Effect.gen(function* () {
        const ports = new Set<number | undefined>()
        const { endpoint } = yield* serve((request, response) => {
          ports.add(request.socket.remotePort)
          request.resume()
          response.writeHead(200, { "content-type": "text/event-stream" })
          response.end(preamble + chunk({ content: "Hello" }) + end)
        })

        const text = ChatStream.text(AzureOpenAI.chatStream(request))
        const texts = yield* Effect.replicateEffect(text, 5).pipe(Effect.provide(deployment(endpoint, client)))

        assert.deepStrictEqual(texts, ["Hello", "Hello", "Hello", "Hello", "Hello"])
        // Not always one: a socket is free again a moment after its body's end.
        assert.isAtMost(ports.size, 2)
      })
  )
})
