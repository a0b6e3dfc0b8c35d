import { assert, describe, it } from "@effect/vitest"
import { Emulator } from "@spillway/emulator"
import { Effect, Fiber, Schema, TestClock } from "effect"
import { dated, inProcess, prompt, type Received, v1 } from "./support/calls.js"

const Answer = Schema.Struct({
  id: Schema.String,
  object: Schema.Literal("chat.completion"),
  created: Schema.Int,
  model: Schema.String,
  choices: Schema.Array(
    Schema.Struct({
      index: Schema.Int,
      finish_reason: Schema.String,
      message: Schema.Struct({ role: Schema.Literal("assistant"), content: Schema.String, refusal: Schema.Null })
    })
  ),
  usage: Schema.Struct({ prompt_tokens: Schema.Int, completion_tokens: Schema.Int, total_tokens: Schema.Int })
})

const read = (reply: Received) => Schema.decodeUnknown(Answer)(reply.body)

/** An answer, and when it came. */
const ask = (call: ReturnType<typeof dated>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(call)
    yield* TestClock.adjust("1 minutes")
    return yield* Fiber.join(fiber)
  })

const question = { messages: [{ role: "user", content: "How high is the weir?" }] }

describe("a chat answer", () => {
  it.effect("has the shape, the usage and the headers of Azure's", () =>
    Effect.gen(function* () {
      const reply = yield* ask(dated("gpt-4o", question))
      const answer = yield* read(reply)

      assert.strictEqual(reply.status, 200)
      assert.strictEqual(answer.model, "gpt-4o")
      assert.strictEqual(answer.choices.length, 1)
      assert.strictEqual(answer.choices[0]?.finish_reason, "stop")
      // 21 characters: 5 + 1.
      assert.strictEqual(answer.usage.prompt_tokens, 6)
      assert.strictEqual(answer.usage.completion_tokens, answer.choices[0]?.message.content.split(" ").length)
      assert.strictEqual(answer.usage.total_tokens, 6 + answer.usage.completion_tokens)
      assert.isTrue(answer.usage.completion_tokens >= 16 && answer.usage.completion_tokens <= 80)
      const { headers } = reply
      const guid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/
      assert.match(headers["apim-request-id"] ?? "", guid)
      assert.match(headers["x-request-id"] ?? "", guid)
      assert.strictEqual(headers["content-type"], "application/json")
      assert.strictEqual(headers["x-ms-region"], "East US")
      assert.strictEqual(headers["x-ms-deployment-name"], "gpt-4o")
      assert.strictEqual(headers["x-ms-rai-invoked"], "true")
      assert.strictEqual(headers["x-ms-client-request-id"], "Not-Set")
      assert.strictEqual(headers["x-content-type-options"], "nosniff")
      assert.match(headers["strict-transport-security"] ?? "", /^max-age=31536000/)
    }).pipe(Effect.provide(inProcess()))
  )

  it.effect("is the same for the same messages, whatever the URL's style and the deployment's kind", () =>
    Effect.gen(function* () {
      const replies = yield* Effect.all(
        [dated("gpt-4o-ptu", question), v1("gpt-4o", question), dated("gpt-4o", { ...question, temperature: 1 })].map(
          ask
        )
      )
      const other = yield* Effect.flatMap(
        ask(dated("gpt-4o", { messages: [{ role: "user", content: "How wide is the weir?" }] })),
        read
      )

      const answers = yield* Effect.all(replies.map(read))
      assert.strictEqual(new Set(answers.map((answer) => answer.choices[0]?.message.content)).size, 1)
      assert.strictEqual(new Set(answers.map((answer) => answer.usage.total_tokens)).size, 1)
      assert.strictEqual(new Set(answers.map((answer) => answer.id)).size, 3)
      assert.notStrictEqual(other.choices[0]?.message.content, answers[0]?.choices[0]?.message.content)
    }).pipe(Effect.provide(inProcess()))
  )

  it.effect("is cut by max_tokens and max_completion_tokens, to the beginning of the same text", () =>
    Effect.gen(function* () {
      const whole = yield* Effect.flatMap(ask(dated("gpt-4o", question)), read)

      for (const limit of [
        { max_tokens: 3 },
        { max_completion_tokens: 3 },
        { max_tokens: 9, max_completion_tokens: 3 }
      ]) {
        const cut = yield* Effect.flatMap(ask(dated("gpt-4o", { ...question, ...limit })), read)
        assert.strictEqual(cut.choices[0]?.finish_reason, "length")
        assert.strictEqual(cut.usage.completion_tokens, 3)
        assert.strictEqual(
          cut.choices[0]?.message.content,
          whole.choices[0]?.message.content.split(" ").slice(0, 3).join(" ")
        )
      }
    }).pipe(Effect.provide(inProcess()))
  )

  it.effect("comes as often as n asks, each its own", () =>
    Effect.gen(function* () {
      const answer = yield* Effect.flatMap(ask(dated("gpt-4o", { ...question, n: 3 })), read)

      assert.deepStrictEqual(
        answer.choices.map((choice) => choice.index),
        [0, 1, 2]
      )
      assert.strictEqual(new Set(answer.choices.map((choice) => choice.message.content)).size, 3)
      assert.strictEqual(
        answer.usage.completion_tokens,
        answer.choices.reduce((total, choice) => total + choice.message.content.split(" ").length, 0)
      )
    }).pipe(Effect.provide(inProcess()))
  )

  it.effect("counts the text of content parts, and nothing of a message without content", () =>
    Effect.gen(function* () {
      const answer = yield* Effect.flatMap(
        ask(
          dated("gpt-4o", {
            messages: [
              { role: "user", content: [{ type: "text", text: "12345678" }, { type: "refusal" }] },
              { role: "assistant", content: null },
              { role: "assistant" }
            ]
          })
        ),
        read
      )

      assert.strictEqual(answer.usage.prompt_tokens, 3 + 1 + 1)
    }).pipe(Effect.provide(inProcess()))
  )

  it.effect("takes the time to the first token and then a token's time for each", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(dated("slow", { ...prompt(1), max_tokens: 20 }))
      yield* TestClock.adjust("1299 millis")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
    }).pipe(
      Effect.provide(
        inProcess({
          deployments: [
            {
              name: "slow",
              kind: "standard",
              model: "gpt-4o",
              latency: { firstTokenMs: 300, tokensPerSecond: 20 },
              answerTokens: { min: 30, max: 30 }
            }
          ]
        })
      )
    )
  )

  it.effect("varies within its jitter, the same way for the same seed", () =>
    Effect.gen(function* () {
      const times = (seed: string) =>
        Effect.gen(function* () {
          const emulator = yield* Emulator.Emulator
          const fiber = yield* Effect.fork(
            Effect.all(
              Array.from({ length: 20 }, () => dated("d", prompt(1))),
              { concurrency: "unbounded" }
            )
          )
          yield* TestClock.adjust("2 seconds")
          yield* Fiber.join(fiber)
          return (yield* emulator.requests).map((request) => (request.endedAt ?? 0) - request.at)
        }).pipe(
          Effect.provide(
            inProcess({
              seed,
              deployments: [
                {
                  name: "d",
                  kind: "standard",
                  model: "gpt-4o",
                  latency: { firstTokenMs: 500, tokensPerSecond: 20, jitter: 0.2 },
                  answerTokens: { min: 10, max: 10 }
                }
              ]
            })
          )
        )

      const first = yield* times("a")
      assert.deepStrictEqual(yield* times("a"), first)
      assert.notDeepEqual(yield* times("b"), first)
      assert.isTrue(first.every((ms) => ms >= 800 && ms <= 1200))
      assert.isTrue(new Set(first).size > 10)
    })
  )

  it.effect("answers the caller's own request id, and lets the configured region show", () =>
    Effect.gen(function* () {
      const reply = yield* ask(dated("d", question, { headers: { "api-key": "k", "x-ms-client-request-id": "mine" } }))

      assert.strictEqual(reply.headers["x-ms-client-request-id"], "mine")
      assert.strictEqual(reply.headers["x-ms-region"], "Sweden Central")
    }).pipe(
      Effect.provide(
        inProcess({ region: "Sweden Central", deployments: [{ name: "d", kind: "standard", model: "gpt-4o" }] })
      )
    )
  )
})

