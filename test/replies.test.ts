import { assert, describe, it } from "@effect/vitest"
import { Fallback, RetryAfter } from "@spillway/core"
import type { CallError } from "@spillway/azure-openai"
import { AzureOpenAI, Deployment } from "@spillway/azure-openai"
import { ErrorReply, Script } from "@spillway/emulator"
import { Effect, Either, Layer, Option, Random, Redacted, Schedule } from "effect"
import { at, hello, inProcess, inVirtualTime, sent } from "./support/scenario.js"

/** A row of the table: a reply, what it is, and whether this deployment is asked again, or the next one. */
interface Row {
  readonly reply: string
  readonly step: Script.Step
  readonly tag: CallError.CallError["_tag"]
  readonly again: boolean
  readonly next: boolean
  readonly model?: string
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  Script.reply({ status, body, headers })

const rows: ReadonlyArray<Row> = [
  {
    reply: "429 with a hint",
    step: Script.throttled({ retryAfterMs: 100 }),
    tag: "RateLimited",
    again: true,
    next: true
  },
  { reply: "429 without a hint", step: Script.throttled(), tag: "RateLimited", again: true, next: true },
  {
    reply: "429 of a full region",
    step: Script.error(ErrorReply.noCapacity()),
    tag: "RateLimited",
    again: true,
    next: true
  },
  {
    reply: "429 with x-should-retry: false",
    step: json(429, {}, { "retry-after-ms": "10", "x-should-retry": "false" }),
    tag: "RateLimited",
    again: false,
    next: true
  },
  { reply: "408", step: Script.error(ErrorReply.timeout), tag: "Unavailable", again: true, next: true },
  { reply: "409", step: json(409, {}), tag: "Unavailable", again: true, next: true },
  { reply: "500", step: Script.error(ErrorReply.internalServerError), tag: "Unavailable", again: true, next: true },
  { reply: "502 in HTML", step: json(502, "<html>"), tag: "Unavailable", again: true, next: true },
  {
    reply: "503 as text",
    step: Script.error(ErrorReply.noHealthyUpstream),
    tag: "Unavailable",
    again: true,
    next: true
  },
  { reply: "504", step: json(504, ""), tag: "Unavailable", again: true, next: true },
  { reply: "599", step: json(599, ""), tag: "Unavailable", again: true, next: true },
  {
    reply: "503 with x-should-retry: false",
    step: json(503, {}, { "x-should-retry": "false" }),
    tag: "Unavailable",
    again: false,
    next: true
  },
  { reply: "a dropped connection", step: Script.refuse(), tag: "Unavailable", again: true, next: true },
  { reply: "silence past the timeout", step: Script.silent, tag: "Unavailable", again: true, next: true },
  {
    reply: "400 for a prompt too long for provisioned gpt-4.1",
    step: Script.error(ErrorReply.contextLengthExceeded(128_000, 200_000)),
    tag: "PromptTooLong",
    again: false,
    next: true,
    model: "gpt-4.1-mini"
  },
  {
    reply: "400 for a prompt too long for the model",
    step: Script.error(ErrorReply.contextLengthExceeded(128_000, 200_000)),
    tag: "BadRequest",
    again: false,
    next: false
  },
  { reply: "200 that is HTML", step: json(200, "<html>"), tag: "Unavailable", again: false, next: true },
  {
    reply: "200 that was cut off",
    step: json(200, '{"id":"x","choices":['),
    tag: "Unavailable",
    again: false,
    next: true
  },
  { reply: "200 with an empty body", step: json(200, ""), tag: "Unavailable", again: false, next: true },
  { reply: "204", step: json(204, ""), tag: "Unavailable", again: false, next: true },
  {
    reply: "200 of another shape",
    step: json(200, { id: "x", choices: "none" }),
    tag: "Malformed",
    again: false,
    next: false
  },
  { reply: "200 that is null", step: json(200, "null"), tag: "Malformed", again: false, next: false },
  {
    reply: "400 of the content filter",
    step: Script.error(ErrorReply.contentFiltered),
    tag: "ContentFiltered",
    again: false,
    next: false
  },
  {
    reply: "400 of the content filter, in its other spelling",
    step: json(400, {
      error: {
        code: "content_filter",
        inner_error: {
          code: "ResponsibleAIPolicyViolation",
          content_filter_results: { violence: { filtered: true }, hate: { filtered: false } }
        }
      }
    }),
    tag: "ContentFiltered",
    again: false,
    next: false
  },
  { reply: "401 for a key", step: Script.error(ErrorReply.invalidKey), tag: "Unauthorized", again: false, next: false },
  {
    reply: "401 in its flat form",
    step: Script.error(ErrorReply.invalidToken),
    tag: "Unauthorized",
    again: false,
    next: false
  },
  { reply: "403", step: json(403, "<html>"), tag: "Unauthorized", again: false, next: false },
  {
    reply: "404 for a deployment",
    step: Script.error(ErrorReply.deploymentNotFound),
    tag: "NotFound",
    again: false,
    next: false
  },
  {
    reply: "404 for a route",
    step: Script.error(ErrorReply.resourceNotFound),
    tag: "NotFound",
    again: false,
    next: false
  },
  {
    reply: "400 for a parameter",
    step: Script.reply({ status: 400, body: { error: { code: "invalid_value", param: "messages" } } }),
    tag: "BadRequest",
    again: false,
    next: false
  },
  { reply: "400 that is not JSON", step: json(400, "nope"), tag: "BadRequest", again: false, next: false },
  { reply: "413", step: json(413, {}), tag: "BadRequest", again: false, next: false },
  { reply: "422", step: json(422, {}), tag: "BadRequest", again: false, next: false },
  { reply: "302", step: json(302, "", { location: "https://elsewhere" }), tag: "BadRequest", again: false, next: false }
]

const ptu = (row: Row) =>
  Deployment.provisioned(at("ptu", { timeout: "1 second", ...(row.model === undefined ? {} : { model: row.model }) }))
const std = Deployment.standard(at("std"))

describe("what each reply means", () => {
  it.effect.each([...rows])("$reply: $tag, again: $again, next: $next", (row) =>
    Effect.gen(function* () {
      // One retry of whatever may be retried, then the next deployment.
      const chat = Layer.orDie(ptu(row).pipe(Deployment.retry(Schedule.recurs(1)), Deployment.orElse(std)))
      const reply = yield* inVirtualTime(Effect.either(AzureOpenAI.chat(hello)).pipe(Effect.provide(chat)))
      const requests = yield* sent

      assert.deepStrictEqual(
        requests.map(([deployment]) => deployment),
        ["ptu", ...(row.again ? ["ptu"] : []), ...(row.next ? ["std"] : [])]
      )
      if (row.next) {
        const answer = Either.getOrThrow(reply)
        assert.strictEqual(answer.served.outcome, "fallback")
        assert.deepStrictEqual(
          answer.served.attempts.map((attempt) => attempt.outcome),
          [row.tag, ...(row.again ? [row.tag] : []), "answered"]
        )
      } else {
        const error = Either.getOrThrow(Either.flip(reply))
        assert.strictEqual(error._tag, row.tag)
        assert.strictEqual(error.deployment, "ptu")
        assert.strictEqual(error.attempts.length, 1)
      }
    }).pipe(
      Effect.provide(inProcess(Script.make({ ptu: [Script.forever(row.step)], std: [Script.answer({ text: "hi" })] })))
    )
  )
})

describe("hints that are none", () => {
  const none = [undefined, "0", "-1", "-250", "NaN", "", "soon", "1e3", "Infinity", "0x10"]

  it.effect.each(none.map((hint) => ({ hint })))("retry-after-ms: $hint waits a guess of at least 50 ms", ({ hint }) =>
    Effect.gen(function* () {
      const chat = Layer.orDie(Deployment.provisioned(at("ptu")).pipe(Deployment.retry(RetryAfter.within("4 seconds"))))
      yield* inVirtualTime(AzureOpenAI.chat(hello).pipe(Effect.provide(chat), Effect.withRandom(Random.make("seed"))))
      const [first, second, third] = yield* sent

      assert.strictEqual(first?.[1], 0)
      assert.isAtLeast(second?.[1] ?? 0, 50)
      assert.isAtMost(second?.[1] ?? 0, 75)
      const growth = (third?.[1] ?? 0) - (second?.[1] ?? 0)
      assert.isAtLeast(growth, 100)
      assert.isAtMost(growth, 150)
    }).pipe(
      Effect.provide(
        inProcess(
          Script.make({
            ptu: [
              json(429, {}, hint === undefined ? {} : { "retry-after-ms": hint }),
              json(429, {}, hint === undefined ? {} : { "retry-after-ms": hint }),
              Script.answer()
            ]
          })
        )
      )
    )
  )
})

describe("errors", () => {
  it.effect("when both fail, the last one surfaces and lists every attempt of the call", () =>
    Effect.gen(function* () {
      const chat = Layer.orDie(
        Deployment.provisioned(at("ptu")).pipe(
          Deployment.retry(RetryAfter.within("4 seconds")),
          Deployment.orElse(Deployment.standard(at("std")).pipe(Deployment.retry(RetryAfter.retries(1))))
        )
      )
      const error = yield* inVirtualTime(Effect.flip(AzureOpenAI.chat(hello).pipe(Effect.provide(chat))))

      assert.strictEqual(error._tag, "RateLimited")
      assert.strictEqual(error.deployment, "std")
      assert.strictEqual(error.status, 429)
      assert.strictEqual(error.code, "RateLimitReached")
      assert.match(error.requestId ?? "", /^[0-9a-f-]{36}$/)
      assert.deepStrictEqual(error._tag === "RateLimited" && Option.isSome(error.retryAfter), true)
      assert.deepStrictEqual(
        error.attempts.map(({ deployment, durationMs, kind, number, outcome, retryAfterMs, startedMs, status }) => [
          number,
          deployment,
          kind,
          outcome,
          status,
          retryAfterMs,
          startedMs,
          durationMs
        ]),
        [
          [1, "ptu", "provisioned", "RateLimited", 429, 1000, 0, 200],
          [2, "ptu", "provisioned", "RateLimited", 429, 9000, 1200, 0],
          [3, "std", "standard", "RateLimited", 429, 2000, 1200, 0],
          [4, "std", "standard", "RateLimited", 429, 3000, 3200, 0]
        ]
      )
    }).pipe(
      Effect.provide(
        inProcess(
          Script.make({
            ptu: [Script.throttled({ retryAfterMs: 1000, after: 200 }), Script.throttled({ retryAfterMs: 9000 })],
            std: [2000, 3000].map((retryAfterMs) =>
              Script.error(
                ErrorReply.rateLimitReached({
                  deployment: "std",
                  model: "gpt-4o",
                  region: "East US",
                  operation: "ChatCompletions_Create",
                  apiVersion: undefined,
                  limit: "token",
                  retryAfterMs
                })
              )
            )
          })
        )
      )
    )
  )

  it.effect("the service's own words are there, but are not printed", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        AzureOpenAI.chat(hello).pipe(Effect.provide(Layer.orDie(Deployment.provisioned(at("ptu")))))
      )

      assert.strictEqual(error.detail && Redacted.value(error.detail), "you said: my secret plan")
      for (const text of [String(error), error.message, JSON.stringify(error)]) assert.notInclude(text, "secret plan")
    }).pipe(
      Effect.provide(
        inProcess(Script.make({ ptu: [json(400, { error: { code: "bad", message: "you said: my secret plan" } })] }))
      )
    )
  )

  it.effect("a request that cannot be right is refused before anything is sent, and named", () =>
    Effect.gen(function* () {
      const refuse = (request: unknown) =>
        Effect.flip(AzureOpenAI.chat(request as Parameters<typeof AzureOpenAI.chat>[0])).pipe(
          Effect.provide(Layer.orDie(Deployment.provisioned(at("ptu"))))
        )
      const errors = [
        yield* refuse({ messages: [] }),
        yield* refuse({ ...hello, temperature: 9 }),
        yield* refuse({ ...hello, max_tokens: 0 }),
        yield* refuse({ ...hello, stream: true }),
        yield* refuse({ messages: [{ role: "wizard", content: "x" }] })
      ]

      assert.deepStrictEqual(
        errors.map((error) => [error._tag, error._tag === "BadRequest" && error.param, error.attempts.length]),
        [
          ["BadRequest", "messages", 0],
          ["BadRequest", "temperature", 0],
          ["BadRequest", "max_tokens", 0],
          ["BadRequest", "stream", 0],
          ["BadRequest", "messages.0.role", 0]
        ]
      )
      assert.deepStrictEqual(yield* sent, [])
    }).pipe(Effect.provide(inProcess(Script.make({ ptu: [] }))))
  )

  it.effect("Fallback.orElse takes over what is recoverable, and types the rest", () =>
    Effect.gen(function* () {
      const ask = AzureOpenAI.chat(hello).pipe(
        Effect.provide(Layer.orDie(Deployment.provisioned(at("ptu")))),
        Effect.map((answer) => answer.text)
      )
      const taken = yield* ask.pipe(Fallback.orElse((error) => Effect.succeed(error._tag)))
      const passed = yield* Effect.flip(ask.pipe(Fallback.orElse((error) => Effect.succeed(error._tag))))

      assert.strictEqual(taken, "RateLimited")
      assert.strictEqual(passed._tag, "Unauthorized")
    }).pipe(Effect.provide(inProcess(Script.make({ ptu: [Script.throttled(), Script.error(ErrorReply.invalidKey)] }))))
  )
})
