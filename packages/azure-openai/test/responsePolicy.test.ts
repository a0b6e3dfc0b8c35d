import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, Deployment, Failure, Telemetry, Tokens } from "@spillway/azure-openai"
import type { Responses } from "@spillway/azure-openai"
import { Call, CallSettings, RetryAfter } from "@spillway/core"
import { Chunk, Effect, Exit, Fiber, Layer, Option, Stream, TestClock } from "effect"
import { values } from "../../../test/support/metrics.js"
import { recorder } from "./support/recorder.js"
import type { Piece, Prepared } from "./support/wire.js"
import { event, ptu, sse, standard, wire } from "./support/wire.js"

const response = (more?: Record<string, unknown>) => ({ id: "resp_1", status: "in_progress", output: [], ...more })
const said = (text: string) => ({ type: "message", content: [{ type: "output_text", text }] })
const usage = { input_tokens: 30, output_tokens: 2, total_tokens: 32, input_tokens_details: { cached_tokens: 10 } }
const finished = response({ status: "completed", model: "gpt-4o-2024", output: [said("Hello")], usage })

const named = (data: { readonly type: string } & Record<string, unknown>) => event(data, data.type)
const created = named({ type: "response.created", response: response() })
const queued = named({ type: "response.queued", response: response() })
const delta = named({
  type: "response.output_text.delta",
  delta: "Hello",
  item_id: "m",
  output_index: 0,
  content_index: 0
})
const completed = named({ type: "response.completed", response: finished })
const json = (value: unknown, headers?: Record<string, string>): Prepared => ({
  pieces: [JSON.stringify(value)],
  ...(headers === undefined ? {} : { headers })
})
const streamed = (...pieces: ReadonlyArray<Piece>): Prepared => ({ headers: sse, pieces })
const good = streamed(created, delta, completed)

const chain = (options?: Partial<Deployment.Options>) =>
  ptu(options).pipe(
    Deployment.retry(RetryAfter.within("4 seconds")),
    Deployment.orElse(standard(options).pipe(Deployment.retry(RetryAfter.retries(2))))
  )

const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    for (let i = 0; i < 6; i++) yield* TestClock.adjust("5 seconds")
    return yield* Fiber.join(fiber)
  })

const mcp = { type: "mcp", server_label: "mail", server_url: "https://mail.example" }
const custom = { type: "custom", name: "run" }
const ran = [{ type: "mcp_call", status: "completed", name: "send_email" }]

describe("what must not run twice", () => {
  const faults: ReadonlyArray<readonly [string, Prepared]> = [
    ["a 503", { status: 503, pieces: ["busy"] }],
    ["a body cut off", { pieces: ['{"id":'] }],
    ["a reset", { refuse: "ECONNRESET" }],
    ["silence", { ...json(finished), delay: "1 hour" }],
    ["a response that failed", json(response({ status: "failed", error: { code: "server_error" } }))],
    [
      "a throttle after a tool has run",
      json(response({ status: "failed", error: { code: "rate_limit_exceeded" }, output: ran }))
    ],
    [
      "a throttle after tokens were billed",
      json(response({ status: "failed", error: { code: "rate_limit_exceeded" }, usage }))
    ],
    [
      "a failure that says nothing, at the end of a window",
      json(response({ status: "failed", error: null }), { "x-ratelimit-remaining-requests": "0" })
    ]
  ]
  for (const [name, fault] of faults) {
    it.effect(`is not sent again after ${name}; what leaves nothing behind is`, () =>
      Effect.gen(function* () {
        for (const more of [{}, { store: false, tools: [mcp] }, { store: false, background: true }]) {
          const { layer, sent } = wire([fault])
          const error = yield* inTime(Effect.flip(AzureOpenAI.createResponse({ input: "Hi", ...more }))).pipe(
            Effect.provide(chain({ timeout: "10 seconds" }).pipe(Layer.provide(layer)))
          )
          assert.strictEqual(error._tag, "OutcomeUnknown")
          assert.strictEqual(sent.length, 1)
        }
        const { layer, sent } = wire([fault, json(finished)])
        const { text } = yield* inTime(AzureOpenAI.createResponse({ input: "Hi", store: false, tools: [custom] })).pipe(
          Effect.provide(chain({ timeout: "10 seconds" }).pipe(Layer.provide(layer)))
        )
        assert.strictEqual(text, "Hello")
        assert.strictEqual(sent.length, 2)
      })
    )
  }

  it.effect("is not sent again after a throttle in the stream of a response that holds output", () =>
    Effect.gen(function* () {
      const limited = { code: "rate_limit_exceeded", message: "…" }
      const failed = (error: unknown) =>
        named({ type: "response.failed", response: response({ status: "failed", error, output: ran }) })
      for (const pieces of [
        [created, failed(limited)],
        [created, failed(null), named({ type: "error", error: limited })]
      ]) {
        const { layer, sent } = wire([streamed(...pieces)])
        const error = yield* Effect.flip(Stream.runDrain(AzureOpenAI.responseStream({ input: "Hi" }))).pipe(
          Effect.provide(chain().pipe(Layer.provide(layer)))
        )
        assert.strictEqual(error._tag, "OutcomeUnknown")
        assert.strictEqual(sent.length, 1)
      }
    })
  )
})

