import { assert, describe, it } from "@effect/vitest"
import { Admission as Core, CallSettings, RetryAfter } from "@spillway/core"
import type { HttpClient } from "@effect/platform"
import { Admission, AzureOpenAI, CallError, Deployment } from "@spillway/azure-openai"
import type { EmulatorConfig } from "@spillway/emulator"
import { Emulator, Script } from "@spillway/emulator"
import type { ConfigError } from "effect"
import {
  Config,
  ConfigProvider,
  Context,
  Duration,
  Effect,
  Either,
  Fiber,
  Layer,
  Logger,
  Schema,
  TestClock
} from "effect"
import { at, hello, inProcess, inVirtualTime, sent } from "./support/scenario.js"
import { recorder, render } from "./support/spans.js"

/** 24 PTUs of gpt-4o drain 1000 tokens a second, and save up nothing: the gate is shut for as long as a call costs. */
const paced = (more?: Partial<Admission.Options>) => Admission.layer({ ptus: 24, burstMs: 0, size: "exact", ...more })

const ptu = (more?: Partial<Admission.Options>) =>
  Deployment.provisioned(at("ptu")).pipe(Layer.provide(paced(more)), Deployment.retry(RetryAfter.within("4 seconds")))

const standard = Deployment.standard(at("std"))

/** 2 tokens of prompt, and an answer of 100, each as 4: 402. */
const request: Parameters<typeof AzureOpenAI.chat>[0] = { ...hello, max_tokens: 100 }

const ask = Effect.either(AzureOpenAI.chat(request))

