import { Cookies, Headers, HttpBody, HttpClient, HttpClientRequest, UrlParams } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import * as UndiciHttpClient from "@spillway/azure-openai/UndiciHttpClient"
import { Chunk, Context, Effect, Exit, Fiber, Layer, Option, Queue, Scope, Stream, Tracer } from "effect"
import { Readable } from "node:stream"
import { gzipSync } from "node:zlib"
import { Agent, interceptors, MockAgent } from "undici"
import type { Dispatcher } from "undici"
import { answering, byteServer, httpServer, ok } from "./support/sockets.js"
import { codeOf, provided, recorder, untraced, ways } from "./support/undici.js"

for (const [way, makeClient] of ways) {
  describe(`UndiciHttpClient, ${way}`, () => {
    it.scopedLive("sends method, URL, query and headers, without the fragment", () =>
      Effect.gen(function* () {
        const { received, url } = yield* recorder
        const client = yield* makeClient
        const response = yield* client.execute(
          HttpClientRequest.get(`${url}/a path?x=1`, {
            urlParams: { y: "ä&", z: ["1", "2"] },
            hash: "part",
            headers: { "X-One": "1", accept: "text/plain" }
          })
        )

        assert.strictEqual(response.status, 200)
        assert.strictEqual(yield* response.text, "ok")
        assert.strictEqual(received[0]?.line, "GET /a%20path?x=1&y=%C3%A4%26&z=1&z=2")
        assert.strictEqual(received[0]?.headers["x-one"], "1")
        assert.strictEqual(received[0]?.headers.accept, "text/plain")
        assert.strictEqual(received[0]?.headers["content-length"], undefined)
      }).pipe(provided)
    )

    const bytes = new TextEncoder().encode("bytes")
    const file = new File(["file"], "a.txt", { type: "text/plain" })
    const form = new FormData()
    form.append("field", "ä")
    form.append("file", file)
    const chunks = Stream.make("one ", "", "two").pipe(Stream.encodeText)
    const bodies: ReadonlyArray<readonly [string, () => HttpBody.HttpBody, string, string | undefined]> = [
      ["Empty", () => HttpBody.empty, "", "0"],
      ["Uint8Array", () => HttpBody.uint8Array(bytes), "bytes", "5"],
      ["Uint8Array of no bytes", () => HttpBody.uint8Array(new Uint8Array()), "", "0"],
      ["text", () => HttpBody.text("ä"), "ä", "2"],
      ["JSON", () => HttpBody.unsafeJson({ a: 1 }), `{"a":1}`, "7"],
      ["form of parameters", () => HttpBody.urlParams(UrlParams.fromInput({ a: "1&2" })), "a=1%262", "7"],
      ["Stream", () => HttpBody.stream(chunks), "one two", undefined],
      ["Stream of known length", () => HttpBody.stream(chunks, "text/plain", 7), "one two", "7"],
      ["Raw text", () => HttpBody.raw("raw ä"), "raw ä", "6"],
      ["Raw nothing", () => HttpBody.raw(null), "", "0"],
      ["Raw ArrayBuffer", () => HttpBody.raw(bytes.slice().buffer), "bytes", "5"],
      ["Raw DataView", () => HttpBody.raw(new DataView(bytes.slice().buffer, 1, 3)), "yte", "3"],
      ["Raw URLSearchParams", () => HttpBody.raw(new URLSearchParams({ a: "b c" })), "a=b+c", "5"],
      ["Raw Blob", () => HttpBody.raw(new Blob(["blob"])), "blob", "4"],
      ["Raw Readable", () => HttpBody.raw(Readable.from(["a", "b"])), "ab", undefined],
      ["Raw ReadableStream", () => HttpBody.raw(new Blob(["web"]).stream()), "web", undefined]
    ]

    it.scopedLive.each(bodies.map(([name, body, sent, length]) => ({ name, body, sent, length })))(
      "sends a body: $name",
      ({ body, length, sent }) =>
        Effect.gen(function* () {
          const { received, url } = yield* recorder
          const client = yield* makeClient
          const response = yield* client.execute(HttpClientRequest.post(url).pipe(HttpClientRequest.setBody(body())))

          assert.strictEqual(yield* response.text, "ok")
          assert.strictEqual(received[0]?.body, sent)
          assert.strictEqual(received[0]?.headers["content-length"], length)
        }).pipe(provided)
    )

    it.scopedLive.each([HttpBody.formData(form), HttpBody.raw(form)])("sends a body: FormData", (body) =>
      Effect.gen(function* () {
        const { received, url } = yield* recorder
        const client = yield* makeClient
        const response = yield* client.execute(HttpClientRequest.post(url).pipe(HttpClientRequest.setBody(body)))
        const type = received[0]?.headers["content-type"] ?? ""
        const read = yield* Effect.promise(() =>
          new Response(received[0]?.body ?? "", { headers: { "content-type": type } }).formData()
        )
        const entry = read.get("file")

        assert.strictEqual(yield* response.text, "ok")
        assert.strictEqual(read.get("field"), "ä")
        assert.instanceOf(entry, File)
        assert.strictEqual(entry instanceof File && entry.name, "a.txt")
        assert.strictEqual(entry instanceof File && (yield* Effect.promise(() => entry.text())), "file")
      }).pipe(provided)
    )

    it.scopedLive("reads status, headers and cookies", () =>
      Effect.gen(function* () {
        const { url } = yield* httpServer((_, response) => {
          response.setHeader("X-Twice", ["1", "2"])
          response.setHeader("Set-Cookie", ["a=1; Path=/; HttpOnly", "b=2"])
          response.writeHead(404).end("no")
        })
        const client = yield* makeClient
        const response = yield* client.get(url)

        assert.strictEqual(response.status, 404)
        assert.isTrue(Headers.isHeaders(response.headers))
        assert.strictEqual(response.headers["x-twice"], "1, 2")
        assert.deepStrictEqual(
          Object.values(response.cookies.cookies).map((cookie) => [cookie.name, cookie.value]),
          [
            ["a", "1"],
            ["b", "2"]
          ]
        )
        assert.deepStrictEqual(response.remoteAddress, Option.none())
      }).pipe(provided)
    )

    it.scopedLive("has no cookies where none were set", () =>
      Effect.gen(function* () {
        const { url } = yield* answering(ok(""))
        const client = yield* makeClient

        assert.isTrue(Cookies.isEmpty((yield* client.get(url)).cookies))
      }).pipe(provided)
    )

    it.scopedLive("reads a body as often as one likes, in any order, whole or arriving", () =>
      Effect.gen(function* () {
        const { url } = yield* httpServer((_, response) => {
          response.write(`{"a":`)
          setTimeout(() => response.end(`"ä"}`), 20)
        })
        const client = yield* makeClient
        const response = yield* client.get(url)
        const [json, text, buffer] = yield* Effect.all([response.json, response.text, response.arrayBuffer], {
          concurrency: "unbounded"
        })

        assert.deepStrictEqual(json, { a: "ä" })
        assert.strictEqual(text, `{"a":"ä"}`)
        assert.strictEqual(buffer.byteLength, 10)
        assert.strictEqual(yield* response.text, text)
        assert.strictEqual(yield* response.stream.pipe(Stream.decodeText(), Stream.mkString), text)
      }).pipe(provided)
    )

    it.scopedLive("reads a form of parameters and a form of parts", () =>
      Effect.gen(function* () {
        const { url } = yield* httpServer((request, response) => {
          if (request.url === "/params") return response.end("a=1&b=%26")
          const boundary = "x"
          response.setHeader("content-type", `multipart/form-data; boundary=${boundary}`)
          response.end(`--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n`)
        })
        const client = yield* makeClient
        const params = yield* Effect.flatMap(client.get(`${url}/params`), (response) => response.urlParamsBody)
        const parts = yield* Effect.flatMap(client.get(`${url}/parts`), (response) => response.formData)

        assert.deepStrictEqual(UrlParams.toRecord(params), { a: "1", b: "&" })
        assert.deepStrictEqual([...parts], [["a", "1"]])
      }).pipe(provided)
    )

    it.scopedLive("a body that does not parse is a Decode error, and can still be read as text", () =>
      Effect.gen(function* () {
        const { url } = yield* answering(ok("<html>"))
        const client = yield* makeClient
        const response = yield* client.get(url)
        const json = yield* Effect.flip(response.json)
        const form = yield* Effect.flip(response.formData)

        assert.deepStrictEqual([json._tag, json.reason], ["ResponseError", "Decode"])
        assert.instanceOf(json.cause, SyntaxError)
        assert.deepStrictEqual([form._tag, form.reason], ["ResponseError", "Decode"])
        assert.strictEqual(yield* response.text, "<html>")
      }).pipe(provided)
    )

    it.scopedLive("a stream is read once, and then nothing else", () =>
      Effect.gen(function* () {
        const { url } = yield* answering(ok("body"))
        const client = yield* makeClient
        const response = yield* client.get(url)
        const first = yield* Stream.runCollect(response.stream)
        const again = yield* Effect.flip(Stream.runDrain(response.stream))
        const text = yield* Effect.flip(response.text)

        assert.strictEqual(Buffer.concat(Chunk.toReadonlyArray(first)).toString(), "body")
        assert.deepStrictEqual([again._tag, again.reason], ["ResponseError", "Decode"])
        assert.match(text.message, /read before/)
      }).pipe(provided)
    )

    it.scopedLive("invalid UTF-8 is replaced, a byte order mark is left out, bytes stay what they are", () =>
      Effect.gen(function* () {
        const body = Buffer.from([0xef, 0xbb, 0xbf, 0x61, 0xff, 0xc3, 0x28])
        const { url } = yield* answering(
          Buffer.concat([Buffer.from("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n"), body])
        )
        const client = yield* makeClient
        const response = yield* client.get(url)

        assert.strictEqual(yield* response.text, "a\ufffd\ufffd(")
        assert.deepStrictEqual(Buffer.from(yield* response.arrayBuffer), body)
      }).pipe(provided)
    )

    const empty: ReadonlyArray<readonly [string, "get" | "head", string]> = [
      ["204", "get", "HTTP/1.1 204 No Content\r\n\r\n"],
      ["304", "get", "HTTP/1.1 304 Not Modified\r\n\r\n"],
      ["an empty body", "get", ok("")],
      ["HEAD", "head", "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"]
    ]
    it.scopedLive.each(empty.map(([name, method, bytes]) => ({ name, method, bytes })))(
      "$name has no body, which is no error",
      ({ bytes, method }) =>
        Effect.gen(function* () {
          const { url } = yield* answering(bytes)
          const client = yield* makeClient
          const response = yield* client[method](url)

          assert.strictEqual(yield* response.text, "")
          assert.strictEqual(yield* response.json, null)
          assert.strictEqual((yield* response.arrayBuffer).byteLength, 0)
          assert.strictEqual(yield* Stream.runCount(response.stream), 0)
        }).pipe(provided)
    )

    it.scopedLive("informational replies and trailers are passed over", () =>
      Effect.gen(function* () {
        const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-trailer: 1\r\n\r\n"
        const { url } = yield* answering(`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${chunked}`)
        const client = yield* makeClient
        const response = yield* client.get(url)

        assert.strictEqual(response.status, 200)
        assert.strictEqual(response.headers["link"], undefined)
        assert.strictEqual(yield* response.text, "body")
      }).pipe(provided)
    )

    it.scopedLive("no redirect is followed, nothing is decompressed", () =>
      Effect.gen(function* () {
        const asked: Array<string | undefined> = []
        const zipped = gzipSync("plain")
        const { url } = yield* httpServer((request, response) => {
          asked.push(request.headers["accept-encoding"])
          response.writeHead(307, { location: "/elsewhere", "content-encoding": "gzip" }).end(zipped)
        })
        const client = yield* makeClient
        const response = yield* client.get(url)

        assert.strictEqual(response.status, 307)
        assert.deepStrictEqual(Buffer.from(yield* response.arrayBuffer), zipped)
        assert.deepStrictEqual(asked, [undefined])
      }).pipe(provided)
    )
  })
}

