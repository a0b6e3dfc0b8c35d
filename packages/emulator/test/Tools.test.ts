import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, JSONSchema, Schema, TestClock } from "effect"
import { inProcess, prompt, type Received, send, v1 } from "./support/calls.js"
import { events, openChat, pieces } from "./support/streams.js"

const resource = inProcess({
  deployments: [
    { name: "d", kind: "standard", model: "gpt-4o" },
    { name: "o3", kind: "standard", model: "o3" }
  ]
})

const over = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust("1 minutes")
    return yield* Fiber.join(fiber)
  })

const Choice = Schema.Struct({
  finish_reason: Schema.String,
  message: Schema.Struct({
    content: Schema.NullOr(Schema.String),
    tool_calls: Schema.optional(
      Schema.Array(
        Schema.Struct({
          id: Schema.String,
          type: Schema.Literal("function"),
          function: Schema.Struct({ name: Schema.String, arguments: Schema.String })
        })
      )
    )
  }),
  logprobs: Schema.NullOr(
    Schema.Struct({
      content: Schema.Array(
        Schema.Struct({
          token: Schema.String,
          logprob: Schema.Number,
          bytes: Schema.Array(Schema.Int),
          top_logprobs: Schema.Array(Schema.Struct({ token: Schema.String, logprob: Schema.Number }))
        })
      )
    })
  )
})
const Answer = Schema.Struct({
  choices: Schema.NonEmptyArray(Choice),
  usage: Schema.Struct({
    prompt_tokens: Schema.Int,
    completion_tokens: Schema.Int,
    completion_tokens_details: Schema.Struct({ reasoning_tokens: Schema.Int })
  })
})

const read = ({ body, status }: Received) => {
  assert.strictEqual(status, 200, JSON.stringify(body))
  return Schema.decodeUnknownSync(Answer)(body)
}

const ask = (body: object, deployment = "d") => over(v1(deployment, { ...prompt(1), ...body }))
const answer = (body: object, deployment = "d") => Effect.map(ask(body, deployment), read)

const errorOf = ({ body, status }: Received) => {
  const { error } = body as { error: { code: unknown; param: unknown; message: string } }
  return [status, error.code, error.param]
}

const tools = [
  {
    type: "function",
    function: { name: "open_gate", parameters: JSONSchema.make(Schema.Struct({ gate: Schema.Int })) }
  },
  { type: "function", function: { name: "list_gates" } }
]

describe("tools", () => {
  it.effect("are called when a call is forced, with arguments that fit the schema, and else not", () =>
    Effect.gen(function* () {
      const required = (yield* answer({ tools, tool_choice: "required" })).choices[0]
      const named = (yield* answer({ tools, tool_choice: { type: "function", function: { name: "list_gates" } } }))
        .choices[0]

      const call = required.message.tool_calls?.[0]
      assert.strictEqual(required.message.content, null)
      assert.strictEqual(required.finish_reason, "tool_calls")
      assert.match(call?.id ?? "", /^call_\w{24}$/)
      assert.deepStrictEqual(call?.function, { name: "open_gate", arguments: '{"gate":0}' })
      // A call by name ends as a text does.
      assert.strictEqual(named.finish_reason, "stop")
      assert.deepStrictEqual(named.message.tool_calls?.[0]?.function, { name: "list_gates", arguments: "{}" })
      for (const tool_choice of ["auto", "none", undefined]) {
        const free = (yield* answer({ tools, tool_choice })).choices[0]
        assert.isString(free.message.content)
        assert.isUndefined(free.message.tool_calls)
      }
    }).pipe(Effect.provide(resource))
  )

  it.effect("are called piece by piece in a stream", () =>
    Effect.gen(function* () {
      const whole = (yield* answer({ tools, tool_choice: "required" })).choices[0]
      const received = yield* over(pieces(openChat("d", { ...prompt(1), tools, tool_choice: "required" })))
      const deltas = events(received.map(([, text]) => text).join(""))
        .filter((event) => event !== "[DONE]")
        .flatMap(
          (event) =>
            (
              event as {
                choices: ReadonlyArray<{
                  delta: {
                    tool_calls?: ReadonlyArray<{
                      id?: string
                      index: number
                      function: { name?: string; arguments: string }
                    }>
                  }
                }>
              }
            ).choices
        )
        .flatMap(({ delta }) => delta.tool_calls ?? [])

      assert.deepStrictEqual(
        deltas.map(({ function: { name }, id, index }) => [index, name, id === undefined]),
        [[0, "open_gate", false], ...deltas.slice(1).map(() => [0, undefined, true])]
      )
      assert.strictEqual(
        deltas.map((delta) => delta.function.arguments).join(""),
        whole.message.tool_calls?.[0]?.function.arguments
      )
    }).pipe(Effect.provide(resource))
  )

  it.effect("are called by a response, too, whole and streamed", () =>
    Effect.gen(function* () {
      const body = {
        model: "d",
        input: "Hi",
        tools: [{ type: "function", ...tools[0]?.function }],
        tool_choice: { type: "function", name: "open_gate" }
      }
      const whole = yield* over(send("/openai/v1/responses", JSON.stringify(body)))
      const streamed = yield* over(send("/openai/v1/responses", JSON.stringify({ ...body, stream: true })))

      const call =
        /"type":"function_call","status":"completed","arguments":"(.*?)","call_id":"call_\w{24}","name":"open_gate"/
      assert.strictEqual(call.exec(JSON.stringify(whole.body))?.[1], '{\\"gate\\":0}')
      const text = String(streamed.body)
      assert.deepStrictEqual(Array.from(new Set(text.match(/(?<=^event: response\.).*$/gm))), [
        "created",
        "in_progress",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed"
      ])
      assert.match(text, call)
    }).pipe(Effect.provide(resource))
  )

  it.effect("are refused when one is to be called that is not there", () =>
    Effect.gen(function* () {
      const named = { type: "function", function: { name: "close_gate" } }
      assert.deepStrictEqual(errorOf(yield* ask({ tool_choice: "auto" })), [400, null, "tool_choice"])
      assert.deepStrictEqual(errorOf(yield* ask({ tools, tool_choice: named })), [400, null, "tool_choice"])
    }).pipe(Effect.provide(resource))
  )
})

