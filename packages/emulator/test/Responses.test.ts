import { assert, describe, it } from "@effect/vitest"
import { Emulator, type EmulatorConfig, ErrorReply, Script } from "@spillway/emulator"
import { Effect, Fiber, Layer, Option, Schema, TestClock } from "effect"
import { inProcess, log, type Options, type Received, scripted, send } from "./support/calls.js"

// 24 PTUs of gpt-4o drain a token a millisecond; 40 ms a token, answers of 10 tokens.
const ptu = {
  name: "ptu",
  kind: "provisioned",
  model: "gpt-4o",
  ptus: 24,
  windowSeconds: 1,
  latency: { firstTokenMs: 100 },
  answerTokens: { min: 10, max: 10 }
} as const satisfies EmulatorConfig.Deployment

const resource = inProcess({
  deployments: [
    ptu,
    { name: "standard", kind: "standard", model: "gpt-4o" },
    { name: "o3", kind: "standard", model: "o3" },
    { name: "embedding", kind: "standard", model: "text-embedding-3-small" }
  ]
})

const create = (body: object, options: Options = {}) => send("/openai/v1/responses", JSON.stringify(body), options)
const get = (id: string, options: Options = {}) =>
  send(`/openai/v1/responses/${id}`, undefined, { ...options, method: "GET" })

const over = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust("1 minutes")
    return yield* Fiber.join(fiber)
  })

const Response = Schema.Struct({
  id: Schema.String,
  object: Schema.Literal("response"),
  status: Schema.String,
  model: Schema.String,
  created_at: Schema.Int,
  background: Schema.Boolean,
  store: Schema.Boolean,
  error: Schema.Null,
  incomplete_details: Schema.NullOr(Schema.Struct({ reason: Schema.String })),
  previous_response_id: Schema.NullOr(Schema.String),
  output: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      type: Schema.String,
      status: Schema.optional(Schema.String),
      content: Schema.optional(
        Schema.Array(Schema.Struct({ type: Schema.Literal("output_text"), text: Schema.String }))
      )
    })
  ),
  usage: Schema.NullOr(
    Schema.Struct({
      input_tokens: Schema.Int,
      output_tokens: Schema.Int,
      output_tokens_details: Schema.Struct({ reasoning_tokens: Schema.Int }),
      total_tokens: Schema.Int
    })
  )
})

const read = ({ body, status }: Received) => {
  assert.strictEqual(status, 200, JSON.stringify(body))
  return Schema.decodeUnknownSync(Response)(body)
}

const errorOf = ({ body }: Received) =>
  Schema.decodeUnknownSync(
    Schema.Struct({
      error: Schema.Struct({
        code: Schema.NullOr(Schema.String),
        message: Schema.String,
        param: Schema.optional(Schema.NullOr(Schema.String))
      })
    })
  )(body).error

const utilization = Effect.flatMap(Emulator.Emulator, (emulator) =>
  Effect.map(emulator.utilization("ptu"), Option.getOrThrow)
)