describe("the id of a response that was begun", () => {
  const background = AzureOpenAI.responseStream({ input: "Hi", background: true })

  it.effect("is on the error of a stream that broke before output, for whatever reason", () =>
    Effect.gen(function* () {
      for (const pieces of [[created, { reset: true }], [created], [created, { hang: true }]] satisfies ReadonlyArray<
        ReadonlyArray<Piece>
      >) {
        const { layer } = wire([streamed(...pieces)])
        const error = yield* inTime(Effect.flip(Stream.runCollect(background))).pipe(
          Effect.provide(chain({ timeout: "10 seconds" }).pipe(Layer.provide(layer)))
        )
        assert.strictEqual(error.responseId, "resp_1")
        assert.strictEqual(error.attempts[0]?.responseId, "resp_1")
      }
    })
  )

  it.effect("is on the error of a call whose deadline passed", () =>
    Effect.gen(function* () {
      const { layer } = wire([streamed(created, { hang: true })])
      const error = yield* inTime(Effect.flip(Stream.runCollect(background))).pipe(
        CallSettings.withDeadline("1 second"),
        Effect.provide(chain().pipe(Layer.provide(layer)))
      )
      assert.deepStrictEqual([error._tag, error.responseId], ["DeadlineExceeded", "resp_1"])
    })
  )

  it.effect("is not there where none is known, or where it is no id", () =>
    Effect.gen(function* () {
      for (const pieces of [["{}"], [named({ type: "response.created", response: response({ id: "a sentence" }) })]]) {
        const { layer } = wire([streamed(...pieces)])
        const error = yield* Effect.flip(Stream.runCollect(background)).pipe(
          Effect.provide(ptu().pipe(Layer.provide(layer)))
        )
        assert.strictEqual(error.responseId, undefined)
      }
    })
  )
})

describe("where a response goes on", () => {
  it.effect("is where its stream was made", () =>
    Effect.gen(function* () {
      const full: Prepared = { status: 429, headers: { "retry-after-ms": "9000" }, pieces: ["{}"] }
      const { layer, sent } = wire([full, good, json(finished), json(finished)])

      yield* Effect.gen(function* () {
        yield* Stream.runDrain(AzureOpenAI.responseStream({ input: "Hi" }))
        yield* AzureOpenAI.createResponse({ input: "More", previous_response_id: "resp_1" })
        yield* AzureOpenAI.createResponse({ input: "More", previous_response_id: "resp_2" })
      }).pipe(Effect.provide(chain().pipe(Layer.provide(layer))))

      assert.deepStrictEqual(
        sent.map(({ body }) => body?.["model"]),
        ["gpt-4o-ptu", "gpt-4o", "gpt-4o", "gpt-4o-ptu"]
      )
    })
  )

  const elsewhere = "https://fabrikam.openai.azure.com"
  const both = ptu().pipe(Deployment.orElse(standard({ endpoint: elsewhere })))
  const missing: Prepared = { status: 404, pieces: [] }
  const down: Prepared = { status: 503, pieces: [] }

  it.effect("is looked for past a resource that is down, which is no fallback", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([down, json(finished), missing, json(finished)])
      const { layer: tracer, spans } = recorder()

      yield* Effect.replicateEffect(AzureOpenAI.getResponse("resp_9"), 2).pipe(
        Effect.provide([both.pipe(Layer.provide(layer)), tracer])
      )

      assert.strictEqual(sent.length, 4)
      assert.deepStrictEqual(
        spans.filter(({ parent }) => parent === undefined).map(({ attributes }) => attributes.get("spillway.outcome")),
        ["served", "served"]
      )
    })
  )

  it.effect("is not known to be nowhere while a resource is down, and not looked for after a refusal", () =>
    Effect.gen(function* () {
      const tags = (replies: ReadonlyArray<Prepared>) =>
        Effect.gen(function* () {
          const { layer, sent } = wire(replies)
          const error = yield* Effect.flip(AzureOpenAI.getResponse("resp_9")).pipe(
            Effect.provide(both.pipe(Layer.provide(layer)))
          )
          return [error._tag, sent.length] as const
        })
      assert.deepStrictEqual(yield* tags([down, missing]), ["Unavailable", 2])
      assert.deepStrictEqual(yield* tags([missing, down]), ["Unavailable", 2])
      assert.deepStrictEqual(yield* tags([missing, missing]), ["NotFound", 2])
      assert.deepStrictEqual(yield* tags([{ status: 401, pieces: [] }]), ["Unauthorized", 1])
    })
  )
})

