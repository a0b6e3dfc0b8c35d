import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, Deployment } from "@spillway/azure-openai"
import { CallSettings, RetryAfter } from "@spillway/core"
import { Emulator, Script } from "@spillway/emulator"
import { Effect, Exit, Fiber, Layer, Ref, TestClock } from "effect"
import { asLayers, at, hello, inProcess, inVirtualTime, resultOf, sent } from "./support/scenario.js"
import { recorder } from "./support/spans.js"

const chat = AzureOpenAI.chat(hello).pipe(Effect.provide(Layer.orDie(asLayers({}))))

describe("interruption", () => {
  // Every moment of a call that is throttled, waits, is throttled again, falls back, waits again and is answered.
  const script = Script.make({
    ptu: [Script.throttled({ retryAfterMs: 1000, after: 100 }), Script.throttled({ retryAfterMs: 9000, after: 100 })],
    std: [Script.throttled({ retryAfterMs: 500, after: 100 }), Script.answer({ after: 100 })]
  })
  const moments = [
    { moment: 0, name: "before the first reply", requests: 1 },
    { moment: 50, name: "while calling", requests: 1 },
    { moment: 100, name: "as the throttle arrives", requests: 1 },
    { moment: 600, name: "while waiting", requests: 1 },
    { moment: 1099, name: "just before the retry", requests: 1 },
    { moment: 1150, name: "in the retry", requests: 2 },
    { moment: 1250, name: "in the fallback", requests: 3 },
    { moment: 1500, name: "while waiting for Standard", requests: 3 },
    { moment: 1850, name: "in Standard's retry", requests: 4 }
  ]

  it.effect.each(moments)("$name: nothing is sent afterwards, nothing stays open", ({ moment, requests }) =>
    Effect.gen(function* () {
      const { layer, spans } = yield* recorder
      const emulator = yield* Emulator.Emulator
      const fiber = yield* Effect.fork(Effect.provide(chat, layer))
      yield* TestClock.adjust(moment)
      const exit = yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 hour")

      assert.isTrue(Exit.isInterrupted(exit))
      assert.strictEqual((yield* sent).length, requests)
      assert.strictEqual(yield* emulator.inFlight, 0)
      assert.deepStrictEqual(
        spans.filter((span) => span.end === undefined).map((span) => span.name),
        []
      )
      assert.strictEqual(spans[0]?.attributes.get("spillway.outcome"), "interrupted")
    }).pipe(Effect.provide(inProcess(script)))
  )

  it.effect("by a timeout around the call", () =>
    Effect.gen(function* () {
      const error = yield* inVirtualTime(Effect.flip(Effect.timeout(chat, "500 millis")))

      assert.strictEqual(error._tag, "TimeoutException")
      assert.strictEqual((yield* sent).length, 1)
    }).pipe(Effect.provide(inProcess(script)))
  )
})

describe("a deadline", () => {
  const withDeadline = chat.pipe(CallSettings.withDeadline("2 seconds"), Effect.either)

  it.effect("cancels the request in flight", () =>
    Effect.gen(function* () {
      const emulator = yield* Emulator.Emulator
      const fiber = yield* Effect.fork(withDeadline)
      yield* TestClock.adjust(1999)
      assert.strictEqual(yield* emulator.inFlight, 1)
      yield* TestClock.adjust(1)
      const reply = yield* Fiber.join(fiber)

      assert.strictEqual(resultOf(reply), "DeadlineExceeded std")
      assert.strictEqual(yield* emulator.inFlight, 0)
    }).pipe(
      Effect.provide(inProcess(Script.make({ ptu: [Script.throttled({ retryAfterMs: 9000 })], std: [Script.silent] })))
    )
  )

  it.effect("is not waited past: the fallback takes over at once, with the time that is left", () =>
    Effect.gen(function* () {
      const reply = yield* inVirtualTime(withDeadline)

      assert.deepStrictEqual(yield* sent, [
        ["ptu", 0],
        ["std", 500]
      ])
      assert.strictEqual(resultOf(reply), "std")
    }).pipe(
      Effect.provide(
        inProcess(
          Script.make({
            ptu: [Script.throttled({ retryAfterMs: 1501, after: 500 })],
            std: [Script.answer({ after: 1499 })]
          })
        )
      )
    )
  )

  it.effect("binds a Schedule of the user's own as well", () =>
    Effect.gen(function* () {
      const patient = Deployment.provisioned(at("ptu")).pipe(Deployment.retry(RetryAfter.retries(10)))
      const error = yield* inVirtualTime(
        AzureOpenAI.chat(hello).pipe(
          CallSettings.withDeadline("1 second"),
          Effect.provide(Layer.orDie(patient)),
          Effect.flip
        )
      )

      assert.strictEqual(error._tag, "RateLimited")
      assert.deepStrictEqual(
        (yield* sent).map(([, time]) => time),
        [0, 400, 800]
      )
    }).pipe(Effect.provide(inProcess(Script.make({ ptu: [Script.forever(Script.throttled({ retryAfterMs: 400 }))] }))))
  )

  it.effect("of zero sends nothing", () =>
    Effect.gen(function* () {
      const reply = yield* inVirtualTime(Effect.either(chat).pipe(CallSettings.withDeadline(0)))

      assert.strictEqual(resultOf(reply), "DeadlineExceeded ptu")
      assert.deepStrictEqual(yield* sent, [])
    }).pipe(Effect.provide(inProcess(Script.make({ ptu: [], std: [] }))))
  )
})