describe("a response", () => {
  it.effect("has the shape, the usage and the headers of Azure's, when all of it is there", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(create({ model: "ptu", input: "How high is the weir?", metadata: { a: "b" } }))
      yield* TestClock.adjust("499 millis")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("1 millis")
      const reply = yield* Fiber.join(fiber)
      const response = read(reply)

      assert.match(response.id, /^resp_\w{48}$/)
      assert.strictEqual(response.status, "completed")
      assert.strictEqual(response.model, "gpt-4o")
      assert.deepStrictEqual([response.background, response.store], [false, true])
      assert.deepStrictEqual(
        response.output.map(({ status, type }) => [type, status]),
        [["message", "completed"]]
      )
      assert.strictEqual(response.output[0]?.content?.[0]?.text.split(" ").length, 10)
      assert.deepStrictEqual(response.usage, {
        input_tokens: 6,
        output_tokens: 10,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: 16
      })
      assert.match(JSON.stringify(reply.body), /"metadata":\{"a":"b"\}/)
      assert.strictEqual(reply.headers["x-ms-deployment-name"], "ptu")
      assert.isUndefined(reply.headers["x-ratelimit-remaining-tokens"])
      assert.deepStrictEqual(yield* log, [[0, "ptu", 200]])
    }).pipe(Effect.provide(resource))
  )

  it.effect("counts instructions, items, images, calls and their outputs", () =>
    Effect.gen(function* () {
      const tokens = (body: object) =>
        Effect.map(over(create({ model: "standard", ...body })), (reply) => read(reply).usage?.input_tokens)

      assert.strictEqual(yield* tokens({ input: "12345678", instructions: "1234" }), 3 + 2)
      assert.strictEqual(
        yield* tokens({
          input: [
            {
              role: "user",
              content: [
                { type: "input_text", text: "12345678" },
                { type: "input_image", image_url: "data:image/png;base64,AAAA", detail: "low" },
                { type: "input_image", image_url: "https://example.com/weir.png" }
              ]
            },
            { type: "function_call", call_id: "c", name: "f", arguments: '{"a":1}' },
            { type: "function_call_output", call_id: "c", output: "12345678" }
          ]
        }),
        3 + 85 + 765 + 2 + 3
      )
    }).pipe(Effect.provide(resource))
  )

  it.effect("is incomplete where max_output_tokens cuts it", () =>
    Effect.gen(function* () {
      const response = read(yield* over(create({ model: "standard", input: "Hi", max_output_tokens: 16 })))
      const whole = read(yield* over(create({ model: "standard", input: "Hi" })))

      assert.strictEqual(response.status, "incomplete")
      assert.deepStrictEqual(response.incomplete_details, { reason: "max_output_tokens" })
      assert.strictEqual(response.usage?.output_tokens, 16)
      assert.isTrue(whole.output[0]?.content?.[0]?.text.startsWith(response.output[0]?.content?.[0]?.text ?? "?"))
    }).pipe(Effect.provide(resource))
  )

  it.effect("of a reasoning model has its thought before it, which counts", () =>
    Effect.gen(function* () {
      const response = read(yield* over(create({ model: "o3", input: "Hi", reasoning: { effort: "high" } })))
      const cut = read(yield* over(create({ model: "o3", input: "Hi", max_output_tokens: 20 })))

      assert.deepStrictEqual(
        response.output.map(({ type }) => type),
        ["reasoning", "message"]
      )
      const words = response.output[1]?.content?.[0]?.text.split(" ").length ?? 0
      assert.strictEqual(response.usage?.output_tokens_details.reasoning_tokens, 128)
      assert.strictEqual(response.usage?.output_tokens, 128 + words)
      assert.deepStrictEqual(
        [cut.status, cut.output.map(({ type }) => type), cut.usage?.output_tokens],
        ["incomplete", ["reasoning"], 20]
      )
    }).pipe(Effect.provide(resource))
  )

  it.effect("is there for dated versions that have it, and names its deployment in the body alone", () =>
    Effect.gen(function* () {
      const dated = (path: string, version: string) =>
        Effect.map(
          over(
            send(`/openai${path}/responses?api-version=${version}`, JSON.stringify({ model: "standard", input: "Hi" }))
          ),
          ({ status }) => status
        )

      assert.strictEqual(yield* dated("", "2025-03-01-preview"), 200)
      assert.strictEqual(yield* dated("", "2025-04-01-preview"), 200)
      assert.strictEqual(yield* dated("", "2024-10-21"), 404)
      assert.strictEqual(yield* dated("/deployments/standard", "2025-04-01-preview"), 404)
      assert.strictEqual(errorOf(yield* create({ model: "absent", input: "Hi" })).code, "DeploymentNotFound")
      assert.strictEqual(errorOf(yield* create({ input: "Hi" })).message, "you must provide a model parameter")
    }).pipe(Effect.provide(resource))
  )

  const refusals: ReadonlyArray<readonly [claim: string, body: object, code: string | null, param: string | null]> = [
    ["no input", {}, "missing_required_parameter", "input"],
    ["an input of another type", { input: 4 }, "invalid_type", "input"],
    [
      "fewer than 16 output tokens",
      { input: "Hi", max_output_tokens: 15 },
      "integer_below_min_value",
      "max_output_tokens"
    ],
    [
      "more output tokens than the model has",
      { input: "Hi", max_output_tokens: 16_385 },
      "invalid_value",
      "max_output_tokens"
    ],
    [
      "a response before it that is not there",
      { input: "Hi", previous_response_id: "resp_0" },
      "previous_response_not_found",
      "previous_response_id"
    ],
    ["background without being stored", { input: "Hi", background: true, store: false }, null, "background"],
    ["an effort where the model does not think", { input: "Hi", reasoning: { effort: "low" } }, null, null],
    ["a prompt over the context window", { input: "x".repeat(4 * 128_000) }, "context_length_exceeded", "input"],
    ["a model of another kind", { model: "embedding", input: "Hi" }, "OperationNotSupported", null]
  ]
  it.effect.each(refusals.map((row) => ({ claim: row[0], row })))(
    "is refused for $claim",
    ({ row: [, body, code, param] }) =>
      Effect.gen(function* () {
        const reply = yield* over(create({ model: "standard", ...body }))

        assert.strictEqual(reply.status, 400)
        const error = errorOf(reply)
        assert.deepStrictEqual([error.code, error.param ?? null], [code, param])
      }).pipe(Effect.provide(resource))
  )

  it.effect("that is not streamed is throttled by a real 429", () =>
    Effect.gen(function* () {
      const first = yield* Effect.fork(create({ model: "ptu", input: "x".repeat(4000), max_output_tokens: 100 }))
      yield* TestClock.adjust("0 millis")
      const throttled = yield* create({ model: "ptu", input: "Hi" })

      assert.strictEqual(throttled.status, 429)
      // 1001 + 4 x 100 poured.
      assert.strictEqual(throttled.headers["retry-after-ms"], "402")
      yield* Fiber.interrupt(first)
    }).pipe(Effect.provide(resource))
  )
})

