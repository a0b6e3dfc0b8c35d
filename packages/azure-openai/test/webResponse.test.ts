import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import { Deployment } from "@spillway/azure-openai"
import { Effect, Layer, Stream } from "effect"
import { getEventListeners } from "node:events"
import { webResponse } from "../src/internal/webResponse.js"
import type { Piece } from "./support/wire.js"
import { chatEvents, ptu, sse, wire } from "./support/wire.js"

const incoming = {
  method: "POST",
  url: new URL("https://theirs.example/v1/chat/completions"),
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ messages: [{ role: "user", content: "Hi" }], stream: true })
}

const begin = (server: { readonly layer: Layer.Layer<HttpClient.HttpClient> }, signal: AbortSignal) =>
  Effect.flatMap(Deployment.Deployment, (runner) => webResponse(runner, incoming, signal)).pipe(
    Effect.provide(ptu().pipe(Layer.provide(server.layer)))
  )

const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length

const hanging: ReadonlyArray<Piece> = [...chatEvents("Hello").slice(0, 3), { hang: true }]

describe("webResponse", () => {
  it.effect("leaves no listener behind, however its body ends", () =>
    Effect.gen(function* () {
      const ends: ReadonlyArray<readonly [ReadonlyArray<Piece>, (response: Response) => Promise<unknown>]> = [
        [chatEvents("Hello"), (response) => response.text()],
        [[...chatEvents("Hello").slice(0, 3), { reset: true }], (response) => response.text().catch(() => "broken")],
        [hanging, async (response) => response.body?.cancel()]
      ]
      for (const [pieces, end] of ends) {
        const { signal } = new AbortController()
        const response = yield* begin(wire([{ headers: sse, pieces }]), signal)
        assert.strictEqual(listeners(signal), 1)

        yield* Effect.promise(() => end(response))

        assert.strictEqual(listeners(signal), 0)
      }
    })
  )

  it.effect("has a body that is aborted already, where the signal was first", () =>
    Effect.gen(function* () {
      const server = wire([{ headers: sse, pieces: hanging }])
      const controller = new AbortController()
      controller.abort(new Error("enough"))

      const response = yield* begin(server, controller.signal)
      const error = yield* Effect.flip(Effect.tryPromise({ try: () => response.text(), catch: String }))

      assert.strictEqual(error, "Error: enough")
      assert.deepStrictEqual(server.aborted, [0])
      assert.strictEqual(listeners(controller.signal), 0)
    })
  )

  it.live("stops a read in progress when it is given up", () =>
    Effect.gen(function* () {
      const stopped: Array<string> = []
      const stuck = (how: string) =>
        HttpClient.make((request) =>
          Effect.sync(() =>
            Object.defineProperty(HttpClientResponse.fromWeb(request, new Response(null, { headers: sse })), "stream", {
              value: Stream.concat(
                Stream.fromIterable(chatEvents("Hello").slice(0, 3)).pipe(Stream.encodeText),
                Stream.fromEffect(Effect.onInterrupt(Effect.never, () => Effect.sync(() => stopped.push(how))))
              )
            })
          )
        )
      for (const [how, end] of [
        ["cancelled", (reader: ReadableStreamDefaultReader) => reader.cancel()],
        ["aborted", undefined]
      ] as const) {
        const controller = new AbortController()
        const response = yield* begin({ layer: Layer.succeed(HttpClient.HttpClient, stuck(how)) }, controller.signal)
        const reader = response.body?.getReader()
        if (reader === undefined) throw new Error("no body")
        for (let packet = 0; packet < 3; packet++) yield* Effect.promise(() => reader.read())
        const waiting = reader.read().catch(() => undefined)
        yield* Effect.sleep("10 millis")

        if (end === undefined) controller.abort()
        else yield* Effect.promise(() => end(reader))
        yield* Effect.promise(() => waiting)
        yield* Effect.sleep("10 millis")
      }

      assert.deepStrictEqual(stopped, ["cancelled", "aborted"])
    })
  )
})
