import { HttpBody, HttpClient, HttpClientRequest } from "@effect/platform"
import type { HttpClientError } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, FastCheck, Fiber, Option, Queue, Runtime, Stream } from "effect"
import { Readable } from "node:stream"
import { answering, byteServer, ok } from "./support/sockets.js"
import { codeOf, provided, recorder, untraced, ways } from "./support/undici.js"

const chunks = Stream.make("one ", "", "two").pipe(Stream.encodeText)

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

    const late = () => {
      const body = new Readable({ read: () => {}, destroy: (_, callback) => callback(new Error("late")) })
      body.push("begun")
      return body
    }
    it.scopedLive("a body that fails while it is given up ends no process", () =>
      Effect.gen(function* () {
        const client = yield* makeClient
        const refused = yield* Effect.flip(client.post("http://127.0.0.1:1/", { body: HttpBody.raw(late()) }))
        const { asked, url } = yield* byteServer(() => {})
        const fiber = yield* Effect.fork(client.post(url, { body: HttpBody.raw(late()) }))
        yield* Queue.take(asked)
        yield* Fiber.interrupt(fiber)

        assert.deepStrictEqual([refused._tag, refused.reason], ["RequestError", "Transport"])
        // Node would tell in a later turn of the event loop.
        yield* Effect.sleep("10 millis")
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
        assert.include(["ECONNRESET", "UND_ERR_SOCKET"], codeOf(error))
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
  })
}

describe("UndiciHttpClient", () => {
  it.scopedLive("whatever a server sends, it is an answer or a typed error", () =>
    Effect.gen(function* () {
      const valid = [
        ok(`{"a":1}`, "content-type: application/json\r\n"),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
      ]
      let next: Buffer = Buffer.alloc(0)
      const { url } = yield* byteServer((socket) => socket.end(next))
      const client = untraced(yield* HttpClient.HttpClient)
      const runtime = yield* Effect.runtime()
      const seen = { answers: 0, errors: 0 }
      const bytes = FastCheck.oneof(
        FastCheck.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        FastCheck.tuple(
          FastCheck.constantFrom(...valid),
          FastCheck.array(FastCheck.tuple(FastCheck.nat(80), FastCheck.nat(255)), { maxLength: 3 })
        ).map(([text, changes]) => {
          const changed = Buffer.from(text)
          for (const [at, byte] of changes) if (at < changed.length) changed[at] = byte
          return changed
        })
      )
      const property = FastCheck.asyncProperty(bytes, async (sent) => {
        next = sent
        const read = Effect.flatMap(client.get(url), ({ text }) => text)
        const exit = await Runtime.runPromiseExit(runtime)(Effect.timeout(read, "2 seconds"))
        if (Exit.isSuccess(exit)) seen.answers += 1
        else {
          const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
          assert.include(["RequestError", "ResponseError"], error?._tag)
          seen.errors += 1
        }
      })

      yield* Effect.promise(() => FastCheck.assert(property, { numRuns: 200, seed: 20260802 }))
      assert.isAbove(seen.answers, 20)
      assert.isAbove(seen.errors, 20)
    }).pipe(provided)
  )
})
