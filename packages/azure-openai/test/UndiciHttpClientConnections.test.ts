import { HttpBody, HttpClient } from "@effect/platform"
import type { HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import * as UndiciHttpClient from "@spillway/azure-openai/UndiciHttpClient"
import { Array as Arr, Chunk, Effect, Exit, FastCheck, Fiber, Queue, Runtime, Schedule, Stream } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { answering, byteServer, httpServer, ok } from "./support/sockets.js"
import type { Connection } from "./support/sockets.js"
import { provided, untraced, ways } from "./support/undici.js"

const chunks = Stream.make("one ", "", "two").pipe(Stream.encodeText)

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

/** Waits for something real to happen, for at most two seconds. */
const eventually = (condition: () => boolean) =>
  Effect.sync(condition).pipe(
    Effect.repeat({ until: (met) => met, schedule: Schedule.spaced("5 millis") }),
    Effect.timeout("2 seconds")
  )

/** How long a request's connection stayed open when it was interrupted: the median, because the machine may be busy. */
const interruptedThrice = (use: Effect.Effect<unknown, unknown>, asked: Queue.Dequeue<Connection>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(use)
    const { closed } = yield* Queue.take(asked)
    yield* Effect.sleep("30 millis")
    const began = performance.now()
    const exit = yield* Fiber.interrupt(fiber)
    assert.isTrue(Exit.isInterrupted(exit))
    return (yield* closed) - began
  }).pipe(
    Effect.replicateEffect(3),
    Effect.map((took) => took.toSorted((a, b) => a - b)[1] ?? Infinity)
  )