describe("admission before a provisioned deployment", () => {
  const slow = Script.make({
    ptu: Array.from({ length: 10 }, () => Script.answer({ text: "hi", after: 10_000 })),
    std: [Script.answer()]
  })

  it.effect("the span tree of a call that waited in line", () =>
    Effect.gen(function* () {
      const { layer, spans } = yield* recorder
      const both = Effect.all([ask, ask], { concurrency: "unbounded" })
      yield* inVirtualTime(both.pipe(Effect.provide(Layer.orDie(ptu())), Effect.provide(layer)))

      assert.strictEqual(
        render(spans),
        [
          "chat gpt-4o [client] 0..10000 ok attempts=1 deployment=ptu outcome=served served_by=provisioned waited_ms=0",
          "  attempt provisioned [client] 0..10000 ok attempt=1 deployment=ptu http.response.status_code=200",
          "chat gpt-4o [client] 0..10402 ok attempts=1 deployment=ptu outcome=served_after_wait served_by=provisioned waited_ms=402",
          "  wait [internal] 0..402 ok deployment=ptu wait.planned_ms=402 wait.reason=queue",
          "  attempt provisioned [client] 402..10402 ok attempt=1 deployment=ptu http.response.status_code=200"
        ].join("\n")
      )
    }).pipe(Effect.provide(inProcess(slow)))
  )

  it.effect("the span tree of a call that was refused, waited for the hint in line, and was served", () =>
    Effect.gen(function* () {
      const { layer, spans } = yield* recorder
      yield* inVirtualTime(ask.pipe(Effect.provide(Layer.orDie(ptu())), Effect.provide(layer)))

      assert.strictEqual(
        render(spans),
        [
          "chat gpt-4o [client] 0..1050 ok attempts=2 deployment=ptu outcome=served_after_wait served_by=provisioned waited_ms=1000",
          "  * spillway.retry @50",
          "  attempt provisioned [client] 0..50 error attempt=1 deployment=ptu error.type=429 http.response.status_code=429 retry_after_ms=1000",
          "  wait [internal] 50..1050 ok deployment=ptu wait.planned_ms=1000 wait.reason=retry-after",
          "  attempt provisioned [client] 1050..1050 ok attempt=2 deployment=ptu http.request.resend_count=1 http.response.status_code=200"
        ].join("\n")
      )
    }).pipe(
      Effect.provide(
        inProcess(Script.make({ ptu: [Script.throttled({ retryAfterMs: 1000, after: 50 }), Script.answer()] }))
      )
    )
  )

  it.effect("a call that would wait too long goes to Standard at once; without Standard it fails with Saturated", () =>
    Effect.gen(function* () {
      const Chat = Layer.orDie(Deployment.orElse(ptu(), standard))
      const replies = yield* Effect.gen(function* () {
        yield* Effect.fork(ask)
        yield* TestClock.adjust(0)
        return yield* CallSettings.withMaxWait(ask, 401)
      }).pipe(Effect.provide(Chat))

      assert.deepStrictEqual(
        Either.map(replies, ({ served }) => [
          served.deployment,
          served.outcome,
          served.waitedMs,
          served.attempts.length
        ]),
        Either.right(["std", "fallback", 0, 1])
      )
      assert.deepStrictEqual(yield* sent, [
        ["ptu", 0],
        ["std", 0]
      ])
    }).pipe(Effect.provide(inProcess(slow)))
  )

  it.effect("Saturated says what was known, and can be sent over a wire", () =>
    Effect.gen(function* () {
      const error = yield* Effect.gen(function* () {
        yield* Effect.fork(ask)
        yield* TestClock.adjust("2 millis")
        return yield* Effect.flip(AzureOpenAI.chat(request).pipe(CallSettings.withMaxWait("300 millis")))
      }).pipe(Effect.provide(Layer.orDie(ptu())))

      assert.strictEqual(error._tag, "Saturated")
      assert.strictEqual(error.message, "ptu: no turn in time, waited 0 ms, would have waited 400 ms (0 requests sent)")
      const json = JSON.stringify(yield* Schema.encode(CallError.CallError)(error))
      const back = yield* Schema.decode(CallError.CallError)(JSON.parse(json))
      assert.deepStrictEqual(back._tag === "Saturated" && [back.reason, Duration.toMillis(back.predicted)], [
        "late",
        400
      ])
    }).pipe(Effect.provide(inProcess(slow)))
  )

  it.effect("within(d) is also how long a call waits in line, where the call itself says nothing", () =>
    Effect.gen(function* () {
      const Patient = Deployment.provisioned(at("ptu")).pipe(
        Layer.provide(paced()),
        Deployment.retry(RetryAfter.within("10 seconds"))
      )
      const big = AzureOpenAI.chat({ ...hello, max_tokens: 2000 })
      const waiting = yield* Effect.gen(function* () {
        yield* Effect.fork(big)
        yield* TestClock.adjust(0)
        const second = yield* Effect.fork(AzureOpenAI.chat(request))
        yield* TestClock.adjust("8001 millis")
        assert.strictEqual((yield* sent).length, 1)
        yield* TestClock.adjust("1 millis")
        yield* Fiber.interrupt(second)
        return yield* sent
      }).pipe(Effect.provide(Layer.orDie(Patient)))

      assert.deepStrictEqual(waiting, [
        ["ptu", 0],
        ["ptu", 8002]
      ])
    }).pipe(Effect.provide(inProcess(slow)))
  )

  const Pair = Context.GenericTag<readonly [Deployment.Service, Deployment.Service]>("Pair")
  const pair = (
    one: Layer.Layer<Deployment.Deployment, ConfigError.ConfigError, HttpClient.HttpClient>,
    other: Layer.Layer<Deployment.Deployment, ConfigError.ConfigError, HttpClient.HttpClient>
  ) =>
    Layer.orDie(
      Layer.zipWith(one, other, (a, b) =>
        Context.make(Pair, [Context.get(a, Deployment.Deployment), Context.get(b, Deployment.Deployment)])
      )
    )
  const askBoth = Effect.gen(function* () {
    const [one, other] = yield* Pair
    yield* Effect.fork(Effect.provideService(ask, Deployment.Deployment, one))
    yield* TestClock.adjust(0)
    yield* Effect.fork(Effect.provideService(ask, Deployment.Deployment, other))
    yield* TestClock.adjust("4 seconds")
    return yield* sent
  })

  it.effect("two deployments that name the same one share its gate, two names do not", () => {
    const gate = paced()
    const provisioned = (name: string) => Deployment.provisioned(at(name)).pipe(Layer.provide(gate))
    return Effect.gen(function* () {
      const same = yield* Effect.provide(askBoth, pair(provisioned("ptu"), provisioned("ptu")))
      assert.deepStrictEqual(same, [
        ["ptu", 0],
        ["ptu", 402]
      ])
      const two = yield* Effect.provide(askBoth, pair(provisioned("ptu"), provisioned("ptu2")))
      assert.deepStrictEqual(two.slice(2), [
        ["ptu", 4000],
        ["ptu2", 4000]
      ])
    }).pipe(
      Effect.provide(
        inProcess(Script.make({ ptu: [Script.forever(Script.answer({ after: 60_000 }))], ptu2: [Script.answer()] }))
      )
    )
  })

  it.effect("Standard passes it over", () => {
    const gated = standard.pipe(Layer.provide(paced()))
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* Effect.provide(askBoth, pair(gated, gated)), [
        ["std", 0],
        ["std", 0]
      ])
    }).pipe(Effect.provide(inProcess(Script.make({ std: [Script.forever(Script.answer({ after: 60_000 }))] }))))
  })

  it.effect("the layer of core, told tokens per second, does as well", () =>
    Effect.gen(function* () {
      const gated = Deployment.provisioned(at("ptu", { model: "my-own" })).pipe(
        Layer.provide(Core.layer({ tokensPerSecond: 1000, burstMs: 0, size: "exact" }))
      )
      assert.deepStrictEqual(
        yield* Effect.provide(
          Effect.zipRight(
            Effect.zip(Effect.fork(ask), Effect.fork(ask)),
            Effect.zipRight(TestClock.adjust("4 seconds"), sent)
          ),
          Layer.orDie(gated)
        ),
        [
          ["ptu", 0],
          ["ptu", 402]
        ]
      )
    }).pipe(Effect.provide(inProcess(slow)))
  )

  it.effect("what an answer did not take makes room for the next", () =>
    Effect.gen(function* () {
      const Chat = Layer.orDie(ptu())
      // 2 + 4 x 2000 are charged; the answer is 2 tokens.
      const requests = yield* Effect.gen(function* () {
        yield* Effect.fork(AzureOpenAI.chat({ ...hello, max_tokens: 2000 }))
        yield* TestClock.adjust(0)
        yield* Effect.fork(ask)
        yield* TestClock.adjust("10 seconds")
        return yield* sent
      }).pipe(CallSettings.withMaxWait("10 seconds"), Effect.provide(Chat))

      assert.deepStrictEqual(requests, [
        ["ptu", 0],
        ["ptu", 500]
      ])
    }).pipe(
      Effect.provide(
        inProcess(Script.make({ ptu: [Script.answer({ text: "eight ch", after: 500 }), Script.answer()] }))
      )
    )
  )

  it.effect("says what is missing for a model it does not know", () =>
    Effect.gen(function* () {
      const build = (admission: Partial<Admission.Options>) =>
        Effect.scoped(
          Layer.build(Deployment.provisioned(at("ptu", { model: "my-model" })).pipe(Layer.provide(paced(admission))))
        )
      const error = yield* Effect.flip(build({}))
      yield* build({ inputTokensPerMinutePerPtu: 3000, outputWeight: 4 })

      const text = String(error)
      for (const part of ['"my-model"', "ptu", "inputTokensPerMinutePerPtu and outputWeight", "gpt-4o"])
        assert.include(text, part)
      assert.include(String(yield* Effect.flip(build({ outputWeight: 4 }))), "give inputTokensPerMinutePerPtu to")
    }).pipe(Effect.provide(inProcess(slow)))
  )

  it.effect("reads its options from configuration, and names the variable that is wrong", () =>
    Effect.gen(function* () {
      const layer = Admission.layerConfig({ ptus: Config.number("PTUS") })
      const build = (ptus: string) =>
        Effect.scoped(Layer.build(layer)).pipe(
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["PTUS", ptus]])))
        )

      yield* build("100")
      assert.include(String(yield* Effect.flip(build("many"))), "PTUS")
      assert.include(String(yield* Effect.flip(build("0"))), "ptus")
    })
  )

  it.effect("warns once of a request without max_tokens, and never of what it says", () =>
    Effect.gen(function* () {
      const logs: Array<string> = []
      const logger = Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ logLevel, message }) => {
          logs.push(`${logLevel._tag} ${String(message)}`)
        })
      )
      yield* inVirtualTime(
        Effect.all([AzureOpenAI.chat(hello), AzureOpenAI.chat(hello)]).pipe(
          Effect.provide(Layer.orDie(ptu({ burstMs: 60_000 }))),
          Effect.provide(logger)
        )
      )

      assert.strictEqual(logs.length, 1)
      assert.match(logs[0] ?? "", /^Warning ptu: a request without max_tokens: .* 640 tokens/)
    }).pipe(Effect.provide(inProcess(Script.make({ ptu: [Script.forever(Script.answer())] }))))
  )
})

