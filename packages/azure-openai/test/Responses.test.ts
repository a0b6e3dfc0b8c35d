import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, Deployment, Responses } from "@spillway/azure-openai"
import type { StreamBroken } from "@spillway/azure-openai"
import { CallSettings, RetryAfter } from "@spillway/core"
import { Chunk, Effect, Fiber, Layer, Option, Redacted, Stream, TestClock } from "effect"
import { recorder } from "./support/recorder.js"
import type { Piece, Prepared } from "./support/wire.js"
import { event, ptu, sse, standard, wire } from "./support/wire.js"

const request: Responses.ResponseStreamRequest = { input: "Hi", store: false }

const response = (more?: Record<string, unknown>) => ({
  id: "resp_1",
  object: "response",
  status: "in_progress",
  model: "gpt-4o",
  output: [],
  ...more
})
const finished = response({
  status: "completed",
  output: [
    { type: "reasoning", summary: [] },
    {
      type: "message",
      role: "assistant",
      content: [
        { type: "output_text", text: "Hel", annotations: [] },
        { type: "refusal", refusal: "no" },
        { type: "output_text", text: "lo" }
      ]
    }
  ],
  usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 }
})

const named = (data: { readonly type: string } & Record<string, unknown>) => event(data, data.type)

let sequence = 0
const created = named({ type: "response.created", sequence_number: sequence++, response: response() })
const inProgress = named({ type: "response.in_progress", response: response() })
const added = named({ type: "response.output_item.added", output_index: 0, item: { type: "message", id: "msg_1" } })
const delta = (text: string) =>
  named({ type: "response.output_text.delta", item_id: "msg_1", output_index: 0, content_index: 0, delta: text })
const novel = named({ type: "response.telepathy.delta", thought: "?" })
const completed = named({ type: "response.completed", response: finished })

// The shapes in which the live service reports a throttle, or a fault, within a stream.
const azureError = (error: Record<string, unknown>) => named({ type: "error", sequence_number: 2, error })
const throttled = {
  type: "too_many_requests",
  code: "rate_limit_exceeded",
  headers: { "x-ms-fe-error": "true" },
  message: "SECRET: Requests have exceeded the throughput limit",
  param: null
}
const openAiError = named({
  type: "error",
  sequence_number: 1,
  code: "rate_limit_exceeded",
  message: "SECRET: Rate limit reached",
  param: null
})
const failedEmpty = named({
  type: "response.failed",
  sequence_number: 1,
  response: response({ status: "failed", error: null, incomplete_details: null })
})
const failed = (error: Record<string, unknown>) =>
  named({ type: "response.failed", response: response({ status: "failed", error }) })

const hinted = { ...sse, "retry-after-ms": "1500", "retry-after": "2" }
const streamed = (headers: Record<string, string>, ...pieces: ReadonlyArray<Piece>): Prepared => ({ headers, pieces })
const good = streamed(sse, created, inProgress, added, delta("Hel"), novel, delta("lo"), completed)

const chain = (options?: Partial<Deployment.Options>) =>
  ptu(options).pipe(
    Deployment.retry(RetryAfter.within("4 seconds")),
    Deployment.orElse(standard(options).pipe(Deployment.retry(RetryAfter.retries(2))))
  )

const advance = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    for (let i = 0; i < 30; i++) yield* TestClock.adjust("500 millis")
    return yield* Fiber.join(fiber)
  })

const models = (sent: ReturnType<typeof wire>["sent"]) => sent.map(({ body }) => body?.["model"])

