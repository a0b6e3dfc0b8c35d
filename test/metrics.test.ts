import { assert, describe, it } from "@effect/vitest"
import { Admission, Metrics, RetryAfter, Telemetry } from "@spillway/core"
import { AzureOpenAI, Deployment, Telemetry as GenAi } from "@spillway/azure-openai"
import { ErrorReply, Script } from "@spillway/emulator"
import { Effect, Fiber, Layer, Stream, TestClock } from "effect"
import { at, hello, inProcess, inVirtualTime } from "./support/scenario.js"
import { series, sums, values } from "./support/metrics.js"

const { labels, metrics } = Telemetry

const answer = (after = 0) => Script.answer({ text: "a short answer", after })
const throttled = (retryAfterMs: number, after = 0) => Script.throttled({ retryAfterMs, after })

// The registry belongs to the process, so every test has deployments and a model of its own.
const chain = (name: string, options?: Partial<Deployment.Options>) => {
  const model = `model-${name}`
  const more = { model, ...options }
  return {
    ptu: `ptu-${name}`,
    std: `std-${name}`,
    model: { [labels.model]: model },
    layer: Deployment.provisioned(at(`ptu-${name}`, more)).pipe(
      Deployment.retry(RetryAfter.within("4 seconds")),
      Deployment.orElse(
        Deployment.standard(at(`std-${name}`, { ...more, prices: { input: 2.5, output: 10 } })).pipe(
          Deployment.retry(RetryAfter.retries(2))
        )
      ),
      Layer.orDie
    )
  }
}