for (const [way, makeClient] of ways) {
  describe(`UndiciHttpClient, ${way}`, () => {
    it.scopedLive("a connection kept alive and then closed is not used again", () =>
      Effect.gen(function* () {
        const { asked, url } = yield* answering(ok("body"), { end: true })
        const client = yield* makeClient
        const once = Effect.flatMap(client.post(url), (response) => response.text)
        const first = yield* once
        yield* (yield* Queue.take(asked)).closed
        const second = yield* once

        assert.deepStrictEqual([first, second], ["body", "body"])
        assert.strictEqual(yield* Queue.size(asked), 1)
      }).pipe(provided)
    )

    it.scopedLive("a reply frees its connection, read or not", () =>
      Effect.gen(function* () {
        const { asked, url } = yield* answering(ok("body"))
        const client = yield* makeClient
        yield* Effect.replicateEffect(
          Effect.zipRight(
            client.get(url),
            // undici itself waits for a turn of the event loop.
            Effect.sleep("2 millis")
          ),
          3
        )
        yield* Effect.flatMap(client.get(url), (response) => response.text)

        assert.strictEqual(yield* Queue.size(asked), 1)
      }).pipe(provided)
    )

    it.scopedLive("while nobody reads a large body, its socket is paused", () =>
      Effect.gen(function* () {
        const size = 64 * 1024 * 1024
        let sent = 0
        const { url } = yield* httpServer((_, response) => {
          response.writeHead(200, { "content-length": size })
          const piece = Buffer.alloc(64 * 1024, "x")
          const write = () => {
            while (sent < size) {
              sent += piece.length
              if (!response.write(piece)) return response.once("drain", write)
            }
            return response.end()
          }
          write()
        })
        const client = yield* makeClient
        const response = yield* client.get(url)
        // Until the server gets no more of it sent.
        const unread = yield* Effect.delay(
          Effect.sync(() => sent),
          "200 millis"
        ).pipe(
          Effect.repeat({
            until: (before) =>
              Effect.delay(
                Effect.sync(() => sent === before),
                "200 millis"
              )
          })
        )
        const bytes = yield* Stream.runFold(response.stream, 0, (sum, chunk) => sum + chunk.length)

        // What the buffers of two sockets hold.
        assert.isBelow(unread, 16 * 1024 * 1024)
        assert.strictEqual(bytes, size)
      }).pipe(provided)
    )

    it.scopedLive("a slow reader keeps the socket paused, and gets every byte in order", () =>
      Effect.gen(function* () {
        const body = Buffer.alloc(1024 * 1024)
        for (let i = 0; i < body.length; i += 4) body.writeUInt32LE(i, i)
        const { url } = yield* httpServer((_, response) => response.end(body))
        const client = yield* makeClient
        const response = yield* client.get(url)
        const chunks = yield* response.stream.pipe(
          Stream.tap(() => Effect.sleep("1 millis")),
          Stream.runCollect
        )

        assert.isTrue(Buffer.concat(Chunk.toReadonlyArray(chunks)).equals(body))
      }).pipe(provided)
    )

    describe("closes the socket within 50 ms when interrupted", () => {
      const head = "HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n"
      const moments: ReadonlyArray<
        readonly [string, string, (client: HttpClient.HttpClient, url: string) => Effect.Effect<unknown, unknown>]
      > = [
        ["before the head", "", (client, url) => client.get(url)],
        ["inside the head", head.slice(0, 30), (client, url) => client.get(url)],
        ["reading the whole body", head + "x", (client, url) => Effect.flatMap(client.get(url), ({ text }) => text)],
        [
          "reading the body as a stream",
          head + "x",
          (client, url) => Effect.flatMap(client.get(url), ({ stream }) => Stream.runDrain(stream))
        ],
        [
          "with the socket paused",
          head + "x".repeat(1_000_000),
          (client, url) =>
            Effect.flatMap(client.get(url), ({ stream }) => Stream.runForEach(stream, () => Effect.never))
        ],
        [
          "with the body unread, by its scope",
          head,
          (client, url) => Effect.scoped(Effect.zipRight(HttpClient.withScope(client).get(url), Effect.never))
        ],
        ["before the head, by its scope", "", (client, url) => Effect.scoped(HttpClient.withScope(client).get(url))],
        [
          "while it sends",
          "",
          (client, url) => client.post(url, { body: HttpBody.stream(Stream.concat(chunks, Stream.never)) })
        ]
      ]
      it.scopedLive.each(moments.map(([name, bytes, use]) => ({ name, bytes, use })))("$name", ({ bytes, use }) =>
        Effect.gen(function* () {
          const { asked, url } = yield* answering(bytes)
          const client = yield* makeClient

          assert.isBelow(yield* interruptedThrice(use(client, url), asked), 50)
        }).pipe(provided)
      )

      it.scopedLive("in the handshake of TLS", () =>
        Effect.gen(function* () {
          const { asked, tls } = yield* byteServer(() => {})
          const client = yield* makeClient
          const took = yield* interruptedThrice(client.get(tls), asked)

          assert.isBelow(took, 50)
          // And the client still connects.
          assert.strictEqual((yield* client.get((yield* answering(ok(""))).url)).status, 200)
        }).pipe(provided)
      )

      it.scopedLive("at any moment, by the scope", () =>
        Effect.gen(function* () {
          const { asked, url } = yield* byteServer((socket) => {
            socket.write(head)
            setImmediate(() => socket.write("x"))
          })
          const client = HttpClient.withScope(yield* makeClient)
          for (let moment = 0; moment < 60; moment++) {
            const fiber = yield* client.get(url).pipe(
              Effect.flatMap(({ stream, text }) => (moment % 2 === 0 ? text : Stream.runDrain(stream))),
              Effect.scoped,
              Effect.fork
            )
            yield* Effect.sleep(moment % 5)
            yield* Effect.replicateEffect(Effect.yieldNow(), moment % 7)
            yield* Fiber.interrupt(fiber)
          }
          const connections = yield* Queue.takeAll(asked)
          yield* Effect.all(Chunk.map(connections, ({ closed }) => closed)).pipe(Effect.timeout("2 seconds"))

          assert.isAbove(connections.length, 10)
        }).pipe(provided)
      )

      it.scopedLive("when a stream is left early", () =>
        Effect.gen(function* () {
          const { asked, url } = yield* answering(head + "xyz")
          const client = yield* makeClient
          const response = yield* client.get(url)
          yield* Stream.runDrain(Stream.take(response.stream, 1))

          yield* Effect.timeout((yield* Queue.take(asked)).closed, "1 second")
        }).pipe(provided)
      )
    })

    it.scopedLive("a request that is given up in the queue is never sent, and those behind it are", () =>
      Effect.gen(function* () {
        const received: Array<string | undefined> = []
        let release = () => {}
        const { url } = yield* httpServer((request, response) => {
          received.push(request.url)
          if (request.url === "/slow") release = () => response.end("slow")
          else response.end("fast")
        })
        const client = yield* makeClient
        const slow = yield* Effect.fork(Effect.flatMap(client.get(`${url}/slow`), ({ text }) => text))
        yield* eventually(() => received.length === 1)
        const waiting = yield* Effect.fork(client.get(`${url}/waiting`))
        yield* Effect.sleep("10 millis")
        const behind = yield* Effect.fork(Effect.flatMap(client.get(`${url}/behind`), ({ text }) => text))
        yield* Effect.sleep("10 millis")
        yield* Fiber.interrupt(waiting)
        release()

        assert.strictEqual(yield* Fiber.join(slow), "slow")
        assert.strictEqual(yield* Fiber.join(behind), "fast")
        assert.strictEqual(yield* Effect.flatMap(client.get(`${url}/after`), ({ text }) => text), "fast")
        assert.deepStrictEqual(received, ["/slow", "/behind", "/after"])
      }).pipe(Effect.provide(UndiciHttpClient.layerAgent({ connections: 1 })))
    )

    it.scopedLive("a response that was left in the middle is not kept", () =>
      Effect.gen(function* () {
        const { url } = yield* answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx")
        const client = yield* makeClient
        const times = 50
        const left = yield* Effect.forEach(Arr.range(1, times), () =>
          Effect.gen(function* () {
            const response = yield* client.get(url)
            yield* Stream.runDrain(Stream.take(response.stream, 1))
            return new WeakRef(response)
          })
        )
        const kept = () => left.filter((response) => response.deref() !== undefined).length
        yield* Effect.repeat(Effect.zipRight(Effect.sync(collect), Effect.sleep("10 millis")), {
          until: () => kept() <= 1,
          times: 50
        })

        // The last one may still be on the stack.
        assert.isAtMost(kept(), 1)
      }).pipe(provided)
    )

    it.scopedLive("a response that nobody holds any more frees its connection", () =>
      Effect.gen(function* () {
        const { asked, url } = yield* answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx")
        const client = yield* makeClient
        yield* Effect.asVoid(client.get(url))

        const collecting = Effect.forever(Effect.zipRight(Effect.sync(collect), Effect.sleep("10 millis")))
        yield* Effect.race((yield* Queue.take(asked)).closed, collecting).pipe(Effect.timeout("5 seconds"))
      }).pipe(provided)
    )
  })
}

