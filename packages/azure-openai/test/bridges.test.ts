import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import { Deployment, FetchBridge, HttpClientBridge } from "@spillway/azure-openai"
import { CallSettings, RetryAfter } from "@spillway/core"
import { Effect, Layer, Stream } from "effect"
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

  it.effect("rejects with a TypeError where no reply came, even after one that did", () =>
    Effect.gen(function* () {
      const fetch = yield* fetchOver(wire([throttle, { refuse: "ECONNREFUSED" }]))

      const error = yield* Effect.flip(
        Effect.tryPromise({ try: () => fetch(url, post(request)), catch: (error) => error })
      )

      assert.strictEqual(String(error), "TypeError: fetch failed")
      const { cause } = error as { cause?: { _tag?: string; message?: string } }
      assert.deepStrictEqual(
        [cause?._tag, cause?.message],
        ["Unavailable", "gpt-4o: connection refused (2 requests sent)"]
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
        const fetch = yield* fetchOver(server)
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

  it.effect("fails with a RequestError where no reply came", () =>
    Effect.gen(function* () {
      const server = wire([{ refuse: "ECONNREFUSED" }, { refuse: "ECONNREFUSED" }])

      const error = yield* Effect.flip(ask(request)).pipe(Effect.provide(client(server)))

      assert.strictEqual(error._tag, "RequestError")
      assert.strictEqual((error as { cause?: { _tag?: string } }).cause?._tag, "Unavailable")
    })
  )
})