describe("requests that are no requests", () => {
  it.effect("are refused, whatever they are", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([])
      const odd: ReadonlyArray<unknown> = [
        null,
        undefined,
        "Hi",
        [],
        {
          input: "Hi",
          get store(): boolean {
            throw new Error("no")
          }
        },
        { input: "Hi", metadata: { n: 1n } }
      ]
      for (const request of odd) {
        const asked = request as Responses.ResponseRequest
        for (const effect of [
          AzureOpenAI.createResponse(asked),
          Stream.runDrain(AzureOpenAI.responseStream(asked as never)),
          AzureOpenAI.getResponse(request as string)
        ]) {
          const exit = yield* Effect.exit(Effect.flip(effect)).pipe(Effect.provide(ptu().pipe(Layer.provide(layer))))
          const tag = Exit.match(exit, { onFailure: (cause) => cause._tag, onSuccess: ({ _tag }) => _tag })
          if (request !== "Hi") assert.strictEqual(tag, "BadRequest")
        }
      }
      assert.strictEqual(sent.filter(({ method }) => method === "POST").length, 0)
    })
  )
})

describe("events of a response's stream", () => {
  const kinds: ReadonlyArray<readonly [string, ReadonlyArray<Piece>, string]> = [
    ["queued is preamble", [created, queued, { reset: true }], "again"],
    [
      "an item is output",
      [created, named({ type: "response.output_item.added", output_index: 0, item: {} }), { reset: true }],
      "broken"
    ],
    ["incomplete is the last", [created, delta, named({ type: "response.incomplete", response: finished })], "whole"],
    ["cancelled is the last", [created, delta, named({ type: "response.cancelled", response: finished })], "whole"],
    [
      "the type is the event's name where it has no other",
      [created, event({ response: finished }, "response.completed")],
      "whole"
    ],
    [
      "a failure with a code is not waited with",
      [
        created,
        named({ type: "response.failed", response: response({ error: { code: "server_error" } }) }),
        { hang: true }
      ],
      "again"
    ]
  ]
  for (const [name, pieces, outcome] of kinds) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const { layer, sent } = wire([streamed(...pieces), good])
        const exit = yield* inTime(
          Effect.exit(Stream.runCollect(AzureOpenAI.responseStream({ input: "Hi", store: false })))
        ).pipe(Effect.provide(chain().pipe(Layer.provide(layer))))
        assert.deepStrictEqual(
          [sent.length, Exit.isSuccess(exit)],
          outcome === "again" ? [2, true] : outcome === "whole" ? [1, true] : [1, false]
        )
        if (outcome === "whole" && Exit.isSuccess(exit)) {
          const last = yield* Effect.map(
            Stream.runLast(Stream.fromChunk(exit.value)),
            Option.map(({ type }) => type)
          )
          assert.strictEqual(Option.getOrThrow(last), Chunk.unsafeLast(exit.value).type)
        }
      })
    )
  }
})

