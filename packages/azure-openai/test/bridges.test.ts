import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import { Deployment, FetchBridge, HttpClientBridge } from "@spillway/azure-openai"
import { CallSettings, RetryAfter } from "@spillway/core"
import { Effect, Fiber, Layer, Stream, TestClock } from "effect"
import { recorder } from "./support/recorder.js"
import type { Prepared } from "./support/wire.js"
import { chatEvents, event, promptFilter, ptu, roleChunk, sse, standard, wire } from "./support/wire.js"

const chain = (options?: Partial<Deployment.Options>) =>
  ptu({ apiVersion: "2024-10-21", ...options }).pipe(
    Deployment.retry(RetryAfter.within("1 second")),
    Deployment.orElse(standard(options))
  )

const post = (body: unknown, more?: RequestInit): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json", authorization: "Bearer theirs", "api-key": "theirs", "x-mine": "1" },
  body: typeof body === "string" ? body : JSON.stringify(body),
  ...more
})

const request = { model: "theirs", messages: [{ role: "user", content: "Hi" }], novel: true }
const completion = { id: "1", choices: [{ index: 0, message: { role: "assistant", content: "Hello" } }] }
const ok: Prepared = {
  headers: { "content-type": "application/json", "apim-request-id": "req-1" },
  pieces: [JSON.stringify(completion)]
}
const throttle: Prepared = {
  status: 429,
  headers: { "retry-after-ms": "9000", "content-type": "application/json" },
  pieces: [JSON.stringify({ error: { code: "429", message: "busy" } })]
}

const fetchOver = (
  wire: { readonly layer: Layer.Layer<HttpClient.HttpClient> },
  options?: Partial<Deployment.Options>
) => FetchBridge.make.pipe(Effect.provide(chain(options).pipe(Layer.provide(wire.layer))))

const url = "https://theirs.example/openai/deployments/theirs/chat/completions?api-version=2023-05-15&extra=1"

