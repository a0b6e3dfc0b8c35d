import { HttpClientError } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Emulator, ErrorReply, Script } from "@spillway/emulator"
import { Effect, Fiber, Option, TestClock } from "effect"
import { dated, log, prompt, scripted, v1 } from "./support/calls.js"

describe("Script", () => {
  it.effect("plays each deployment's replies in order, each after its time", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(
        Effect.all([dated("ptu", prompt(1)), v1("ptu", prompt(1)), dated("s", prompt(1))])
      )
      yield* TestClock.adjust("3199 millis")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("1 millis")

      const [throttled, answered, standard] = yield* Fiber.join(fiber)
      assert.strictEqual(throttled.status, 429)
      assert.strictEqual(throttled.headers["retry-after-ms"], "1000")
      assert.strictEqual(throttled.headers["retry-after"], "1")
      assert.strictEqual(throttled.headers["x-ms-deployment-name"], "ptu")
      assert.match(JSON.stringify(answered.body), /"content":"hi"/)
      assert.strictEqual(standard.status, 200)
      assert.deepStrictEqual(yield* log, [
        [0, "ptu", 429],
        [3000, "ptu", 200],
        [3200, "s", 200]
      ])
    }).pipe(
      Effect.provide(
        scripted({
          ptu: [
            Script.throttled({ retryAfterMs: 1000, after: "3 seconds" }),
            Script.answer({ text: "hi", after: "200 millis" })
          ],
          s: [Script.answer()]
        })
      )
    )
  )

  it.effect("answers 418 ScriptExhausted when it has no reply left, unless the last one is forever", () =>
    Effect.gen(function* () {
      const statuses = (deployment: string) =>
        Effect.map(Effect.all(Array.from({ length: 3 }, () => dated(deployment, prompt(1)))), (replies) =>
          replies.map((reply) => reply.status)
        )

      assert.deepStrictEqual(yield* statuses("once"), [200, 418, 418])
      assert.deepStrictEqual(yield* statuses("ever"), [200, 429, 429])
      assert.deepStrictEqual((yield* dated("once", prompt(1))).body, {
        error: {
          code: "ScriptExhausted",
          message: `The script of deployment "once" has 1 reply; this request is one more.`
        }
      })
      assert.match(JSON.stringify((yield* dated("absent", prompt(1))).body), /DeploymentNotFound/)
    }).pipe(
      Effect.provide(
        scripted({
          once: [Script.answer()],
          ever: [Script.answer(), Script.forever(Script.throttled()), Script.answer()]
        })
      )
    )
  )

  it.effect("throttles with whatever hint it is given, and with none", () =>
    Effect.gen(function* () {
      const hints = (yield* Effect.all(Array.from({ length: 4 }, () => dated("d", prompt(1))))).map(
        ({ headers }) => [headers["retry-after-ms"], headers["retry-after"]] as const
      )

      assert.deepStrictEqual(hints, [
        ["43", "1"],
        [undefined, undefined],
        [undefined, "Wed, 21 Oct 2026 07:28:00 GMT"],
        ["-1", "0"]
      ])
    }).pipe(
      Effect.provide(
        scripted({
          d: [
            Script.throttled({ retryAfterMs: 43 }),
            Script.throttled(),
            Script.throttled({ retryAfter: "Wed, 21 Oct 2026 07:28:00 GMT" }),
            Script.throttled({ retryAfterMs: -1, retryAfter: 0 })
          ]
        })
      )
    )
  )

  it.effect("plays raw replies as they stand, and documented errors under Azure's headers", () =>
    Effect.gen(function* () {
      const [page, broken, empty, documented, plain] = yield* Effect.all([
        dated("d", prompt(1)),
        Effect.flip(dated("d", prompt(1)).pipe(Effect.catchAllDefect((defect) => Effect.fail(defect)))),
        dated("d", prompt(1)),
        dated("d", prompt(1)),
        dated("d", prompt(1))
      ])

      assert.deepStrictEqual(page, {
        status: 502,
        headers: { "content-type": "text/html" },
        body: "<h1>Bad gateway</h1>"
      })
      assert.instanceOf(broken, SyntaxError)
      assert.deepStrictEqual(empty, { status: 204, headers: { "content-type": "application/json" }, body: "" })
      assert.strictEqual(documented.status, 400)
      assert.match(JSON.stringify(documented.body), /ResponsibleAIPolicyViolation/)
      assert.strictEqual(documented.headers["x-ms-region"], "East US")
      assert.deepStrictEqual([plain.status, plain.body], [503, "no healthy upstream"])
      assert.isUndefined(plain.headers["x-ms-region"])
    }).pipe(
      Effect.provide(
        scripted({
          d: [
            Script.reply({ status: 502, headers: { "Content-Type": "text/html" }, body: "<h1>Bad gateway</h1>" }),
            Script.reply({ body: '{"choices":[' }),
            Script.reply({ status: 204 }),
            Script.error(ErrorReply.contentFiltered),
            Script.reply(ErrorReply.noHealthyUpstream)
          ]
        })
      )
    )
  )

  it.effect("drops the connection: a transport failure, recorded without a status", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(Effect.flip(dated("d", prompt(1))))
      yield* TestClock.adjust("1 seconds")

      const error = yield* Fiber.join(fiber)
      assert.instanceOf(error, HttpClientError.RequestError)
      assert.strictEqual(error.reason, "Transport")
      assert.deepStrictEqual(yield* log, [[0, "d", undefined]])
      assert.strictEqual(yield* Effect.flatMap(Emulator.Emulator, (emulator) => emulator.inFlight), 0)
    }).pipe(Effect.provide(scripted({ d: [Script.refuse({ after: "1 seconds" })] })))
  )

  it.effect("stays silent until the caller goes away", () =>
    Effect.gen(function* () {
      const emulator = yield* Emulator.Emulator
      const fiber = yield* Effect.fork(Effect.timeoutOption(dated("d", prompt(1)), "1 hours"))
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(yield* emulator.inFlight, 1)
      yield* TestClock.adjust("1 minutes")

      assert.deepStrictEqual(yield* Fiber.join(fiber), Option.none())
      assert.strictEqual(yield* emulator.inFlight, 0)
      assert.deepStrictEqual(yield* log, [[0, "d", "interrupted"]])
    }).pipe(Effect.provide(scripted({ d: [Script.silent] })))
  )

  it.effect("starts anew for every layer built from it", () => {
    const layer = scripted({ d: [Script.answer()] })
    const status = Effect.map(dated("d", prompt(1)), (reply) => reply.status).pipe(Effect.provide(layer))

    return Effect.map(Effect.all([status, status]), (statuses) => assert.deepStrictEqual(statuses, [200, 200]))
  })
})