describe("what is told of a response", () => {
  const model = "gpt-told"
  const one = (reply: Prepared) => {
    const { layer } = wire([reply])
    return standard({ deployment: "told", model }).pipe(Layer.provide(layer))
  }
  const tokens = Effect.map(values("spillway.tokens", { deployment: "told" }, "token_type"), (by) =>
    ["input", "output", "cached_input"].map((type) => by[type] ?? 0)
  )

  it.effect("its tokens are counted, and its attributes hold names alone", () =>
    Effect.gen(function* () {
      const before = yield* tokens
      const { layer: tracer, spans } = recorder()
      const hostile = { ...finished, model: "SECRET prompt as a model!", id: "SECRET id" }
      const request = { input: "Hi", store: false, max_output_tokens: 7, temperature: 0.5 }
      for (const [body, effect] of [
        [json(finished), AzureOpenAI.createResponse(request)],
        [good, Stream.runDrain(AzureOpenAI.responseStream(request))],
        [json(hostile), AzureOpenAI.createResponse(request)],
        [
          streamed(delta, named({ type: "response.completed", response: hostile })),
          Stream.runDrain(AzureOpenAI.responseStream(request))
        ]
      ] as const) {
        yield* effect.pipe(Effect.provide([one(body), tracer]))
      }

      const roots = spans.filter(({ parent }) => parent === undefined)
      const keys = [
        "request.max_tokens",
        "request.temperature",
        "response.id",
        "response.model",
        "usage.cache_read.input_tokens"
      ]
      const told = roots.map(({ attributes }) => keys.map((key) => attributes.get(`gen_ai.${key}`)))
      const known = [7, 0.5, "resp_1", "gpt-4o-2024", 10]
      assert.deepStrictEqual(told, [
        known,
        known,
        [7, 0.5, undefined, undefined, 10],
        [7, 0.5, undefined, undefined, 10]
      ])
      assert.isFalse(
        roots.some(({ attributes }) => [...attributes.values()].some((value) => String(value).includes("SECRET")))
      )
      const after = yield* tokens
      assert.deepStrictEqual(
        after.map((count, n) => count - (before[n] ?? 0)),
        [80, 8, 40]
      )
    })
  )

  it.effect("prompt and answer are written for who asks for them, and for nobody else", () =>
    Effect.gen(function* () {
      const { layer: tracer, spans } = recorder()
      const asked = AzureOpenAI.createResponse({
        instructions: "Be brief",
        input: [
          { type: "message", role: "user", content: [{ type: "input_text", text: "Hi" }] },
          { type: "function_call", call_id: "c", name: "add", arguments: "{}" },
          { type: "function_call_output", call_id: "c", output: "3" }
        ]
      })
      yield* asked.pipe(Telemetry.withContent(true), Effect.provide([one(json(finished)), tracer]))
      yield* asked.pipe(Effect.provide([one(json(finished)), tracer]))

      const [told, untold] = spans.filter(({ parent }) => parent === undefined).map(({ attributes }) => attributes)
      const read = (key: string): unknown => JSON.parse(String(told?.get(key)))
      assert.deepStrictEqual(read("gen_ai.input.messages"), [
        { role: "user", parts: [{ type: "text", content: "Hi" }] },
        { role: "assistant", parts: [{ type: "tool_call", id: "c", name: "add", arguments: "{}" }] },
        { role: "tool", parts: [{ type: "tool_call_response", id: "c", response: "3" }] }
      ])
      assert.deepStrictEqual(read("gen_ai.system_instructions"), [{ type: "text", content: "Be brief" }])
      assert.deepStrictEqual(read("gen_ai.output.messages"), [
        { role: "assistant", parts: [{ type: "text", content: "Hello" }], finish_reason: "completed" }
      ])
      for (const key of told?.keys() ?? []) {
        if (/messages|instructions/.test(key)) assert.isFalse(untold?.has(key))
      }
    })
  )

  it.effect("every operation tells admission what it expects to take", () =>
    Effect.gen(function* () {
      const seen: Array<Call.Demand | undefined> = []
      const probe = Deployment.make({
        primary: { deployment: "d", model, kind: "provisioned" },
        execute: () =>
          Effect.flatMap(Call.Call, (call) => {
            seen.push(call.demand(Tokens.quarterOfCharacters))
            return Effect.fail(Failure.toError("d", Failure.refused("x"), { attempts: [], since: 0n }))
          })
      })
      const text = "x".repeat(40)
      const messages = [{ role: "user" as const, content: text }]
      for (const effect of [
        AzureOpenAI.chat({ messages, max_tokens: 5 }),
        Stream.runDrain(AzureOpenAI.chatStream({ messages, max_tokens: 5 })),
        AzureOpenAI.createResponse({ input: text, max_output_tokens: 5 }),
        Stream.runDrain(AzureOpenAI.responseStream({ input: text, max_output_tokens: 5 })),
        AzureOpenAI.embeddings({ input: text })
      ]) {
        yield* Effect.flip(effect).pipe(Effect.provide(probe))
      }
      assert.deepStrictEqual(seen, [
        { inputTokens: 11, outputTokens: 5 },
        { inputTokens: 11, outputTokens: 5 },
        { inputTokens: 10, outputTokens: 5 },
        { inputTokens: 10, outputTokens: 5 },
        { inputTokens: 10, outputTokens: undefined }
      ])
    })
  )
})