describe("many callers at once", () => {
  const resource: EmulatorConfig.EmulatorConfig = {
    deployments: [
      { name: "ptu", kind: "provisioned", model: "gpt-4o", ptus: 60, windowSeconds: 2, latency: { rejectionMs: 25 } },
      { name: "std", kind: "standard", model: "gpt-4o" }
    ]
  }
  const emulated = Emulator.layerClient.pipe(Layer.provideMerge(Emulator.layer(resource)))
  const run = (deployment: Layer.Layer<Deployment.Deployment, ConfigError.ConfigError, HttpClient.HttpClient>) =>
    Effect.gen(function* () {
      const calls = Effect.forEach(
        Array.from({ length: 40 }, (_, i) => i),
        (i) =>
          Effect.either(AzureOpenAI.chat({ messages: [{ role: "user", content: `question ${i}` }], max_tokens: 150 })),
        { concurrency: "unbounded" }
      )
      const replies = yield* inVirtualTime(Effect.provide(calls, Layer.orDie(deployment)), "40 seconds")
      const requests = yield* Effect.flatMap(Emulator.Emulator, ({ requests }) => requests)
      return {
        failed: replies.filter(Either.isLeft).length,
        provisioned: replies.filter((reply) => Either.isRight(reply) && reply.right.served.servedBy === "provisioned")
          .length,
        rejected: requests.filter((request) => request.deployment === "ptu" && request.status === 429).length
      }
    })
  const policy = (deployment: Layer.Layer<Deployment.Deployment, ConfigError.ConfigError, HttpClient.HttpClient>) =>
    deployment.pipe(Deployment.retry(RetryAfter.within("4 seconds")), Deployment.orElse(standard))

  it.effect(
    "are not refused again and again when the deployment opens",
    () =>
      Effect.gen(function* () {
        const alone = yield* Effect.provide(run(policy(Deployment.provisioned(at("ptu")))), emulated)
        const together = yield* Effect.provide(
          run(
            policy(Deployment.provisioned(at("ptu")).pipe(Layer.provide(Admission.layer({ ptus: 60, burstMs: 2000 }))))
          ),
          emulated
        )

        assert.deepStrictEqual([alone.failed, together.failed], [0, 0])
        assert.isAbove(alone.rejected, 300)
        assert.isAtMost(together.rejected, 3)
        assert.isAtLeast(together.provisioned, alone.provisioned - 1)
      }),
    60_000
  )
})