describe("AzureOpenAI.responseStream", () => {
  it.effect("gives every event in order, unknown ones too, and ends with the last", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([good])
      const { layer: tracer, spans, tree } = recorder()

      const events = yield* AzureOpenAI.responseStream(request).pipe(
        Stream.runCollect,
        Effect.provide([ptu().pipe(Layer.provide(layer)), tracer])
      )

      assert.deepStrictEqual(
        Chunk.toReadonlyArray(events).map(({ type }) => type),
        [
          "response.created",
          "response.in_progress",
          "response.output_item.added",
          "response.output_text.delta",
          "response.telepathy.delta",
          "response.output_text.delta",
          "response.completed"
        ]
      )
      assert.strictEqual(yield* Responses.text(Stream.fromChunk(events)), "Hello")
      assert.deepStrictEqual(
        Option.map(yield* Responses.response(Stream.fromChunk(events)), Responses.outputText),
        Option.some("Hello")
      )
      assert.strictEqual(sent[0]?.url, "https://contoso.openai.azure.com/openai/v1/responses")
      assert.deepStrictEqual(sent[0]?.body, { ...request, stream: true, model: "gpt-4o-ptu" })
      assert.strictEqual(tree(), "chat gpt-4o ok 0-0\n  attempt provisioned ok 0-0")
      assert.deepStrictEqual(
        ["gen_ai.response.id", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"].map((key) =>
          spans[0]?.attributes.get(key)
        ),
        ["resp_1", 3, 2]
      )
    })
  )

  const throttles: ReadonlyArray<readonly [string, Prepared, number]> = [
    ["response.failed without a reason, then error", streamed(hinted, failedEmpty, azureError(throttled)), 1500],
    ["the same in two packets", streamed(hinted, failedEmpty, { wait: "100 millis" }, azureError(throttled)), 1600],
    ["response.created, error, response.failed", streamed(hinted, created, azureError(throttled), failedEmpty), 1500],
    ["error alone", streamed(hinted, azureError(throttled)), 1500],
    ["created, in progress, error", streamed(hinted, created, inProgress, azureError(throttled)), 1500],
    ["code too_many_requests", streamed(hinted, azureError({ code: "too_many_requests", message: "…" })), 1500],
    ["code rate_limit_reached", streamed(hinted, azureError({ code: "rate_limit_reached", message: "…" })), 1500],
    [
      "type too_many_requests, code no_capacity",
      streamed(hinted, azureError({ ...throttled, code: "no_capacity" })),
      1500
    ],
    ["OpenAI's shape", streamed(hinted, openAiError), 1500],
    ["response.failed with a code", streamed(hinted, failed({ code: "rate_limit_exceeded", message: "…" })), 1500],
    ["response.failed with words alone", streamed(hinted, failed({ message: "Too Many Requests" })), 1500],
    [
      "response.failed with a quota used up",
      streamed({ ...hinted, "x-ratelimit-remaining-tokens": "0" }, failed({ message: "…" })),
      1500
    ],
    ["response.failed without a reason, and a hint", streamed(hinted, failedEmpty), 1500],
    ["response.failed without a reason, then [DONE]", streamed(hinted, failedEmpty, event("[DONE]")), 1500],
    ["an error without a type", streamed(hinted, event({ error: throttled })), 1500],
    ["a hint within the error", streamed(sse, azureError({ ...throttled, headers: { "Retry-After-Ms": "700" } })), 700]
  ]
  for (const [name, reply, waited] of throttles) {
    it.effect(`waits for a throttle in the stream, and tries again: ${name}`, () =>
      Effect.gen(function* () {
        const { layer, sent } = wire([reply, good])
        const { layer: tracer, spans, tree } = recorder()

        const text = yield* advance(Responses.text(AzureOpenAI.responseStream({ input: "Hi" }))).pipe(
          Effect.provide([chain().pipe(Layer.provide(layer)), tracer])
        )

        assert.strictEqual(text, "Hello")
        assert.deepStrictEqual(models(sent), ["gpt-4o-ptu", "gpt-4o-ptu"])
        const began = waited - (waited === 1600 ? 1500 : waited)
        assert.strictEqual(
          tree(),
          [
            `chat gpt-4o ok 0-${waited}`,
            `  attempt provisioned error 0-${began}`,
            `  wait ok ${began}-${waited}`,
            `  attempt provisioned ok ${waited}-${waited}`
          ].join("\n")
        )
        assert.strictEqual(spans[1]?.attributes.get("error.type"), "429")
        assert.strictEqual(spans[1]?.attributes.get("http.response.status_code"), 200)
        assert.strictEqual(spans[1]?.attributes.get("spillway.retry_after_ms"), waited === 1600 ? 1500 : waited)
      })
    )
  }

  it.effect("falls back on a throttle in the stream that takes too long", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([streamed(hinted, failedEmpty, azureError(throttled)), good])

      const text = yield* Responses.text(AzureOpenAI.responseStream(request)).pipe(
        CallSettings.withMaxWait("1 second"),
        Effect.provide(chain().pipe(Layer.provide(layer)))
      )

      assert.strictEqual(text, "Hello")
      assert.deepStrictEqual(models(sent), ["gpt-4o-ptu", "gpt-4o"])
    })
  )

  it.effect("surfaces a throttle in the stream as RateLimited, without its words", () =>
    Effect.gen(function* () {
      const { layer } = wire([streamed(hinted, azureError(throttled))])

      const error = yield* Effect.flip(Stream.runDrain(AzureOpenAI.responseStream(request))).pipe(
        Effect.provide(ptu().pipe(Layer.provide(layer)))
      )

      assert.strictEqual(
        error.message,
        "gpt-4o-ptu: out of capacity, retry after 1500 ms (status 200, code rate_limit_exceeded, request 7c9e6679-7425-40de-944b-e07fc1f90ae7, 1 request sent)"
      )
      assert.isFalse(JSON.stringify(error).includes("SECRET"))
    })
  )

  const broken: ReadonlyArray<readonly [string, ReadonlyArray<Piece>, StreamBroken.Broken]> = [
    ["a throttle", [azureError(throttled)], "throttled"],
    ["response.failed", [failed({ code: "server_error", message: "SECRET" })], "server"],
    ["response.failed without a reason, then a throttle", [failedEmpty, azureError(throttled)], "throttled"],
    ["response.failed without a reason", [failedEmpty], "server"],
    ["its end", [], "ended"],
    ["a reset", [{ reset: true }], "connection"],
    ["[DONE] too early", [event("[DONE]")], "ended"]
  ]
  for (const [name, pieces, reason] of broken) {
    it.effect(`breaks, and asks nobody again, when ${name} follows output`, () =>
      Effect.gen(function* () {
        const { layer, sent } = wire([streamed(sse, created, added, delta("Hel"), ...pieces)])

        const error = yield* Effect.flip(Stream.runDrain(AzureOpenAI.responseStream(request))).pipe(
          Effect.provide(chain().pipe(Layer.provide(layer)))
        )

        assert.strictEqual(error._tag, "StreamBroken")
        assert.strictEqual(error._tag === "StreamBroken" && error.reason, reason)
        assert.strictEqual(error._tag === "StreamBroken" && Redacted.value(error.text), "Hel")
        assert.isFalse(`${JSON.stringify(error)}${String(error)}`.includes("SECRET"))
        assert.strictEqual(sent.length, 1)
      })
    )
  }

  it.effect("sends what leaves nothing behind again after a fault, and nothing else", () =>
    Effect.gen(function* () {
      const faults: ReadonlyArray<Prepared> = [
        { status: 503, pieces: ["busy"] },
        streamed(sse, created, azureError({ code: "server_error", message: "…" })),
        streamed(sse, created, { reset: true }),
        { refuse: "ECONNRESET" },
        { ...streamed(sse), delay: "1 hour" }
      ]
      for (const fault of faults) {
        const again = wire([fault, good])
        const text = yield* advance(Responses.text(AzureOpenAI.responseStream(request))).pipe(
          Effect.provide(chain({ timeout: "10 seconds" }).pipe(Layer.provide(again.layer)))
        )
        assert.strictEqual(text, "Hello")
        assert.deepStrictEqual(models(again.sent), ["gpt-4o-ptu", "gpt-4o"])

        for (const more of [
          { store: true },
          { store: undefined },
          { background: true },
          { tools: [{ type: "web_search" }] }
        ]) {
          const once = wire([fault])
          const error = yield* advance(
            Effect.flip(Stream.runDrain(AzureOpenAI.responseStream({ ...request, ...more })))
          ).pipe(Effect.provide(chain({ timeout: "10 seconds" }).pipe(Layer.provide(once.layer))))
          assert.strictEqual(error._tag, "OutcomeUnknown")
          assert.strictEqual(once.sent.length, 1)
        }
      }
    })
  )

  it.effect("sends what leaves something behind again after a throttle or a refused connection", () =>
    Effect.gen(function* () {
      for (const fault of [
        { status: 429, pieces: ["{}"] },
        { refuse: "ECONNREFUSED" }
      ] satisfies ReadonlyArray<Prepared>) {
        const { layer, sent } = wire([fault, good])
        const text = yield* Responses.text(AzureOpenAI.responseStream({ input: "Hi", background: true })).pipe(
          CallSettings.withMaxWait(0),
          Effect.provide(chain().pipe(Layer.provide(layer)))
        )
        assert.strictEqual(text, "Hello")
        assert.strictEqual(sent.length, 2)
      }
    })
  )
})