describe("UndiciHttpClient", () => {
  const pieces = FastCheck.array(FastCheck.nat(60_000), { maxLength: 12, size: "max" }).map((lengths) =>
    lengths.map((length, i) => Buffer.alloc(length, `${i}, `))
  )
  const readers = {
    arrayBuffer: (response: HttpClientResponse.HttpClientResponse) =>
      Effect.map(response.arrayBuffer, (buffer) => Buffer.from(buffer)),
    stream: (response: HttpClientResponse.HttpClientResponse) =>
      Effect.map(Stream.runCollect(response.stream), (read) => Buffer.concat(Chunk.toReadonlyArray(read))),
    slowly: (response: HttpClientResponse.HttpClientResponse) =>
      response.stream.pipe(
        Stream.tap(() => Effect.sleep("1 millis")),
        Stream.runCollect,
        Effect.map((read) => Buffer.concat(Chunk.toReadonlyArray(read)))
      )
  }

  it.scopedLive.each(["arrayBuffer", "stream", "slowly"] as const)(
    "whatever pieces a body comes in, %s has all of it",
    (how) =>
      Effect.gen(function* () {
        let next: ReadonlyArray<Buffer> = []
        const { url } = yield* httpServer((request, response) => {
          const [...rest] = next
          if (request.url === "/length") {
            response.setHeader("content-length", Buffer.concat(rest).length)
          }
          const write = () => {
            const piece = rest.shift()
            if (piece === undefined) return response.end()
            response.write(piece)
            if (piece.length % 2 === 0) setImmediate(write)
            else write()
          }
          write()
        })
        const client = untraced(yield* HttpClient.HttpClient)
        const runtime = yield* Effect.runtime()
        const property = FastCheck.asyncProperty(pieces, FastCheck.boolean(), async (body, length) => {
          next = body
          const read = Effect.flatMap(client.get(length ? `${url}/length` : url), readers[how])
          assert.isTrue((await Runtime.runPromise(runtime)(read)).equals(Buffer.concat(body)))
        })

        yield* Effect.promise(() => FastCheck.assert(property, { numRuns: 40, seed: 20260801 }))
      }).pipe(provided)
  )
})
