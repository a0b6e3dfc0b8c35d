import { HttpBody, HttpClient, HttpClientRequest } from "@effect/platform"
import type { HttpClientError } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import * as UndiciHttpClient from "@spillway/azure-openai/UndiciHttpClient"
import { Chunk, Effect, Exit, Fiber, Queue, Schedule, Stream } from "effect"
import { Readable } from "node:stream"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { answering, byteServer, httpServer, ok } from "./support/sockets.js"
import { codeOf, provided, recorder, ways } from "./support/undici.js"

const chunks = Stream.make("one ", "", "two").pipe(Stream.encodeText)

/** Waits for something real to happen, for at most two seconds. */
const eventually = (condition: () => boolean) =>
  Effect.sync(condition).pipe(
    Effect.repeat({ until: (met) => met, schedule: Schedule.spaced("5 millis") }),
    Effect.timeout("2 seconds")
  )

for (const [way, makeClient] of ways) {
  describe(`UndiciHttpClient, ${way}`, () => {
    const refused: ReadonlyArray<readonly [string, string, HttpClientError.RequestError["reason"], unknown]> = [
      ["no URL", "not a url", "InvalidUrl", "ERR_INVALID_URL"],
      ["another protocol", "ftp://127.0.0.1/", "InvalidUrl", "TypeError"],
      ["a port where nobody listens", "http://127.0.0.1:1/", "Transport", "ECONNREFUSED"],
      ["a host that does not exist", "http://no-such-host.invalid/", "Transport", "ENOTFOUND"]
    ]
    it.scopedLive.each(refused.map(([name, url, reason, code]) => ({ name, url, reason, code })))(
      "$name is a $reason error with its code",
      ({ code, reason, url }) =>
        Effect.gen(function* () {
          const client = yield* makeClient
          const error = yield* Effect.flip(client.post(url, { body: HttpBody.stream(chunks) }))

          assert.deepStrictEqual([error._tag, error.reason], ["RequestError", reason])
          assert.strictEqual(codeOf(error), code)
        }).pipe(provided)
    )

    const unsendable: ReadonlyArray<readonly [string, HttpClientRequest.HttpClientRequest]> = [
      ["a header of two lines", HttpClientRequest.get("/", { headers: { a: "1\r\nb: 2" } })],
      ["a header that is no text of HTTP", HttpClientRequest.get("/", { headers: { a: "\u0001" } })],
      ["a header without a name", HttpClientRequest.get("/", { headers: { "": "1" } })],
      [
        "a header that is the connection's",
        HttpClientRequest.get("/", { headers: { "transfer-encoding": "chunked" } })
      ],
      ["a header that is not supported", HttpClientRequest.get("/", { headers: { expect: "100-continue" } })],
      ["a length that is no number", HttpClientRequest.post("/", { headers: { "content-length": "1 e" } })],
      ["a raw body that is none", HttpClientRequest.post("/", { body: HttpBody.raw({ a: 1 }) })],
      [
        "a raw stream of no bytes",
        HttpClientRequest.post("/", { body: HttpBody.raw(Readable.from([1, 2]).map((n) => n)) })
      ],
      [
        "a stream that is shorter than it says",
        HttpClientRequest.post("/", { body: HttpBody.stream(chunks, "a/b", 8) })
      ],
      [
        "a stream that is longer than it says",
        HttpClientRequest.post("/", { body: HttpBody.stream(chunks, "a/b", 6) })
      ],
      [
        "a stream that fails",
        HttpClientRequest.post("/", { body: HttpBody.stream(Stream.concat(chunks, Stream.fail("no"))) })
      ],
      ["a stream that dies", HttpClientRequest.post("/", { body: HttpBody.stream(Stream.die(new Error("no"))) })]
    ]
    it.scopedLive.each(unsendable.map(([name, request]) => ({ name, request })))(
      "$name is an Encode error",
      ({ request }) =>
        Effect.gen(function* () {
          const { received, url } = yield* recorder
          const client = yield* makeClient
          const error = yield* Effect.flip(client.execute(HttpClientRequest.prependUrl(request, url)))

          assert.deepStrictEqual([error._tag, error.reason], ["RequestError", "Encode"])
          assert.deepStrictEqual(received, [])
          // The client is none the worse for it.
          assert.strictEqual((yield* client.get(url)).status, 200)
        }).pipe(provided)
    )

    // By name where undici leaves its error without a code.
    const broken: ReadonlyArray<readonly [string, string, "head" | "body", string]> = [
      ["a connection closed without a reply", "", "head", "UND_ERR_SOCKET"],
      ["a connection closed inside the head", "HTTP/1.1 200 OK\r\ncontent-le", "head", "UND_ERR_SOCKET"],
      ["what is no HTTP", "SSH-2.0-OpenSSH_9.6\r\n", "head", "HTTPParserError"],
      [
        "a head of 20,000 bytes",
        `HTTP/1.1 200 OK\r\nx: ${"y".repeat(20_000)}\r\n\r\n`,
        "head",
        "UND_ERR_HEADERS_OVERFLOW"
      ],
      ["a body cut short", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbody", "body", "UND_ERR_SOCKET"],
      [
        "chunks cut short",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n",
        "body",
        "UND_ERR_SOCKET"
      ],
      [
        "chunks that are none",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbodyXX\r\n",
        "body",
        "HTTPParserError"
      ]
    ]
    it.scopedLive.each(broken.map(([name, bytes, where, code]) => ({ name, bytes, where, code })))(
      "$name is a typed error with its code",
      ({ bytes, code, where }) =>
        Effect.gen(function* () {
          const { url } = yield* answering(bytes, { end: true })
          const client = yield* makeClient
          if (where === "head") {
            const error = yield* Effect.flip(client.get(url))
            assert.deepStrictEqual([error._tag, error.reason], ["RequestError", "Transport"])
            assert.strictEqual(codeOf(error), code)
            return
          }
          const text = yield* Effect.flip(Effect.flatMap(client.get(url), (response) => response.text))
          const stream = yield* Effect.flip(Stream.runDrain((yield* client.get(url)).stream))
          for (const error of [text, stream]) {
            assert.deepStrictEqual([error._tag, error.reason], ["ResponseError", "Decode"])
            assert.strictEqual(codeOf(error), code)
          }
        }).pipe(provided)
    )

    it.scopedLive("a connection reset while the body comes is a Decode error with its code", () =>
      Effect.gen(function* () {
        const { url } = yield* byteServer((socket) => {
          socket.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbody")
          setTimeout(() => socket.resetAndDestroy(), 20)
        })
        const client = yield* makeClient
        const seen: Array<string> = []
        const response = yield* client.get(url)
        const error = yield* Effect.flip(
          Stream.runForEach(Stream.decodeText(response.stream), (text) => Effect.sync(() => seen.push(text)))
        )

        assert.deepStrictEqual(seen, ["body"])
        assert.strictEqual(codeOf(error), "ECONNRESET")
      }).pipe(provided)
    )

    it.scopedLive("TLS to a server that has none is a Transport error with its code", () =>
      Effect.gen(function* () {
        const { tls } = yield* answering("HTTP/1.1 400 Bad Request\r\n\r\n", { end: true })
        const client = yield* makeClient
        const error = yield* Effect.flip(client.get(tls))

        assert.deepStrictEqual([error._tag, error.reason], ["RequestError", "Transport"])
        assert.match(String(codeOf(error)), /^(ERR_SSL_|EPROTO)/)
      }).pipe(provided)
    )

    it.scopedLive("a connection kept alive and then closed is not used again", () =>
      Effect.gen(function* () {
        const { closed, opened, url } = yield* answering(ok("body"), { end: true })
        const client = yield* makeClient
        const once = Effect.flatMap(client.post(url), (response) => response.text)
        const first = yield* once
        yield* Queue.take(closed)
        const second = yield* once

        assert.deepStrictEqual([first, second], ["body", "body"])
        assert.strictEqual(yield* Queue.size(opened), 2)
      }).pipe(provided)
    )

    it.scopedLive("a reply frees its connection, read or not", () =>
      Effect.gen(function* () {
        const { opened, url } = yield* answering(ok("body"))
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

        assert.strictEqual(yield* Queue.size(opened), 1)
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
        yield* Effect.sleep("100 millis")
        const unread = sent
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
          const { closed, opened, url } = yield* answering(bytes)
          const client = yield* makeClient
          const once = Effect.gen(function* () {
            const fiber = yield* Effect.fork(use(client, url))
            yield* Queue.take(opened)
            yield* Effect.sleep("30 millis")
            const began = performance.now()
            const exit = yield* Fiber.interrupt(fiber)
            assert.isTrue(Exit.isInterrupted(exit))
            return (yield* Queue.take(closed)) - began
          })
          const took = yield* Effect.replicateEffect(once, 3)

          // The median, because the machine may be busy with something else.
          assert.isBelow(took.toSorted((a, b) => a - b)[1] ?? Infinity, 50)
        }).pipe(provided)
      )

      it.scopedLive("in the handshake of TLS", () =>
        Effect.gen(function* () {
          const { closed, opened, tls } = yield* byteServer(() => {})
          const client = yield* makeClient
          const fiber = yield* Effect.fork(client.get(tls))
          yield* Queue.take(opened)
          yield* Effect.sleep("30 millis")
          const began = performance.now()
          yield* Fiber.interrupt(fiber)

          assert.isBelow((yield* Queue.take(closed)) - began, 50)
          // And the client still connects.
          assert.strictEqual((yield* client.get((yield* answering(ok(""))).url)).status, 200)
        }).pipe(provided)
      )

      it.scopedLive("when a stream is left early", () =>
        Effect.gen(function* () {
          const { closed, url } = yield* answering(head + "xyz")
          const client = yield* makeClient
          const response = yield* client.get(url)
          yield* Stream.runDrain(Stream.take(response.stream, 1))

          yield* Effect.timeout(Queue.take(closed), "1 second")
        }).pipe(provided)
      )
    })

    it.scopedLive("a request that is given up in the queue is never sent, and those behind it are", () =>
      Effect.gen(function* () {
        const received: Array<string | undefined> = []
        const { url } = yield* httpServer((request, response) => {
          received.push(request.url)
          if (request.url === "/slow") setTimeout(() => response.end("slow"), 60)
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

        assert.strictEqual(yield* Fiber.join(slow), "slow")
        assert.strictEqual(yield* Fiber.join(behind), "fast")
        assert.strictEqual(yield* Effect.flatMap(client.get(`${url}/after`), ({ text }) => text), "fast")
        assert.deepStrictEqual(received, ["/slow", "/behind", "/after"])
      }).pipe(Effect.provide(UndiciHttpClient.layerAgent({ connections: 1 })))
    )

    it.scopedLive("a response that nobody holds any more frees its connection", () =>
      Effect.gen(function* () {
        setFlagsFromString("--expose-gc")
        const collect = runInNewContext("gc") as () => void
        const { closed, url } = yield* answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx")
        const client = yield* makeClient
        yield* Effect.asVoid(client.get(url))

        yield* Effect.sync(collect).pipe(
          Effect.zipRight(Effect.sleep("10 millis")),
          Effect.repeat({ until: () => Effect.map(Queue.size(closed), (size) => size > 0) }),
          Effect.timeout("5 seconds")
        )
      }).pipe(provided)
    )
  })
}