interface Tree {
  readonly name: string
  readonly parent: Tree | null
  readonly children: ReadonlyArray<Tree>
}
const Tree: Schema.Schema<Tree> = Schema.Struct({
  name: Schema.String,
  parent: Schema.NullOr(Schema.suspend((): Schema.Schema<Tree> => Tree)),
  children: Schema.Array(Schema.suspend((): Schema.Schema<Tree> => Tree))
}).annotations({ identifier: "Tree" })

// The schema that reads an answer is another than the one that made it.
const schemas: ReadonlyArray<readonly [name: string, schema: Schema.Schema<unknown>]> = [
  ["a struct", Schema.Struct({ level: Schema.Number, open: Schema.Boolean, note: Schema.optional(Schema.String) })],
  ["literals", Schema.Struct({ state: Schema.Literal("open", "closed"), kind: Schema.Literal("gate") })],
  [
    "numbers within bounds",
    Schema.Struct({
      a: Schema.Int.pipe(Schema.between(3, 9)),
      b: Schema.Number.pipe(Schema.greaterThan(2)),
      c: Schema.Int.pipe(Schema.lessThan(-4)),
      d: Schema.Int.pipe(Schema.multipleOf(7), Schema.greaterThanOrEqualTo(1))
    })
  ],
  [
    "lists and texts of a least length",
    Schema.Struct({
      list: Schema.Array(Schema.String.pipe(Schema.minLength(30))).pipe(Schema.minItems(2)),
      short: Schema.String.pipe(Schema.maxLength(1))
    })
  ],
  [
    "unions and null",
    Schema.Struct({ a: Schema.Union(Schema.Struct({ x: Schema.Int }), Schema.String), b: Schema.Null })
  ],
  ["a schema of itself", Tree],
  ["a list at the top", Schema.Array(Schema.Boolean)]
] as ReadonlyArray<readonly [string, Schema.Schema<unknown>]>

describe("structured output", () => {
  it.effect.each(schemas.map(([name, schema]) => ({ name, schema })))("fits $name", ({ schema }) =>
    Effect.gen(function* () {
      const { choices } = yield* answer({
        response_format: {
          type: "json_schema",
          json_schema: { name: "answer", strict: true, schema: JSONSchema.make(schema) }
        }
      })

      const decoded = yield* Schema.decodeUnknown(Schema.parseJson(schema))(choices[0].message.content)
      assert.isDefined(decoded)
      assert.strictEqual(choices[0].finish_reason, "stop")
    }).pipe(Effect.provide(resource))
  )

  it.effect("is there for responses, and is cut as any answer is", () =>
    Effect.gen(function* () {
      const schema = JSONSchema.make(Schema.Struct({ text: Schema.String.pipe(Schema.minLength(200)) }))
      const body = { model: "d", input: "Hi", text: { format: { type: "json_schema", name: "answer", schema } } }
      const whole = yield* over(send("/openai/v1/responses", JSON.stringify(body)))
      const cut = yield* over(send("/openai/v1/responses", JSON.stringify({ ...body, max_output_tokens: 16 })))
      const textOf = ({ body }: Received) =>
        (body as { output: [{ content: [{ text: string }] }] }).output[0].content[0].text

      assert.strictEqual((JSON.parse(textOf(whole)) as { text: string }).text.length, 200)
      assert.isTrue(textOf(whole).startsWith(textOf(cut)))
      assert.throws(() => JSON.parse(textOf(cut)) as unknown, SyntaxError)
    }).pipe(Effect.provide(resource))
  )

  it.effect("of any kind is an object, if a message says JSON", () =>
    Effect.gen(function* () {
      const response_format = { type: "json_object" }
      const { choices } = yield* answer({ response_format, messages: [{ role: "user", content: "Answer in JSON." }] })

      assert.isObject(JSON.parse(choices[0].message.content ?? ""))
      assert.deepStrictEqual(errorOf(yield* ask({ response_format })), [400, null, "messages"])
    }).pipe(Effect.provide(resource))
  )
})