describe("FetchBridge", () => {
  it.effect("sends each deployment what it wants, in its own style and with its own key", () =>
    Effect.gen(function* () {
      const server = wire([throttle, ok])
      const fetch = yield* fetchOver(server)

      const response = yield* Effect.promise(() => fetch(url, post(request)))

      assert.deepStrictEqual(yield* Effect.promise(() => response.json()), completion)
      assert.deepStrictEqual(
        server.sent.map(({ body, headers, url }) => [
          url,
          body?.["model"],
          headers["api-key"],
          headers["authorization"]
        ]),
        [
          [
            "https://contoso.openai.azure.com/openai/deployments/gpt-4o-ptu/chat/completions?api-version=2024-10-21&extra=1",
            undefined,
            "secret-key",
            undefined
          ],
          ["https://contoso.openai.azure.com/openai/v1/chat/completions?extra=1", "gpt-4o", "secret-key", undefined]
        ]
      )
      assert.strictEqual(server.sent[0]?.headers["x-mine"], "1")
      assert.strictEqual(server.sent[0]?.body?.["novel"], true)
      assert.deepStrictEqual(
        ["x-spillway-deployment", "x-spillway-served-by", "x-spillway-outcome", "apim-request-id"].map((name) =>
          response.headers.get(name)
        ),
        ["gpt-4o", "standard", "fallback", "req-1"]
      )
    })
  )

  it.effect("maps every URL that ends in an operation, and no other", () =>
    Effect.gen(function* () {
      const paths: ReadonlyArray<readonly [string, string, string | undefined]> = [
        ["POST", "/openai/v1/chat/completions", "chat/completions"],
        ["POST", "/v1/embeddings", "embeddings"],
        ["POST", "/responses", "responses"],
        ["POST", "/openai/responses/resp_1/cancel", "responses/resp_1/cancel"],
        ["GET", "/openai/v1/responses/resp_1", "responses/resp_1"],
        ["GET", "/openai/v1/responses/resp_1/input_items", "responses/resp_1/input_items"],
        ["DELETE", "/openai/v1/responses/resp_1", "responses/resp_1"],
        ["GET", "/openai/v1/models", undefined],
        ["POST", "/openai/v1/responses/a/b/c", undefined],
        ["PUT", "/openai/v1/responses/resp_1", undefined]
      ]
      for (const [method, path, operation] of paths) {
        const server = wire([ok])
        const fetch = yield* FetchBridge.make.pipe(Effect.provide(standard().pipe(Layer.provide(server.layer))))

        const init = method === "POST" && !path.endsWith("cancel") ? post({ input: "Hi" }) : { method }
        const response = yield* Effect.promise(() => fetch(`https://theirs.example${path}`, init))

        assert.deepStrictEqual(
          server.sent.map(({ method, url }) => [method, url]),
          operation === undefined ? [] : [[method, `https://contoso.openai.azure.com/openai/v1/${operation}`]]
        )
        assert.strictEqual(response.ok, operation !== undefined)
      }
    })
  )

  it.effect("hands the last reply on, and says not to try again", () =>
    Effect.gen(function* () {
      const last: Prepared = {
        status: 400,
        headers: { "content-type": "application/json", "x-request-id": "abc" },
        pieces: [
          '{"error":{"code":"context_length_exceeded","message":"too long","param":"messages","type":"invalid_request_error"}}'
        ]
      }
      const fetch = yield* fetchOver(wire([throttle, last]))

      const response = yield* Effect.promise(() => fetch(url, post(request)))

      assert.strictEqual(response.status, 400)
      assert.strictEqual(response.headers.get("x-request-id"), "abc")
      assert.strictEqual(response.headers.get("x-should-retry"), "false")
      assert.strictEqual(yield* Effect.promise(() => response.text()), last.pieces?.[0])
    })
  )

  const silent: Prepared = { ...ok, delay: "1 hour" }
  const gateway: ReadonlyArray<readonly [string, ReadonlyArray<Prepared>, unknown, number, string, number]> = [
    ["no connection, even after a reply", [throttle, { refuse: "ECONNREFUSED" }], request, 502, "Unavailable", 2],
    ["a lost connection", [{ refuse: "ECONNRESET" }, { refuse: "ECONNRESET" }], request, 502, "Unavailable", 2],
    ["a timeout, even after a reply", [throttle, silent], request, 504, "Unavailable", 2],
    ["a reply that is too long", [{ ...ok, pieces: ["x".repeat(3000)] }], request, 502, "Malformed", 1],
    ["a lost reply of what must not run twice", [{ refuse: "ECONNRESET" }], { input: "Hi" }, 502, "OutcomeUnknown", 1],
    ["no reply in time of what must not run twice", [silent], { input: "Hi" }, 504, "OutcomeUnknown", 1]
  ]
  for (const [what, replies, body, status, code, sent] of gateway) {
    it.effect(`answers ${what} as a gateway would, and says not to try again`, () =>
      Effect.gen(function* () {
        const server = wire(replies)
        const fetch = yield* fetchOver(server, { timeout: "10 seconds", bodyLimit: 2000 })
        const to = "input" in (body as object) ? "https://theirs.example/v1/responses" : url

        const fiber = yield* Effect.fork(Effect.promise(() => fetch(to, post(body))))
        for (let second = 0; second < 12; second++) yield* TestClock.adjust("1 second")
        const response = yield* Fiber.join(fiber)
        const { error } = yield* Effect.promise(() => response.json() as Promise<{ error: { code: string } }>)

        assert.deepStrictEqual(
          [response.status, error.code, response.headers.get("x-should-retry"), server.sent.length],
          [status, code, "false", sent]
        )
      })
    )
  }

  it.effect("says so at the call's deadline", () =>
    Effect.gen(function* () {
      const fetch = yield* fetchOver(wire([silent])).pipe(CallSettings.withDeadline("2 seconds"))

      const fiber = yield* Effect.fork(Effect.promise(() => fetch(url, post(request))))
      for (let second = 0; second < 3; second++) yield* TestClock.adjust("1 second")
      const response = yield* Fiber.join(fiber)

      assert.strictEqual(response.status, 504)
      assert.include(yield* Effect.promise(() => response.text()), "DeadlineExceeded")
    })
  )

  it.effect("does not send twice what leaves something behind, whatever the reply", () =>
    Effect.gen(function* () {
      const broken: Prepared = { status: 500, headers: { "content-type": "application/json" }, pieces: ['{"a":1}'] }
      for (const [body, sent] of [
        [{ input: "Hi" }, 1],
        [{ input: "Hi", store: false, tools: [{ type: "mcp" }] }, 1],
        [{ input: "Hi", store: false }, 2]
      ] as const) {
        const server = wire([broken, broken])
        const fetch = yield* fetchOver(server)

        const response = yield* Effect.promise(() => fetch("https://theirs.example/v1/responses", post(body)))

        assert.deepStrictEqual(
          [response.status, response.headers.get("x-should-retry"), server.sent.length],
          [500, "false", sent]
        )
        assert.strictEqual(yield* Effect.promise(() => response.text()), '{"a":1}')
      }
    })
  )

  const mended: ReadonlyArray<readonly [string, Prepared]> = [
    ["is no JSON", { headers: { "content-type": "application/json" }, pieces: ["<html>"] }],
    ["was cut off", { headers: { "content-type": "application/json" }, pieces: ['{"id":', { reset: true }] }],
    [
      "is a response that was throttled",
      { ...ok, pieces: [JSON.stringify({ id: "r", status: "failed", error: { code: "rate_limit_exceeded" } })] }
    ]
  ]
  for (const [what, reply] of mended) {
    it.effect(`goes on to the next deployment where a success ${what}`, () =>
      Effect.gen(function* () {
        const server = wire([reply, ok])
        const fetch = yield* fetchOver(server).pipe(CallSettings.withMaxWait(0))

        const response = yield* Effect.promise(() =>
          fetch("https://theirs.example/v1/responses", post({ input: "Hi", store: false }))
        )

        assert.deepStrictEqual(yield* Effect.promise(() => response.json()), completion)
        assert.strictEqual(response.headers.get("x-spillway-outcome"), "fallback")
        assert.strictEqual(server.sent.length, 2)
      })
    )
  }

  it.effect("goes back to the deployment that made a response, streamed or not", () =>
    Effect.gen(function* () {
      const created = { id: "resp_1", object: "response", status: "completed", output: [] }
      const events = ["response.created", "response.completed"].map((type) => event({ type, response: created }, type))
      for (const reply of [
        { ...ok, pieces: [JSON.stringify(created)] },
        { headers: sse, pieces: events }
      ]) {
        const server = wire([throttle, reply, ok, ok, ok])
        const fetch = yield* fetchOver(server)
        const base = "https://theirs.example/v1/responses"
        const ask = (path: string, init: RequestInit) =>
          Effect.promise(async () => (await fetch(`${base}${path}`, init)).text())

        yield* ask("", post({ input: "Hi", ...(reply.headers === sse ? { stream: true } : {}) }))
        yield* ask("", post({ input: "And?", previous_response_id: "resp_1" }))
        yield* ask("/resp_1", { method: "GET" })
        yield* ask("/resp_1/input_items?limit=3", { method: "GET" })

        assert.deepStrictEqual(
          server.sent.slice(2).map(({ body, url }) => [new URL(url).pathname, body?.["model"]]),
          [
            ["/openai/v1/responses", "gpt-4o"],
            ["/openai/v1/responses/resp_1", undefined],
            ["/openai/v1/responses/resp_1/input_items", undefined]
          ]
        )
      }
    })
  )

  for (const operation of ["compact", "input_tokens"]) {
    it.effect(`waits and falls back for responses/${operation}, which is about no response`, () =>
      Effect.gen(function* () {
        const server = wire([throttle, ok])
        const { layer: tracer, tree } = recorder()
        const fetch = yield* fetchOver(server).pipe(Effect.provide(tracer))

        const response = yield* Effect.promise(() =>
          fetch(`https://theirs.example/v1/responses/${operation}`, post({ input: "Hi" }))
        )

        assert.strictEqual(response.headers.get("x-spillway-outcome"), "fallback")
        assert.deepStrictEqual(
          server.sent.map(({ body, url }) => [new URL(url).pathname, body?.["model"]]),
          [
            [`/openai/responses/${operation}`, "gpt-4o-ptu"],
            [`/openai/v1/responses/${operation}`, "gpt-4o"]
          ]
        )
        const name = operation === "compact" ? "compact_response" : "count_input_tokens"
        assert.strictEqual(tree().split("\n")[0], `${name} gpt-4o ok 0-0`)
      })
    )
  }

  it.effect("hands a body on as it was written, but for the model", () =>
    Effect.gen(function* () {
      const texts: Array<string> = []
      const client = HttpClient.make((request) =>
        Effect.sync(() => {
          texts.push(request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : "")
          return HttpClientResponse.fromWeb(request, new Response(JSON.stringify(completion)))
        })
      )
      const fetch = yield* FetchBridge.make.pipe(
        Effect.provide(standard().pipe(Layer.provide(Layer.succeed(HttpClient.HttpClient, client))))
      )
      const body = '{"seed":12345678901234567890,"model":"theirs","top_p":1.0,"messages":[]}'

      yield* Effect.promise(() => fetch(url, post(body)))

      assert.deepStrictEqual(texts, ['{"model":"gpt-4o","seed":12345678901234567890,"top_p":1.0,"messages":[]}'])
    })
  )

  it.effect("keeps the client's credentials to itself, wherever they are", () =>
    Effect.gen(function* () {
      const server = wire([ok])
      const fetch = yield* fetchOver(server)
      const theirs =
        "Authorization api-key x-api-key Ocp-Apim-Subscription-Key x-goog-api-key x-functions-key X-Auth-Token Cookie"
      const headers = Object.fromEntries(theirs.split(" ").map((name) => [name, "SECRET"]))
      const query =
        "api-key=SECRET&subscription-key=SECRET&code=SECRET&access_token=SECRET&sig=SECRET&limit=3&include=a&include=b"

      yield* Effect.promise(() =>
        fetch(`https://theirs.example/v1/chat/completions?${query}`, {
          ...post(request),
          headers: { ...headers, "content-type": "application/json", "x-mine": "1" }
        })
      )

      assert.notInclude(JSON.stringify(server.sent), "SECRET")
      assert.deepStrictEqual(
        [new URL(server.sent[0]?.url ?? "").search, server.sent[0]?.headers["x-mine"]],
        ["?api-version=2024-10-21&limit=3&include=a&include=b", "1"]
      )
    })
  )

  const bad: ReadonlyArray<readonly [string, RequestInit, number, string, Partial<Deployment.Options>?]> = [
    ["no JSON", post("{"), 400, "invalid_json"],
    ["no object", post("[]"), 400, "invalid_json"],
    ["a form", { method: "POST", body: new URLSearchParams({ a: "b" }) }, 415, "unknown_content_type"],
    ["an oversized body", post(request), 400, "BadRequest", { bodyLimit: 10 }]
  ]
  for (const [name, init, status, code, options] of bad) {
    it.effect(`refuses ${name}, without sending it`, () =>
      Effect.gen(function* () {
        const server = wire([])
        const fetch = yield* fetchOver(server, options)

        const response = yield* Effect.promise(() => fetch(url, init))
        const body = yield* Effect.promise(() => response.json() as Promise<{ error: { code: string } }>)

        assert.deepStrictEqual([response.status, body.error.code], [status, code])
        assert.strictEqual(server.sent.length, 0)
      })
    )
  }

  it.effect("hands on the bytes of a stream, from one deployment only", () =>
    Effect.gen(function* () {
      const events = chatEvents("Hel", "lo")
      const strange = event({ choices: "of a shape nobody knows" })
      const bytes = `: hi\n\n${events.slice(0, 3).join("")}${strange}${events.slice(3).join("")}`
      const server = wire([
        { headers: sse, pieces: [event(promptFilter), event(roleChunk), { reset: true }] },
        { headers: sse, pieces: [...bytes].map((char) => char) }
      ])
      const { layer: tracer, spans, tree } = recorder()
      const fetch = yield* fetchOver(server).pipe(Effect.provide(tracer))

      const response = yield* Effect.promise(() => fetch(url, post({ ...request, stream: true })))

      assert.strictEqual(response.headers.get("content-type"), "text/event-stream")
      assert.strictEqual(response.headers.get("x-spillway-outcome"), "fallback")
      assert.strictEqual(yield* Effect.promise(() => response.text()), bytes)
      assert.strictEqual(tree(), "chat gpt-4o ok 0-0\n  attempt provisioned error 0-0\n  attempt standard ok 0-0")
      assert.strictEqual(spans[0]?.attributes.get("gen_ai.response.finish_reasons"), "stop")
    })
  )

  it.effect("hands on what comes after the last event", () =>
    Effect.gen(function* () {
      const bytes = [...chatEvents("Hello"), ": trailing\n\n", event("[DONE]")]
      const fetch = yield* fetchOver(wire([{ headers: sse, pieces: bytes }]))

      const response = yield* Effect.promise(() => fetch(url, post({ ...request, stream: true })))

      assert.strictEqual(yield* Effect.promise(() => response.text()), bytes.join(""))
    })
  )

  it.effect("ends a stream 250 ms after its last event where the connection stays open, though more comes", () =>
    Effect.gen(function* () {
      const noise = Array.from({ length: 20 }, () => [": trailing\n\n", { wait: "100 millis" }] as const).flat()
      const server = wire([{ headers: sse, pieces: [...chatEvents("Hello"), ...noise] }])
      const fetch = yield* fetchOver(server)

      const fiber = yield* Effect.fork(
        Effect.promise(async () => (await fetch(url, post({ ...request, stream: true }))).text())
      )
      for (let at = 0; at < 300; at += 50) yield* TestClock.adjust("50 millis")

      assert.strictEqual(
        yield* Fiber.join(fiber),
        [...chatEvents("Hello"), ...Array.from({ length: 3 }, () => ": trailing\n\n")].join("")
      )
      assert.deepStrictEqual(server.aborted, [0])
    })
  )

  it.effect("ends a stream at the call's deadline, where that comes sooner", () =>
    Effect.gen(function* () {
      const server = wire([{ headers: sse, pieces: [...chatEvents("Hello"), { hang: true }] }])
      const fetch = yield* fetchOver(server).pipe(CallSettings.withDeadline("100 millis"))

      const fiber = yield* Effect.fork(
        Effect.promise(async () => (await fetch(url, post({ ...request, stream: true }))).text())
      )
      yield* TestClock.adjust("99 millis")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("1 millis")

      assert.strictEqual(yield* Fiber.join(fiber), chatEvents("Hello").join(""))
      assert.deepStrictEqual(server.aborted, [0])
    })
  )

  it.effect("reads no further than the client does", () =>
    Effect.gen(function* () {
      const texts = Array.from({ length: 100 }, (_, n) => `${n} `)
      const server = wire([{ headers: sse, pieces: chatEvents(...texts) }])
      const fetch = yield* fetchOver(server)
      const response = yield* Effect.promise(() => fetch(url, post({ ...request, stream: true })))
      const reader = response.body?.getReader()
      const next = Effect.promise(async () => reader?.read())

      // What was read to begin it comes first.
      const pulled = [server.pulled(0)]
      for (let packet = 0; packet < 5; packet++) {
        yield* next
        pulled.push(server.pulled(0))
      }
      yield* Effect.promise(async () => reader?.cancel())

      assert.deepStrictEqual(pulled, [3, 3, 3, 3, 4, 5])
      assert.deepStrictEqual(server.aborted, [0])
    })
  )

  it.effect("says nothing of how the reply was packed: it is handed on unpacked", () =>
    Effect.gen(function* () {
      const packed = { "content-encoding": "gzip", "content-length": "1", "transfer-encoding": "chunked" }
      for (const [reply, body] of [
        [ok, request],
        [
          { headers: sse, pieces: chatEvents("Hello") },
          { ...request, stream: true }
        ],
        [{ ...ok, status: 400 }, request]
      ] as const) {
        const server = wire([{ ...reply, headers: { ...reply.headers, ...packed, "content-length": "9" } }])
        const fetch = yield* fetchOver(server)

        const response = yield* Effect.promise(() => fetch(url, post(body)))

        assert.deepStrictEqual(
          Object.keys(packed).map((name) => response.headers.get(name)),
          [null, null, null]
        )
        assert.strictEqual(yield* Effect.promise(() => response.text()), (reply.pieces ?? []).map(String).join(""))
      }
    })
  )

  it.effect("streams a stored response that is asked for as a stream", () =>
    Effect.gen(function* () {
      const completed = { type: "response.completed", response: { id: "resp_1", object: "response", output: [] } }
      const bytes = event(completed, "response.completed")
      const server = wire([{ headers: sse, pieces: [bytes] }])
      const fetch = yield* fetchOver(server)

      const response = yield* Effect.promise(() => fetch("https://theirs.example/v1/responses/resp_1?stream=true"))

      assert.strictEqual(yield* Effect.promise(() => response.text()), bytes)
      assert.strictEqual(new URL(server.sent[0]?.url ?? "").searchParams.get("stream"), "true")
    })
  )

  it.effect("answers a throttle in a stream with a 429", () =>
    Effect.gen(function* () {
      const throttled: Prepared = {
        headers: { ...sse, "retry-after-ms": "7000" },
        pieces: [
          event(
            { type: "error", error: { code: "rate_limit_exceeded", type: "too_many_requests", message: "busy" } },
            "error"
          )
        ]
      }
      const fetch = yield* fetchOver(wire([throttled, throttled]))

      const response = yield* Effect.promise(() =>
        fetch("https://theirs.example/openai/v1/responses", post({ input: "Hi", stream: true }))
      )

      assert.strictEqual(response.status, 429)
      assert.strictEqual(response.headers.get("retry-after-ms"), "7000")
      assert.deepStrictEqual(yield* Effect.promise(() => response.json()), {
        error: { code: "rate_limit_exceeded", type: "too_many_requests", param: null, message: "busy" }
      })
    })
  )

  it.effect("errors the body of a stream that breaks", () =>
    Effect.gen(function* () {
      const { layer: tracer, tree } = recorder()
      const fetch = yield* fetchOver(wire([{ headers: sse, pieces: chatEvents("Hel").slice(0, 3) }])).pipe(
        Effect.provide(tracer)
      )
      const response = yield* Effect.promise(() => fetch(url, post({ ...request, stream: true })))

      const error = yield* Effect.flip(Effect.tryPromise({ try: () => response.text(), catch: (error) => error }))

      assert.strictEqual((error as { cause?: { _tag?: string } }).cause?._tag, "StreamBroken")
      assert.strictEqual(tree(), "chat gpt-4o error 0-0\n  attempt provisioned error 0-0")
    })
  )

  it.live("lets a signal end the request, and the body", () =>
    Effect.gen(function* () {
      for (const [pieces, when] of [
        [[{ hang: true }], "headers"],
        [[...chatEvents("Hel").slice(0, 3), { hang: true }], "body"]
      ] as const) {
        const server = wire([{ headers: sse, pieces }])
        // As a Layer builds it.
        const fetch = yield* Effect.uninterruptible(fetchOver(server))
        const controller = new AbortController()
        const reason = new DOMException("enough", "AbortError")
        setTimeout(() => controller.abort(reason), 50)

        const error = yield* Effect.flip(
          Effect.tryPromise({
            try: async () => {
              const response = await fetch(url, post({ ...request, stream: true }, { signal: controller.signal }))
              assert.strictEqual(when, "body")
              await response.text()
            },
            catch: (error) => error
          })
        )

        assert.strictEqual(error, reason)
        yield* Effect.sleep("10 millis")
        assert.deepStrictEqual(server.aborted, [0])
      }
    })
  )

  it.effect("sends nothing for a signal that has aborted", () =>
    Effect.gen(function* () {
      const server = wire([ok])
      const fetch = yield* fetchOver(server)
      const reason = new DOMException("enough", "AbortError")

      const error = yield* Effect.flip(
        Effect.tryPromise({
          try: () => fetch(url, post(request, { signal: AbortSignal.abort(reason) })),
          catch: (error) => error
        })
      )

      assert.strictEqual(error, reason)
      assert.strictEqual(server.sent.length, 0)
    })
  )

  it.live("gives up the connection of a body that is cancelled", () =>
    Effect.gen(function* () {
      const server = wire([{ headers: sse, pieces: [...chatEvents("Hel").slice(0, 3), { hang: true }] }])
      const fetch = yield* fetchOver(server)

      const response = yield* Effect.promise(() => fetch(url, post({ ...request, stream: true })))
      yield* Effect.promise(async () => response.body?.cancel())

      assert.deepStrictEqual(server.aborted, [0])
    })
  )

  it.effect("keeps to the settings around it", () =>
    Effect.gen(function* () {
      const server = wire([{ ...throttle, headers: { "retry-after-ms": "500" } }, ok])
      const fetch = yield* fetchOver(server).pipe(CallSettings.withMaxWait("100 millis"))

      const response = yield* Effect.promise(() => fetch(url, post(request)))

      assert.strictEqual(response.headers.get("x-spillway-deployment"), "gpt-4o")
    })
  )
})