const refusals: ReadonlyArray<
  readonly [claim: string, deployment: string, body: object, code: string | null, param: string | null, message: RegExp]
> = [
  ["no messages", "gpt-4o", {}, "missing_required_parameter", "messages", /^Missing required parameter: 'messages'\.$/],
  [
    "messages that are no list",
    "gpt-4o",
    { messages: "hi" },
    "invalid_type",
    "messages",
    /^Invalid type for 'messages'/
  ],
  ["an empty list", "gpt-4o", { messages: [] }, "empty_array", "messages", /minimum length 1/],
  [
    "a message without a role",
    "gpt-4o",
    { messages: [{ content: "hi" }] },
    "missing_required_parameter",
    "messages[0].role",
    /'messages\[0\]\.role'/
  ],
  [
    "a max_tokens that is no number",
    "gpt-4o",
    { ...prompt(1), max_tokens: "9" },
    "invalid_type",
    "max_tokens",
    /^Invalid type/
  ],
  [
    "more max_tokens than the model has",
    "gpt-4o",
    { ...prompt(1), max_tokens: 16_385 },
    "invalid_value",
    "max_tokens",
    /^max_tokens is too large: 16385\. This model supports at most 16384 completion tokens/
  ],
  ["max_tokens below 1", "gpt-4o", { ...prompt(1), max_tokens: 0 }, "invalid_value", "max_tokens", /at least 1/],
  ["n of 0", "gpt-4o", { ...prompt(1), n: 0 }, "invalid_value", "n", /from 1 to 128/],
  ["n of 129", "gpt-4o", { ...prompt(1), n: 129 }, "invalid_value", "n", /from 1 to 128/],
  [
    "a prompt over the context window",
    "gpt-4o",
    prompt(128_001),
    "context_length_exceeded",
    "messages",
    /^This model's maximum context length is 128000 tokens\. However, your messages resulted in 128001 tokens\./
  ],
  [
    "max_tokens for a reasoning model",
    "o3",
    { ...prompt(1), max_tokens: 10 },
    "unsupported_parameter",
    "max_tokens",
    /Use 'max_completion_tokens' instead/
  ],
  [
    "options of a stream without a stream",
    "gpt-4o",
    { ...prompt(1), stream_options: { include_usage: true } },
    null,
    "stream_options",
    /only allowed when 'stream' is enabled/
  ]
]