const event = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`
const streamed = Script.reply({
  after: 250,
  headers: { "content-type": "text/event-stream" },
  body: [
    event({ id: "x", choices: [{ index: 0, delta: { content: "hi" }, finish_reason: "stop" }] }),
    event({
      id: "x",
      choices: [],
      usage: {
        prompt_tokens: 7,
        completion_tokens: 2,
        total_tokens: 9,
        prompt_tokens_details: { cached_tokens: 4 }
      }
    }),
    "data: [DONE]\n\n"
  ].join("")
})

const of = (deployment: string) => ({ [labels.deployment]: deployment })

describe("metrics", () => {
  it.effect("are there at zero before the first call", () =>
    Effect.gen(function* () {
      const { layer, model, ptu, std } = chain("zero")
      yield* Effect.provide(Effect.void, layer)

      assert.deepStrictEqual(yield* values(metrics.calls, model, labels.outcome), {
        served: 0,
        served_after_wait: 0,
        fallback: 0,
        failed: 0,
        interrupted: 0
      })
      for (const deployment of [ptu, std]) {
        assert.deepStrictEqual(yield* values(metrics.attempts, of(deployment), labels.status), {
          "2xx": 0,
          "429": 0,
          "4xx": 0,
          "5xx": 0,
          none: 0
        })
        assert.deepStrictEqual(yield* values(metrics.inflight, of(deployment), labels.unit), { "{request}": 0 })
        assert.deepStrictEqual(yield* values(metrics.tokens, of(deployment), labels.tokenType), {
          input: 0,
          cached_input: 0,
          output: 0
        })
      }
      // Provisioned throughput is paid by the hour.
      assert.deepStrictEqual(yield* values(metrics.cost, of(ptu), labels.tokenType), {})
      assert.deepStrictEqual(yield* values(metrics.cost, of(std), labels.tokenType), {
        input: 0,
        cached_input: 0,
        output: 0
      })
    }).pipe(Effect.provide(inProcess(Script.make({}))))
  )

  it.effect("count calls by outcome, requests by status, and how long they took and waited", () =>
    Effect.gen(function* () {
      const { layer, model, ptu, std } = chain("counts")
      const ask = inVirtualTime(Effect.either(AzureOpenAI.chat(hello)))
      // At once (100 ms); after a wait (50 ms, 1 s, 150 ms); by Standard (20 ms, 300 ms); nowhere (10 ms, 0).
      yield* Effect.repeatN(ask, 3).pipe(Effect.provide(layer))

      assert.deepStrictEqual(yield* values(metrics.calls, model, labels.outcome), {
        served: 1,
        served_after_wait: 1,
        fallback: 1,
        failed: 1,
        interrupted: 0
      })
      assert.deepStrictEqual(yield* values(metrics.attempts, of(ptu), labels.status), {
        "2xx": 2,
        "429": 2,
        "4xx": 0,
        "5xx": 0,
        none: 1
      })
      assert.deepStrictEqual(yield* values(metrics.attempts, of(std), labels.status), {
        "2xx": 1,
        "429": 0,
        "4xx": 1,
        "5xx": 0,
        none: 0
      })
      assert.deepStrictEqual(yield* sums(metrics.attemptDuration, of(ptu), labels.status), {
        "2xx": 0.25,
        "429": 0.07,
        "4xx": 0,
        "5xx": 0,
        none: 0.01
      })
      assert.deepStrictEqual(yield* sums(metrics.waitDuration, model, labels.outcome), {
        served: 0,
        served_after_wait: 1,
        fallback: 0,
        failed: 0,
        interrupted: 0
      })
      // Who did not wait counts as 0: the bucket "at most 0" has three of the four.
      const waited = yield* series(metrics.waitDuration, model)
      assert.strictEqual(
        waited.reduce((count, { buckets }) => count + (buckets.get(0) ?? 0), 0),
        3
      )
      const took = yield* series(GenAi.metrics.duration, { "gen_ai.request.model": "model-counts" })
      assert.deepStrictEqual(
        took.filter(({ value }) => value > 0).map(({ labels, sum }) => [labels["outcome"], labels["error.type"], sum]),
        [
          ["served", undefined, 0.1],
          ["served_after_wait", undefined, 1.2],
          ["fallback", undefined, 0.32],
          ["failed", "BadRequest", 0.01]
        ]
      )
      assert.deepStrictEqual(yield* values(metrics.inflight, of(ptu), labels.unit), { "{request}": 0 })
    }).pipe(
      Effect.provide(
        inProcess(
          Script.make({
            "ptu-counts": [
              answer(100),
              throttled(1000, 50),
              answer(150),
              throttled(9000, 20),
              Script.refuse({ after: 10 })
            ],
            "std-counts": [
              answer(300),
              Script.reply({ status: 400, body: { error: { code: "invalid_value", param: "messages" } } })
            ]
          })
        )
      )
    )
  )

  it.effect("count tokens by deployment, and estimate the cost where prices are given", () =>
    Effect.gen(function* () {
      const { layer, ptu, std } = chain("tokens")
      const { usage } = yield* inVirtualTime(AzureOpenAI.chat(hello)).pipe(
        Effect.zipLeft(inVirtualTime(AzureOpenAI.chat(hello))),
        Effect.provide(layer)
      )
      const [input, output] = [usage?.prompt_tokens ?? 0, usage?.completion_tokens ?? 0]

      assert.isAbove(input, 0)
      assert.isAbove(output, 0)
      for (const deployment of [ptu, std]) {
        assert.deepStrictEqual(yield* values(metrics.tokens, of(deployment), labels.tokenType), {
          input,
          cached_input: 0,
          output
        })
      }
      assert.deepStrictEqual(yield* values(metrics.cost, of(std), labels.tokenType), {
        input: (input * 2.5) / 1e6,
        cached_input: 0,
        output: (output * 10) / 1e6
      })
    }).pipe(
      Effect.provide(inProcess(Script.make({ "ptu-tokens": [answer(), throttled(9000)], "std-tokens": [answer()] })))
    )
  )

  it("price cached input for itself", () => {
    const deployment = Metrics.deployment({
      deployment: "cached",
      kind: "standard",
      prices: { input: 2, cachedInput: 1, output: 8 }
    })
    deployment.tokens({ inputTokens: 1000, cachedTokens: 400, outputTokens: 100 }, [])
    const cost = Effect.runSync(values(metrics.cost, of("cached"), labels.tokenType))

    assert.deepStrictEqual(cost, { input: 0.0012, cached_input: 0.0004, output: 0.0008 })
  })

  it.effect("count requests under way, and calls that were given up", () =>
    Effect.gen(function* () {
      const { layer, model, ptu } = chain("inflight")
      const calls = yield* Effect.fork(
        Effect.all([AzureOpenAI.chat(hello), AzureOpenAI.chat(hello), AzureOpenAI.chat(hello)], {
          concurrency: "unbounded"
        }).pipe(Effect.provide(layer))
      )
      yield* TestClock.adjust("500 millis")
      const during = yield* values(metrics.inflight, of(ptu), labels.unit)
      yield* Fiber.interrupt(calls)

      assert.deepStrictEqual(during, { "{request}": 3 })
      assert.deepStrictEqual(yield* values(metrics.inflight, of(ptu), labels.unit), { "{request}": 0 })
      assert.deepInclude(yield* values(metrics.attempts, of(ptu), labels.status), { interrupted: 3, "2xx": 0 })
      assert.deepInclude(yield* values(metrics.calls, model, labels.outcome), { interrupted: 3, served: 0 })
    }).pipe(Effect.provide(inProcess(Script.make({ "ptu-inflight": [Script.forever(answer(10_000))] }))))
  )

  it.effect("of a stream: the time to its first chunk, and its tokens when it has ended", () =>
    Effect.gen(function* () {
      const { layer, ptu } = chain("stream")
      yield* inVirtualTime(
        Stream.runDrain(AzureOpenAI.chatStream({ messages: hello.messages, stream_options: { include_usage: true } }))
      ).pipe(Effect.provide(layer))
      const [first] = yield* series(GenAi.metrics.timeToFirstChunk, { "gen_ai.request.model": "model-stream" })
      const tokens = yield* values(metrics.tokens, of(ptu), labels.tokenType)

      assert.strictEqual(first?.value, 1)
      assert.strictEqual(first?.sum, 0.25)
      assert.deepStrictEqual(tokens, { input: 3, cached_input: 4, output: 2 })
      assert.deepStrictEqual(yield* values(metrics.inflight, of(ptu), labels.unit), { "{request}": 0 })
    }).pipe(Effect.provide(inProcess(Script.make({ "ptu-stream": [streamed] }))))
  )

  it.effect("have the labels that are set around a call", () =>
    Effect.gen(function* () {
      const { layer, model } = chain("tagged")
      yield* AzureOpenAI.chat(hello).pipe(Effect.tagMetrics("team", "search"), Effect.provide(layer))

      assert.deepInclude(yield* values(metrics.calls, { ...model, team: "search" }, labels.outcome), { served: 1 })
    }).pipe(Effect.provide(inProcess(Script.make({ "ptu-tagged": [answer()] }))))
  )

  it.effect("of failures take few values, whatever the service says", () =>
    Effect.gen(function* () {
      const { layer, ptu } = chain("bounded")
      yield* Effect.repeatN(inVirtualTime(Effect.either(AzureOpenAI.chat(hello))), 3).pipe(Effect.provide(layer))

      assert.sameMembers(Object.keys(yield* values(metrics.attempts, of(ptu), labels.status)), [
        "2xx",
        "3xx",
        "429",
        "4xx",
        "5xx",
        "none"
      ])
    }).pipe(
      Effect.provide(
        inProcess(
          Script.make({
            "ptu-bounded": [
              Script.reply({ status: 418, body: { error: { code: "one-of-a-kind" } } }),
              Script.reply({ status: 599, body: "who knows" }),
              Script.reply({ status: 302, headers: { location: "/elsewhere" } }),
              Script.error(ErrorReply.internalServerError)
            ],
            "std-bounded": [Script.forever(answer())]
          })
        )
      )
    )
  )
})

describe("metrics of an admission gate", () => {
  it.effect("are its state at the moment they are read", () =>
    Effect.gen(function* () {
      const state = Effect.map(
        Effect.all([metrics.queueDepth, metrics.utilization, metrics.pace].map((name) => series(name, of("gated")))),
        (found) => found.map(([only]) => only?.value)
      )
      // A bucket of 10 s at 100 tokens a second.
      const gate = yield* Admission.make({ tokensPerSecond: 100, burstMs: 10_000, size: "exact", deployment: "gated" })
      const ask = (order: number, cost: number) =>
        gate.enter({ priority: 0, order, cost, latest: 1n << 60n }, (waiting) => waiting)

      assert.deepStrictEqual(yield* state, [0, 0, 100])
      yield* ask(1, 500)
      assert.deepStrictEqual(yield* state, [0, 0.5, 100])
      yield* ask(2, 600)
      yield* Effect.fork(ask(3, 100))
      yield* Effect.yieldNow()
      assert.deepStrictEqual(yield* state, [1, 1.1, 100])
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* state)[0], 0)
      // Nothing happens, and it drains.
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(yield* state, [0, 0, 100])
    }).pipe(Effect.scoped)
  )
})