describe("UndiciHttpClient", () => {
  const spans = (use: (client: HttpClient.HttpClient, url: string) => Effect.Effect<unknown, unknown>) =>
    Effect.gen(function* () {
      const made: Array<Tracer.Span> = []
      const { received, url } = yield* recorder
      const client = yield* HttpClient.HttpClient
      const tracer = Tracer.make({
        context: (f) => f(),
        span: (name, parent, context, links, startTime, kind) => {
          const attributes = new Map<string, unknown>()
          const span: Tracer.Span = {
            _tag: "Span",
            name,
            parent,
            context,
            links,
            kind,
            attributes,
            sampled: true,
            spanId: "1".repeat(16),
            traceId: "2".repeat(32),
            status: { _tag: "Started", startTime },
            attribute: (key, value) => attributes.set(key, value),
            event: () => {},
            addLinks: () => {},
            end: () => {}
          }
          made.push(span)
          return span
        }
      })
      yield* use(client, url).pipe(Effect.withTracer(tracer))
      return { made, received, url }
    }).pipe(provided)

  it.scopedLive("makes platform's span, and sends its id", () =>
    Effect.gen(function* () {
      const { made, received, url } = yield* spans((client, url) => client.get(`${url}/a?b=c`))

      assert.deepStrictEqual(
        made.map(({ kind, name }) => [name, kind]),
        [["http.client GET", "client"]]
      )
      assert.strictEqual(made[0]?.attributes.get("url.full"), `${url}/a?b=c`)
      assert.strictEqual(made[0]?.attributes.get("http.response.status_code"), 200)
      assert.strictEqual(received[0]?.headers["traceparent"], `00-${"2".repeat(32)}-${"1".repeat(16)}-01`)
    })
  )

  it.scopedLive("makes none where tracing is off, for the client or altogether", () =>
    Effect.gen(function* () {
      const { made, received } = yield* spans((client, url) =>
        Effect.zipRight(untraced(client).get(url), Effect.withTracerEnabled(client.get(url), false))
      )

      assert.deepStrictEqual(made, [])
      assert.strictEqual(received.length, 2)
      assert.notProperty(received[0]?.headers, "traceparent")
      assert.notProperty(received[1]?.headers, "traceparent")
    })
  )

  it.scopedLive("leaves time to Effect: no dispatcher's own limits on headers and bodies", () =>
    Effect.gen(function* () {
      const asked: Array<Dispatcher.DispatchOptions> = []
      const { url } = yield* answering(ok("body"))
      const dispatcher = yield* Effect.acquireRelease(
        Effect.sync(() =>
          new Agent({ headersTimeout: 1, bodyTimeout: 1 }).compose((dispatch) => (options, handler) => {
            asked.push(options)
            return dispatch(options, handler)
          })
        ),
        (dispatcher) => Effect.promise(() => dispatcher.destroy())
      )
      yield* UndiciHttpClient.make(dispatcher).get(url)

      assert.deepStrictEqual(
        asked.map(({ bodyTimeout, headersTimeout }) => [headersTimeout, bodyTimeout]),
        [[0, 0]]
      )
    })
  )

  it.scopedLive("the end of the layer closes what is idle and fails what is under way", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* byteServer((socket, sofar) => {
        if (sofar.startsWith("GET /idle")) socket.write(ok("body"))
      })
      const scope = yield* Scope.make()
      const client = Context.get(yield* Layer.buildWithScope(UndiciHttpClient.layer, scope), HttpClient.HttpClient)
      const pending = yield* Effect.fork(Effect.flip(client.get(`${url}/pending`)))
      const first = yield* Queue.take(asked)
      yield* Effect.flatMap(client.get(`${url}/idle`), ({ text }) => text)
      yield* Scope.close(scope, Exit.void)
      const error = yield* Fiber.join(pending)
      const late = yield* Effect.flip(client.get(url))
      const second = yield* Queue.take(asked)
      yield* Effect.timeout(Effect.all([first.closed, second.closed]), "1 second")

      assert.deepStrictEqual(
        [error._tag, error.reason, codeOf(error)],
        ["RequestError", "Transport", "UND_ERR_DESTROYED"]
      )
      assert.deepStrictEqual([late._tag, late.reason, codeOf(late)], ["RequestError", "Transport", "UND_ERR_DESTROYED"])
    })
  )

  it.scopedLive("takes any dispatcher: one with interceptors", () =>
    Effect.gen(function* () {
      const { url } = yield* httpServer((request, response) => {
        if (request.url === "/from") response.writeHead(307, { location: "/to" }).end()
        else response.end(`${request.url}`)
      })
      const http = UndiciHttpClient.layerDispatcher(
        Effect.sync(() => new Agent().compose(interceptors.redirect({ maxRedirections: 1 })))
      )
      const text = yield* HttpClient.get(`${url}/from`).pipe(
        Effect.flatMap(({ text }) => text),
        Effect.provide(http)
      )

      assert.strictEqual(text, "/to")
    })
  )

  it.effect("takes any dispatcher: undici's mock", () =>
    Effect.gen(function* () {
      const mock = new MockAgent()
      mock.disableNetConnect()
      mock
        .get("https://example.test")
        .intercept({ path: "/a", method: "POST" })
        .reply(429, { error: {} }, { headers: { "retry-after-ms": "5" } })
      const client = UndiciHttpClient.make(mock)
      const response = yield* client.post("https://example.test/a", { body: HttpBody.text("question") })
      const other = yield* Effect.flip(client.get("https://example.test/b"))

      assert.strictEqual(response.status, 429)
      assert.strictEqual(response.headers["retry-after-ms"], "5")
      assert.deepStrictEqual(yield* response.json, { error: {} })
      assert.deepStrictEqual([other._tag, other.reason], ["RequestError", "Transport"])
    })
  )

  it.effect("a dispatcher that throws is a typed error", () =>
    Effect.gen(function* () {
      class Broken extends Agent {
        override dispatch(): boolean {
          throw new TypeError("broken")
        }
      }
      const error = yield* Effect.flip(UndiciHttpClient.make(new Broken()).get("http://127.0.0.1/"))

      assert.deepStrictEqual([error._tag, error.reason], ["RequestError", "Transport"])
      assert.strictEqual(error.message, "Transport: broken (GET http://127.0.0.1/)")
    })
  )

  it.scopedLive("no answer is in what a response writes of itself", () =>
    Effect.gen(function* () {
      const { url } = yield* answering(ok(`{"secret":"answer"}`, "content-type: application/json\r\n"))
      const response = yield* untraced(yield* HttpClient.HttpClient).get(url)
      yield* response.text

      assert.notInclude(JSON.stringify(response), "answer")
      assert.notInclude(String(response), "answer")
      assert.deepInclude(response.toJSON(), { status: 200 })
    }).pipe(provided)
  )
})
