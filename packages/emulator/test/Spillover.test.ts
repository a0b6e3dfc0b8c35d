import { assert, describe, it } from "@effect/vitest"
import { Emulator, EmulatorConfig } from "@spillway/emulator"
import { Effect, Fiber, Option, TestClock } from "effect"
import { dated, inProcess, log, prompt, v1 } from "./support/calls.js"
import { open } from "./support/streams.js"

const ptu = {
  name: "ptu",
  kind: "provisioned",
  model: "gpt-4.1",
  ptus: 20,
  windowSeconds: 1,
  latency: { firstTokenMs: 100 },
  answerTokens: { min: 10, max: 10 }
} as const satisfies EmulatorConfig.Deployment
const common = { model: "gpt-4.1", latency: { firstTokenMs: 100 }, answerTokens: { min: 10, max: 10 } }

const deployments = (spilloverDeploymentName?: string) =>
  [
    spilloverDeploymentName === undefined ? ptu : { ...ptu, spilloverDeploymentName },
    { ...common, name: "std", kind: "standard", requestsPerMinute: 6, tokensPerMinute: 1_000_000 },
    { ...common, name: "other", kind: "standard" },
    { ...common, name: "mini", kind: "standard", model: "gpt-4.1-mini" }
  ] satisfies ReadonlyArray<EmulatorConfig.Deployment>

const over = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust("5 seconds")
    return yield* Fiber.join(fiber)
  })

const marks = (headers: Readonly<Record<string, string>>) => [
  headers["x-ms-deployment-name"],
  headers["x-ms-spillover-from-deployment"],
  headers["x-ms-spillover-error"]
]

// Pours in so much that the deployment is full for minutes.
const full = { ...prompt(70_000), max_tokens: 10 }

describe("native spillover", () => {
  it.effect(
    "takes what the provisioned deployment throttles to the Standard one of its property, without waiting",
    () =>
      Effect.gen(function* () {
        const first = yield* Effect.fork(dated("ptu", full))
        yield* TestClock.adjust("0 millis")
        const spilled = yield* over(v1("ptu", prompt(10)))
        yield* Fiber.join(first)

        assert.strictEqual(spilled.status, 200)
        assert.deepStrictEqual(marks(spilled.headers), ["std", "ptu", "429"])
        assert.strictEqual(spilled.headers["x-ratelimit-remaining-requests"], "0")
        const { requests } = yield* Emulator.Emulator
        assert.deepStrictEqual(
          (yield* requests).map(({ deployment, servedBy, status }) => [deployment, servedBy, status]),
          [
            ["ptu", "ptu", 200],
            ["ptu", "std", 200]
          ]
        )
      }).pipe(Effect.provide(inProcess({ deployments: deployments("std") })))
  )

  it.effect("follows the request's header where there is no property, and no header without either", () =>
    Effect.gen(function* () {
      const first = yield* Effect.fork(dated("ptu", full))
      yield* TestClock.adjust("0 millis")
      const call = (target?: string) =>
        dated("ptu", prompt(10), {
          headers: { "api-key": "k", ...(target === undefined ? {} : { "x-ms-spillover-deployment": target }) }
        })
      const replies = yield* over(
        Effect.all([call("other"), call(), call("absent"), call("mini"), call("ptu")], { concurrency: 5 })
      )
      yield* Fiber.interrupt(first)

      assert.deepStrictEqual(
        replies.map(({ status }) => status),
        [200, 429, 429, 429, 429]
      )
      assert.deepStrictEqual(marks(replies[0].headers), ["other", "ptu", "429"])
      assert.deepStrictEqual(marks(replies[1].headers), ["ptu", undefined, undefined])
    }).pipe(Effect.provide(inProcess({ deployments: deployments() })))
  )

  it.effect("the property wins over the header", () =>
    Effect.gen(function* () {
      const first = yield* Effect.fork(dated("ptu", full))
      yield* TestClock.adjust("0 millis")
      const spilled = yield* over(
        dated("ptu", prompt(10), { headers: { "api-key": "k", "x-ms-spillover-deployment": "other" } })
      )
      yield* Fiber.interrupt(first)

      assert.deepStrictEqual(marks(spilled.headers), ["std", "ptu", "429"])
    }).pipe(Effect.provide(inProcess({ deployments: deployments("std") })))
  )

  it.effect("takes prompts that are too long for PTU alone, and no other bad request; they cost PTU nothing", () =>
    Effect.gen(function* () {
      const [long, bad] = yield* over(
        Effect.all([dated("ptu", { ...prompt(128_001), max_tokens: 1 }), dated("ptu", {})])
      )

      assert.strictEqual(long.status, 200)
      assert.deepStrictEqual(marks(long.headers), ["std", "ptu", "400"])
      assert.strictEqual(bad.status, 400)
      assert.deepStrictEqual(marks(bad.headers), ["ptu", undefined, undefined])
      const emulator = yield* Emulator.Emulator
      assert.deepStrictEqual(yield* emulator.utilization("ptu"), Option.some(0))
    }).pipe(Effect.provide(inProcess({ deployments: deployments("std") })))
  )

  for (const [semantics, expected] of [
    ["current", { status: 429, marks: ["std", "ptu", "429"], limits: "1" }],
    ["legacy", { status: 429, marks: ["ptu", undefined, "429"], limits: undefined }]
  ] as const) {
    it.effect(`when Standard refuses, too: ${semantics} headers`, () =>
      Effect.gen(function* () {
        const first = yield* Effect.fork(dated("ptu", full))
        yield* TestClock.adjust("0 millis")
        const [spilled, refused] = yield* over(Effect.all([dated("ptu", prompt(10)), dated("ptu", prompt(10))]))
        yield* Fiber.interrupt(first)

        assert.deepStrictEqual(marks(spilled.headers), ["std", "ptu", semantics === "current" ? "429" : undefined])
        assert.strictEqual(refused.status, expected.status)
        assert.deepStrictEqual(marks(refused.headers), Array.from(expected.marks))
        assert.strictEqual(refused.headers["x-ratelimit-limit-requests"], expected.limits)
        assert.match(
          JSON.stringify(refused.body),
          semantics === "current" ? /RateLimitReached/ : /Provisioned-Managed deployment/
        )
      }).pipe(Effect.provide(inProcess({ deployments: deployments("std"), spilloverHeaders: semantics })))
    )
  }

  it.effect("takes streamed responses before they are throttled inside their stream", () =>
    Effect.gen(function* () {
      const first = yield* Effect.fork(dated("ptu", full))
      yield* TestClock.adjust("0 millis")
      const response = yield* open("/openai/v1/responses", { model: "ptu", stream: true, input: "Hi" })
      const text = yield* over(response.text)
      yield* Fiber.interrupt(first)

      assert.deepStrictEqual(marks(response.headers), ["std", "ptu", "429"])
      assert.match(text, /event: response\.completed/)
      assert.deepStrictEqual((yield* log).at(-1), [0, "ptu", 200])
    }).pipe(Effect.provide(inProcess({ deployments: deployments("std") })))
  )

  it.effect("is configured with a Standard deployment of the same model", () =>
    Effect.gen(function* () {
      for (const name of ["absent", "ptu", "mini"]) {
        const { message } = yield* Effect.flip(EmulatorConfig.decode({ deployments: deployments(name) }))
        assert.strictEqual(
          message,
          `deployments[0].spilloverDeploymentName: "${name}" is not a standard deployment of gpt-4.1 in this list`
        )
      }
    })
  )
})