describe("HttpClientBridge", () => {
  const client = (server: ReturnType<typeof wire>) =>
    HttpClientBridge.layer.pipe(Layer.provide(chain()), Layer.provide(server.layer))
  const ask = (body: unknown) =>
    HttpClientRequest.post("https://theirs.example/v1/chat/completions").pipe(
      HttpClientRequest.bearerToken("theirs"),
      HttpClientRequest.bodyJson(body),
      Effect.flatMap(HttpClient.execute)
    )

  it.effect("applies the policy, with the caller's settings and below the caller's span", () =>
    Effect.gen(function* () {
      const server = wire([{ ...throttle, headers: { "retry-after-ms": "500" } }, ok])
      const { layer: tracer, tree } = recorder()

      const json = yield* ask(request).pipe(
        Effect.flatMap((response) => response.json),
        Effect.withSpan("theirs"),
        CallSettings.withMaxWait("100 millis"),
        Effect.provide([client(server), tracer])
      )

      assert.deepStrictEqual(json, completion)
      assert.deepStrictEqual(
        server.sent.map(({ headers }) => [headers["api-key"], headers["authorization"]]),
        [
          ["secret-key", undefined],
          ["secret-key", undefined]
        ]
      )
      assert.strictEqual(
        tree(),
        "theirs ok 0-0\n  chat gpt-4o ok 0-0\n    attempt provisioned error 0-0\n    attempt standard ok 0-0"
      )
    })
  )

  it.effect("hands on streams, and gives up the connection with them", () =>
    Effect.gen(function* () {
      const server = wire([{ headers: sse, pieces: [...chatEvents("Hel").slice(0, 3), { hang: true }] }])

      const first = yield* ask({ ...request, stream: true }).pipe(
        Effect.map((response) => response.stream),
        Stream.unwrap,
        Stream.decodeText(),
        Stream.take(3),
        Stream.mkString,
        Effect.provide(client(server))
      )

      assert.strictEqual(first, chatEvents("Hel").slice(0, 3).join(""))
      assert.deepStrictEqual(server.aborted, [0])
    })
  )

  it.effect("answers as a gateway would where no reply came", () =>
    Effect.gen(function* () {
      const server = wire([{ refuse: "ECONNREFUSED" }, { refuse: "ECONNREFUSED" }])

      const response = yield* Effect.provide(ask(request), client(server))

      assert.strictEqual(response.status, 502)
      assert.include(yield* response.text, "Unavailable")
    })
  )

  it.effect("sends a body that is a stream, and refuses one that is a form", () =>
    Effect.gen(function* () {
      const server = wire([ok])
      const encoded = new TextEncoder().encode(
        JSON.stringify({ ...request, messages: [{ role: "user", content: "é" }] })
      )
      const to = HttpClientRequest.post("https://theirs.example/v1/chat/completions")
      const pieces = Stream.fromIterable([...encoded].map((byte) => Uint8Array.of(byte)))

      yield* HttpClient.execute(HttpClientRequest.bodyStream(to, pieces, { contentType: "application/json" })).pipe(
        Effect.provide(client(server))
      )
      const error = yield* HttpClient.execute(HttpClientRequest.bodyFormData(to, new FormData())).pipe(
        Effect.flip,
        Effect.provide(client(server))
      )

      assert.deepStrictEqual(server.sent[0]?.body?.["messages"], [{ role: "user", content: "é" }])
      assert.strictEqual(error._tag === "RequestError" && error.reason, "Encode")
      assert.strictEqual(server.sent.length, 1)
    })
  )
})