describe("AzureOpenAI.createResponse", () => {
  const json = (value: unknown): Prepared => ({ pieces: [JSON.stringify(value)] })
  const local = { type: "function", name: "add", parameters: {} }

  it.effect("answers with the text, the usage and the response, by either URL style", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([json(finished), json(finished)])

      const { served, text, usage } = yield* AzureOpenAI.createResponse({ input: "Hi", tools: [local] }).pipe(
        Effect.provide(ptu().pipe(Layer.provide(layer)))
      )
      yield* AzureOpenAI.createResponse({ input: "Hi" }).pipe(
        Effect.provide(ptu({ apiVersion: "2025-04-01-preview" }).pipe(Layer.provide(layer)))
      )

      assert.deepStrictEqual([text, usage?.output_tokens, served.outcome], ["Hello", 2, "served"])
      assert.deepStrictEqual(
        sent.map(({ url }) => url),
        [
          "https://contoso.openai.azure.com/openai/v1/responses",
          "https://contoso.openai.azure.com/openai/responses?api-version=2025-04-01-preview"
        ]
      )
      assert.deepStrictEqual(models(sent), ["gpt-4o-ptu", "gpt-4o-ptu"])
    })
  )

  it.effect("takes a response that failed of a throttle for a throttle", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([
        json(response({ status: "failed", error: { code: "rate_limit_exceeded", message: "…" } })),
        json(finished)
      ])

      const { served } = yield* AzureOpenAI.createResponse({ input: "Hi" }).pipe(
        CallSettings.withMaxWait(0),
        Effect.provide(chain().pipe(Layer.provide(layer)))
      )

      assert.strictEqual(served.deployment, "gpt-4o")
      assert.strictEqual(sent.length, 2)
    })
  )

  it.effect("goes on where the previous response was made, and nowhere else", () =>
    Effect.gen(function* () {
      const full: Prepared = { status: 429, headers: { "retry-after-ms": "9000" }, pieces: ["{}"] }
      const { layer, sent } = wire([full, json(finished), json(finished), full, full, json(finished)])

      yield* Effect.gen(function* () {
        // Made by Standard, because the PTUs were full.
        yield* AzureOpenAI.createResponse({ input: "Hi" })
        yield* AzureOpenAI.createResponse({ input: "More", previous_response_id: "resp_1" })
        const error = yield* Effect.flip(
          AzureOpenAI.createResponse({ input: "More", previous_response_id: "resp_1" })
        ).pipe(CallSettings.withDeadline("1 second"))
        assert.strictEqual(error._tag, "RateLimited")
        // Nobody here made this one.
        yield* AzureOpenAI.createResponse({ input: "More", previous_response_id: "resp_elsewhere" })
      }).pipe(Effect.provide(chain().pipe(Layer.provide(layer))))

      assert.deepStrictEqual(models(sent), ["gpt-4o-ptu", "gpt-4o", "gpt-4o", "gpt-4o", "gpt-4o-ptu", "gpt-4o"])
    })
  )

  it.effect("waits where the previous response was made as that deployment's policy says, and goes nowhere else", () =>
    Effect.gen(function* () {
      const busy = (ms: number): Prepared => ({
        status: 429,
        headers: { "retry-after-ms": String(ms) },
        pieces: ["{}"]
      })
      const { layer, sent } = wire([json(finished), busy(1000), json(finished), busy(1000), busy(9000)])
      const more = AzureOpenAI.createResponse({ input: "More", previous_response_id: "resp_1" })

      const [waited, error] = yield* advance(
        Effect.zipRight(AzureOpenAI.createResponse({ input: "Hi" }), Effect.all([more, Effect.flip(more)])).pipe(
          Effect.provide(chain().pipe(Layer.provide(layer)))
        )
      )

      assert.deepStrictEqual([waited.served.outcome, waited.served.waitedMs], ["served_after_wait", 1000])
      assert.deepStrictEqual([error._tag, error.attempts.length], ["RateLimited", 2])
      assert.deepStrictEqual([...new Set(models(sent))], ["gpt-4o-ptu"])
    })
  )
})