describe("many at once", () => {
  // A thousand sleepers under a TestClock take seconds of real time, and more on a busy machine.
  it.effect(
    "1,000 calls: each waits its own time and is answered once",
    () =>
      Effect.gen(function* () {
        const calls = Effect.forEach(Array.from({ length: 1000 }), () => AzureOpenAI.chat(hello), {
          concurrency: "unbounded"
        }).pipe(Effect.provide(Layer.orDie(asLayers({}))))
        const answers = yield* inVirtualTime(calls, "10 seconds")
        const requests = yield* sent

        const count = (outcome: string) => answers.filter((answer) => answer.served.outcome === outcome).length
        assert.deepStrictEqual([count("served"), count("served_after_wait"), count("fallback")], [200, 500, 300])
        assert.strictEqual(requests.length, 1000 + 500 + 300)
        assert.deepStrictEqual([...new Set(requests.map(([, time]) => time))], [0, 1000])
        assert.deepStrictEqual(
          [...new Set(answers.map((answer) => answer.served.waitedMs))].toSorted((a, b) => a - b),
          [0, 1000]
        )
      }).pipe(
        Effect.provide(
          inProcess(
            Script.make({
              ptu: [
                ...Array.from({ length: 200 }, () => Script.answer()),
                ...Array.from({ length: 500 }, () => Script.throttled({ retryAfterMs: 1000 })),
                ...Array.from({ length: 300 }, () => Script.throttled({ retryAfterMs: 5000 })),
                ...Array.from({ length: 500 }, () => Script.answer())
              ],
              std: [Script.forever(Script.answer())]
            })
          )
        )
      ),
    { timeout: 60_000 }
  )
})

describe("what is built", () => {
  it.effect("is built once, shared dependencies included, and never again per call or attempt", () =>
    Effect.gen(function* () {
      const builds = yield* Ref.make<ReadonlyArray<string>>([])
      const closed = yield* Ref.make(0)
      let requests = 0
      const client = Layer.scoped(
        HttpClient.HttpClient,
        Effect.acquireRelease(
          Effect.as(
            Ref.update(builds, (all) => [...all, "client"]),
            HttpClient.make((request) =>
              Effect.sync(() => {
                requests += 1
                return HttpClientResponse.fromWeb(
                  request,
                  new Response("", { status: 429, headers: { "retry-after-ms": "1000" } })
                )
              })
            )
          ),
          () => Ref.update(closed, (n) => n + 1)
        )
      )
      const counted = (name: string, deployment: Layer.Layer<Deployment.Deployment, unknown, HttpClient.HttpClient>) =>
        Layer.tap(Layer.orDie(deployment), () => Ref.update(builds, (all) => [...all, name]))
      const policy = counted("ptu", Deployment.provisioned(at("ptu"))).pipe(
        Deployment.retry(RetryAfter.within("4 seconds")),
        Deployment.orElse(counted("std", Deployment.standard(at("std"))).pipe(Deployment.retry(RetryAfter.retries(2)))),
        Layer.provide(client)
      )
      const calls = Effect.replicateEffect(Effect.either(AzureOpenAI.chat(hello)), 10)
      yield* inVirtualTime(Effect.provide(calls, policy))

      assert.strictEqual(requests, 10 * (5 + 3))
      assert.deepStrictEqual((yield* Ref.get(builds)).toSorted(), ["client", "ptu", "std"])
      assert.strictEqual(yield* Ref.get(closed), 1)
    })
  )
})

describe("when", () => {
  const expired = Script.make({ ptu: [Script.reply({ status: 401, body: {} })], std: [Script.answer()] })
  it.effect("an expired key ends the call by default", () =>
    Effect.gen(function* () {
      const chain = Deployment.provisioned(at("ptu")).pipe(Deployment.orElse(Deployment.standard(at("std"))))
      const call = AzureOpenAI.chat(hello).pipe(Effect.either, Effect.provide(Layer.orDie(chain)))

      assert.strictEqual(resultOf(yield* call), "Unauthorized ptu")
      assert.deepStrictEqual(yield* sent, [["ptu", 0]])
    }).pipe(Effect.provide(inProcess(expired)))
  )

  it.effect("it decides in place of the rule", () =>
    Effect.gen(function* () {
      const chain = Deployment.provisioned(at("ptu")).pipe(
        Deployment.orElse(Deployment.standard(at("std")), { when: (error) => error._tag === "Unauthorized" })
      )
      const call = AzureOpenAI.chat(hello).pipe(Effect.either, Effect.provide(Layer.orDie(chain)))

      assert.strictEqual(resultOf(yield* call), "std")
      assert.strictEqual(resultOf(yield* call), "RateLimited ptu")
      assert.deepStrictEqual(
        (yield* sent).map(([deployment]) => deployment),
        ["ptu", "std", "ptu"]
      )
    }).pipe(
      Effect.provide(
        inProcess(
          Script.make({ ptu: [Script.reply({ status: 401, body: {} }), Script.throttled()], std: [Script.answer()] })
        )
      )
    )
  )
})