describe("likelihoods", () => {
  it.effect("come with every token that asked for them, whole and streamed", () =>
    Effect.gen(function* () {
      const [choice] = (yield* answer({ logprobs: true, top_logprobs: 2, max_tokens: 5 })).choices
      const tokens = choice.logprobs?.content ?? []
      assert.strictEqual(tokens.map(({ token }) => token).join(""), choice.message.content)
      assert.isTrue(tokens.every(({ logprob }) => logprob <= 0 && logprob > -1))
      assert.isTrue(tokens.every(({ bytes, token }) => Buffer.from(bytes).toString() === token))
      assert.isTrue(
        tokens.every(
          ({ logprob, token, top_logprobs }) =>
            top_logprobs.length === 2 && top_logprobs[0]?.token === token && (top_logprobs[1]?.logprob ?? 0) < logprob
        )
      )

      const received = yield* over(pieces(openChat("d", { ...prompt(1), logprobs: true, max_tokens: 5 })))
      const streamed = received
        .map(([, text]) => text)
        .join("")
        .match(/"logprobs":\{"content":\[\{"token":"[^"]*"/g)
      assert.strictEqual(streamed?.length, 5)
      assert.strictEqual((yield* answer({})).choices[0].logprobs, null)
      assert.deepStrictEqual(errorOf(yield* ask({ top_logprobs: 2 })), [400, null, "top_logprobs"])
      assert.deepStrictEqual(errorOf(yield* ask({ logprobs: true, top_logprobs: 21 })), [
        400,
        "invalid_value",
        "top_logprobs"
      ])
    }).pipe(Effect.provide(resource))
  )
})

describe("images", () => {
  it.effect("count 85 tokens at low detail, and 765 otherwise", () =>
    Effect.gen(function* () {
      const tokens = (detail?: string) =>
        Effect.map(
          answer({
            messages: [
              {
                role: "user",
                content: [
                  { type: "text", text: "12345678" },
                  { type: "image_url", image_url: { url: "https://example.com/weir.png", detail } }
                ]
              }
            ]
          }),
          ({ usage }) => usage.prompt_tokens
        )

      assert.deepStrictEqual([yield* tokens("low"), yield* tokens("high"), yield* tokens()], [88, 768, 768])
    }).pipe(Effect.provide(resource))
  )
})

describe("a reasoning model", () => {
  it.effect("thinks first, as hard as it is told; its thought counts and takes time", () =>
    Effect.gen(function* () {
      const thought = (effort?: string) =>
        Effect.map(answer(effort === undefined ? {} : { reasoning_effort: effort }, "o3"), ({ usage }) => [
          usage.completion_tokens_details.reasoning_tokens,
          usage.completion_tokens > usage.completion_tokens_details.reasoning_tokens
        ])

      assert.deepStrictEqual(yield* thought("minimal"), [0, true])
      assert.deepStrictEqual(yield* thought("low"), [32, true])
      assert.deepStrictEqual(yield* thought(), [64, true])
      assert.deepStrictEqual(yield* thought("high"), [128, true])
      // 12.5 ms a token at o3's 80 a second: thought, then the words.
      const began = 4 * 60_000
      const received = yield* over(pieces(openChat("o3", { ...prompt(1), max_completion_tokens: 66 })))
      assert.deepStrictEqual(
        received.map(([at]) => at - began),
        [200, 200 + 64 * 12.5, 200 + 66 * 12.5]
      )
    }).pipe(Effect.provide(resource))
  )

  it.effect("has nothing to say when its thought uses the limit up", () =>
    Effect.gen(function* () {
      const { choices, usage } = yield* answer({ max_completion_tokens: 40 }, "o3")

      assert.deepStrictEqual([choices[0].message.content, choices[0].finish_reason], ["", "length"])
      assert.deepStrictEqual([usage.completion_tokens, usage.completion_tokens_details.reasoning_tokens], [40, 40])
    }).pipe(Effect.provide(resource))
  )

  it.effect("refuses what it does not have", () =>
    Effect.gen(function* () {
      const refused = (body: object, deployment = "o3") => Effect.map(ask(body, deployment), errorOf)

      assert.deepStrictEqual(yield* refused({ temperature: 0.2 }), [400, "unsupported_value", "temperature"])
      assert.deepStrictEqual(yield* refused({ top_p: 0.2 }), [400, "unsupported_value", "top_p"])
      assert.deepStrictEqual(yield* refused({ logprobs: true }), [400, "unsupported_parameter", "logprobs"])
      assert.deepStrictEqual(yield* refused({ max_tokens: 9 }), [400, "unsupported_parameter", "max_tokens"])
      assert.deepStrictEqual(yield* refused({ reasoning_effort: "huge" }), [400, "invalid_value", "reasoning_effort"])
      assert.deepStrictEqual(yield* refused({ reasoning_effort: "low" }, "d"), [400, null, null])
      assert.strictEqual((yield* ask({ temperature: 1, top_p: 1, reasoning_effort: "low" }, "o3")).status, 200)
    }).pipe(Effect.provide(resource))
  )
})