describe("stored responses", () => {
  const json = (value: unknown): Prepared => ({ pieces: [JSON.stringify(value)] })
  const missing: Prepared = { status: 404, pieces: [JSON.stringify({ error: { code: "404", message: "…" } })] }
  const elsewhere = "https://fabrikam.openai.azure.com"
  const both = ptu().pipe(
    Deployment.orElse(standard()),
    Deployment.orElse(standard({ endpoint: elsewhere, deployment: "gpt-4o-eu", apiVersion: "2025-04-01-preview" }))
  )
  const lines = (sent: ReturnType<typeof wire>["sent"]) =>
    sent.map(({ body, method, url }) => `${method} ${url}${body === undefined ? "" : " body"}`)

  it.effect("are asked for, cancelled and deleted where they were made", () =>
    Effect.gen(function* () {
      const full: Prepared = { status: 429, pieces: ["{}"] }
      const { layer, sent } = wire([
        full,
        full,
        json(response({ status: "queued" })),
        json(finished),
        json(response({ status: "cancelled" })),
        json({ id: "resp_1", object: "response", deleted: true })
      ])
      const { layer: tracer, tree } = recorder()

      yield* Effect.gen(function* () {
        const { response } = yield* AzureOpenAI.createResponse({ input: "Hi", background: true })
        assert.strictEqual(response.status, "queued")
        const got = yield* AzureOpenAI.getResponse(response.id, { include: ["a", "b"] })
        assert.strictEqual(Responses.outputText(got), "Hello")
        assert.strictEqual((yield* AzureOpenAI.cancelResponse(response.id)).status, "cancelled")
        yield* AzureOpenAI.deleteResponse(response.id)
      }).pipe(Effect.provide([both.pipe(Layer.provide(layer)), tracer]))

      assert.deepStrictEqual(lines(sent.slice(3)), [
        `GET ${elsewhere}/openai/responses/resp_1?api-version=2025-04-01-preview&include=a&include=b`,
        `POST ${elsewhere}/openai/responses/resp_1/cancel?api-version=2025-04-01-preview`,
        `DELETE ${elsewhere}/openai/responses/resp_1?api-version=2025-04-01-preview`
      ])
      assert.deepStrictEqual(
        tree()
          .split("\n")
          .filter((line) => !line.startsWith(" ")),
        [
          "chat gpt-4o ok 0-0",
          "get_response gpt-4o ok 0-0",
          "cancel_response gpt-4o ok 0-0",
          "delete_response gpt-4o ok 0-0"
        ]
      )
    })
  )

  it.effect("made by another process are looked for once at each resource", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([missing, json(finished), missing, missing])

      yield* Effect.gen(function* () {
        assert.strictEqual((yield* AzureOpenAI.getResponse("resp_9")).status, "completed")
        const error = yield* Effect.flip(AzureOpenAI.getResponse("resp_8"))
        assert.strictEqual(error._tag, "NotFound")
      }).pipe(Effect.provide(both.pipe(Layer.provide(layer))))

      assert.deepStrictEqual(lines(sent), [
        "GET https://contoso.openai.azure.com/openai/v1/responses/resp_9",
        `GET ${elsewhere}/openai/responses/resp_9?api-version=2025-04-01-preview`,
        "GET https://contoso.openai.azure.com/openai/v1/responses/resp_8",
        `GET ${elsewhere}/openai/responses/resp_8?api-version=2025-04-01-preview`
      ])
    })
  )

  it.effect("are not asked for by what is no id", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([])

      const error = yield* Effect.flip(AzureOpenAI.getResponse("../chat/completions")).pipe(
        Effect.provide(both.pipe(Layer.provide(layer)))
      )

      assert.strictEqual(
        error.message,
        "gpt-4o-ptu: request refused because of id: expected a response's id (0 requests sent)"
      )
      assert.strictEqual(sent.length, 0)
    })
  )

  it.effect("are remembered, the newest 10,000 of each deployment", () =>
    Effect.gen(function* () {
      const { layer } = wire([])
      const { members } = yield* Deployment.Deployment.pipe(Effect.provide(ptu().pipe(Layer.provide(layer))))
      const responses = members?.[0]?.target.responses

      for (let n = 0; n <= 10_000; n++) responses?.add(`resp_${n}`)
      responses?.add("resp_1")
      responses?.add("resp_10001")

      assert.deepStrictEqual(
        ["resp_0", "resp_1", "resp_2", "resp_3", "resp_10001"].map((id) => responses?.has(id)),
        [false, true, false, true, true]
      )
    })
  )
})