describe("a stored response", () => {
  it.effect("can be got, listed, gone on from and deleted, on the resource that made it alone", () =>
    Effect.gen(function* () {
      const first = read(yield* over(create({ model: "ptu", input: "How high is the weir?" })))
      const elsewhere = { baseUrl: "https://other.openai.azure.com" }

      const got = yield* get(first.id)
      assert.deepStrictEqual(read(got), first)
      assert.strictEqual(got.headers["x-ms-deployment-name"], "ptu")
      const missing = yield* get(first.id, elsewhere)
      assert.deepStrictEqual(
        [missing.status, errorOf(missing).message],
        [404, `Response with id '${first.id}' not found.`]
      )

      const items = yield* get(`${first.id}/input_items`)
      assert.match(
        JSON.stringify(items.body),
        /^\{"object":"list","data":\[\{"id":"msg_\w{48}","type":"message","role":"user"/
      )

      const next = read(
        yield* over(create({ model: "standard", input: "And how wide?", previous_response_id: first.id }))
      )
      assert.strictEqual(next.previous_response_id, first.id)
      // All that was said before goes before.
      assert.strictEqual(next.usage?.input_tokens, (first.usage?.total_tokens ?? 0) + 4)

      const deleted = yield* send(`/openai/v1/responses/${first.id}`, undefined, { method: "DELETE" })
      assert.deepStrictEqual(deleted.body, { id: first.id, object: "response", deleted: true })
      assert.strictEqual((yield* get(first.id)).status, 404)
      const { requests } = yield* Emulator.Emulator
      assert.deepStrictEqual(
        (yield* requests).map(({ deployment, host, method }) => [method, host.split(".")[0], deployment]),
        [
          ["POST", "contoso", "ptu"],
          ["GET", "contoso", "ptu"],
          ["GET", "other", undefined],
          ["GET", "contoso", "ptu"],
          ["POST", "contoso", "standard"],
          ["DELETE", "contoso", "ptu"],
          ["GET", "contoso", undefined]
        ]
      )
    }).pipe(Effect.provide(resource))
  )

  it.effect("is not kept when the request says so", () =>
    Effect.gen(function* () {
      const response = read(yield* over(create({ model: "standard", input: "Hi", store: false })))

      assert.isFalse(response.store)
      assert.strictEqual((yield* get(response.id)).status, 404)
    }).pipe(Effect.provide(resource))
  )

  it.effect("cannot be cancelled unless it runs in the background", () =>
    Effect.gen(function* () {
      const response = read(yield* over(create({ model: "standard", input: "Hi" })))
      const reply = yield* send(`/openai/v1/responses/${response.id}/cancel`, undefined)

      assert.deepStrictEqual([reply.status, errorOf(reply).message], [400, "Cannot cancel a synchronous response."])
    }).pipe(Effect.provide(resource))
  )
})

describe("a response in the background", () => {
  it.effect("is queued, made and complete in its time, and charged for when it is", () =>
    Effect.gen(function* () {
      const queued = read(
        yield* create({ model: "ptu", input: "x".repeat(3996), background: true, max_output_tokens: 100 })
      )
      assert.deepStrictEqual([queued.status, queued.output, queued.usage], ["queued", [], null])
      const seen: Array<unknown> = []
      for (const millis of [0, 99, 1, 399, 1]) {
        yield* TestClock.adjust(millis)
        seen.push([read(yield* get(queued.id)).status, yield* utilization])
      }

      assert.deepStrictEqual(seen, [
        ["queued", 1.4],
        ["queued", 1.301],
        ["in_progress", 1.3],
        ["in_progress", 0.901],
        // 1000 + 4 x 10 used, and 500 drained.
        ["completed", 0.54]
      ])
      assert.strictEqual(read(yield* get(queued.id)).usage?.output_tokens, 10)
    }).pipe(Effect.provide(resource))
  )

  it.effect("can be cancelled, and is charged for what was made by then", () =>
    Effect.gen(function* () {
      const queued = read(
        yield* create({ model: "ptu", input: "x".repeat(3996), background: true, max_output_tokens: 100 })
      )
      yield* TestClock.adjust("230 millis")
      const cancelled = read(yield* send(`/openai/v1/responses/${queued.id}/cancel`, undefined))
      yield* TestClock.adjust("0 millis")

      assert.strictEqual(cancelled.status, "cancelled")
      assert.strictEqual(yield* utilization, (1000 + 4 * 3 - 230) / 1000)
      yield* TestClock.adjust("1 minutes")
      assert.strictEqual(read(yield* get(queued.id)).status, "cancelled")
      assert.strictEqual(read(yield* send(`/openai/v1/responses/${queued.id}/cancel`, undefined)).status, "cancelled")
    }).pipe(Effect.provide(resource))
  )
})

describe("scripted responses", () => {
  it.effect("answer, are kept, and what is asked of them can be scripted, too", () =>
    Effect.gen(function* () {
      const response = read(yield* create({ model: "d", input: "Hi" }))
      assert.strictEqual(response.output[0]?.content?.[0]?.text, "hello")
      const replies = yield* Effect.all([get(response.id), get(response.id), get(response.id)])

      assert.deepStrictEqual(
        replies.map(({ status }) => status),
        [503, 200, 418]
      )
    }).pipe(
      Effect.provide(
        Emulator.layerClient.pipe(
          Layer.provideMerge(
            Emulator.layerScripted(
              Script.make(
                { d: [Script.answer({ text: "hello" })] },
                { retrievals: [Script.reply(ErrorReply.noHealthyUpstream), Script.answer()] }
              )
            )
          )
        )
      )
    )
  )

  it.effect("are got from what was stored where no script says otherwise", () =>
    Effect.gen(function* () {
      const response = read(yield* create({ model: "d", input: "Hi", previous_response_id: "resp_of_another_script" }))

      assert.deepStrictEqual(read(yield* get(response.id)), response)
      assert.strictEqual((yield* get("resp_0")).status, 404)
    }).pipe(Effect.provide(scripted({ d: [Script.answer({ text: "hello" })] })))
  )
})