describe("a chat request is refused with 400 for", () => {
  const resource = inProcess({
    deployments: [
      { name: "gpt-4o", kind: "standard", model: "gpt-4o" },
      { name: "o3", kind: "standard", model: "o3" },
      { name: "embedding", kind: "standard", model: "text-embedding-3-small" }
    ]
  })

  it.effect.each(refusals.map((row) => ({ claim: row[0], row })))(
    "$claim",
    ({ row: [, deployment, body, code, param, message] }) =>
      Effect.gen(function* () {
        const reply = yield* dated(deployment, body)

        assert.strictEqual(reply.status, 400)
        const { error } = yield* Schema.decodeUnknown(
          Schema.Struct({
            error: Schema.Struct({
              code: Schema.NullOr(Schema.String),
              param: Schema.NullOr(Schema.String),
              type: Schema.Literal("invalid_request_error"),
              message: Schema.String
            })
          })
        )(reply.body)
        assert.strictEqual(error.code, code)
        assert.strictEqual(error.param, param)
        assert.match(error.message, message)
      }).pipe(Effect.provide(resource))
  )

  it.effect("a model of another kind", () =>
    Effect.gen(function* () {
      const reply = yield* v1("embedding", prompt(1))

      assert.strictEqual(reply.status, 400)
      assert.deepStrictEqual(reply.body, {
        error: {
          code: "OperationNotSupported",
          message:
            "The chatCompletion operation does not work with the specified model, text-embedding-3-small. Please choose different model and try again. You can learn more about which models can be used with each operation here: https://go.microsoft.com/fwlink/?linkid=2197993."
        }
      })
    }).pipe(Effect.provide(resource))
  )
})
