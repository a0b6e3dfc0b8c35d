import type { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, ChatStream, Credential, Deployment, Responses } from "@spillway/azure-openai"
import type { CallError, StreamBroken } from "@spillway/azure-openai"
import { RetryAfter } from "@spillway/core"
import { Emulator, InStreamThrottle, Script } from "@spillway/emulator"
import type { EmulatorConfig } from "@spillway/emulator"
import { Effect, Exit, Fiber, Layer, Redacted, Schedule, Schema, Stream, TestClock } from "effect"

const endpoint = "https://contoso.openai.azure.com"
const apiKey = Redacted.make("key")
const messages = [{ role: "user" as const, content: "Why is the sky blue?" }]

const latency = { firstTokenMs: 100, tokensPerSecond: 100 }
const provisioned = { name: "gpt-4o-ptu", kind: "provisioned", model: "gpt-4o", latency } as const
const standard = { name: "gpt-4o", kind: "standard", model: "gpt-4o", latency } as const
const embedding = { name: "embeddings", kind: "standard", model: "text-embedding-3-small", latency } as const

const at = (deployment: string, more?: Partial<Deployment.Options>): Deployment.Options => ({
  deployment,
  model: "gpt-4o",
  endpoint,
  apiKey,
  ...more
})

const chain = (options?: Partial<Deployment.Options>) =>
  Deployment.provisioned(at("gpt-4o-ptu", options)).pipe(
    Deployment.retry(RetryAfter.within("4 seconds")),
    Deployment.orElse(Deployment.standard(at("gpt-4o", options)))
  )

/** Runs against an emulator, as far as ten minutes of virtual time go, and says how long it took. */
const over = <A, E, E2>(
  emulator: Layer.Layer<Emulator.Emulator>,
  deployment: Layer.Layer<Deployment.Deployment, E2, HttpClient.HttpClient>,
  effect: Effect.Effect<A, E, Deployment.Deployment | Emulator.Emulator>
) =>
  Effect.gen(function* () {
    const timed = Effect.gen(function* () {
      const exit = yield* Effect.exit(effect)
      return { exit, took: yield* Effect.clockWith((clock) => clock.currentTimeMillis) }
    })
    const fiber = yield* Effect.fork(timed)
    yield* TestClock.adjust("10 minutes")
    const { exit, took } = yield* Fiber.join(fiber)
    const { requests } = yield* Emulator.Emulator
    return { exit, took, asked: (yield* requests).map(({ deployment, status }) => `${deployment} ${status}`) }
  }).pipe(
    Effect.provide(Layer.orDie(deployment).pipe(Layer.provideMerge(Emulator.layerClient), Layer.provideMerge(emulator)))
  )

const value = <A>(exit: Exit.Exit<A, unknown>): A => {
  if (Exit.isFailure(exit)) throw new Error(`failed: ${exit.cause.toString()}`)
  return exit.value
}

const failure = (exit: Exit.Exit<unknown, CallError.CallError | StreamBroken.StreamBroken>) => {
  if (Exit.isSuccess(exit) || exit.cause._tag !== "Fail") throw new Error("expected a typed failure")
  return exit.cause.error
}

const emulated = (config: Partial<EmulatorConfig.EmulatorConfig>) =>
  Emulator.layer({ deployments: [provisioned, standard, embedding], ...config })

describe("the surface, over the emulator", () => {
  for (const contentFilter of ["default", "asynchronous", "unavailable"] as const) {
    it.effect(`a stream comes to the same completion as the whole, content filter ${contentFilter}`, () =>
      Effect.gen(function* () {
        const { exit } = yield* over(
          emulated({ deployments: [{ ...provisioned, contentFilter }] }),
          Deployment.provisioned(at("gpt-4o-ptu")),
          Effect.all([
            AzureOpenAI.chat({ messages }),
            ChatStream.completion(AzureOpenAI.chatStream({ messages, stream_options: { include_usage: true } }))
          ])
        )
        const [whole, streamed] = value(exit)

        assert.isNotEmpty(whole.text)
        assert.strictEqual(streamed.choices[0]?.message.content, whole.text)
        assert.strictEqual(streamed.choices[0]?.finish_reason, whole.completion.choices[0]?.finish_reason)
        assert.strictEqual(streamed.usage?.total_tokens, whole.usage?.total_tokens)
      })
    )
  }

  it.effect("tool calls come whole and in pieces, and JSON is decoded", () =>
    Effect.gen(function* () {
      const tools = {
        messages,
        tool_choice: "required" as const,
        tools: [
          {
            type: "function" as const,
            function: {
              name: "add",
              parameters: { type: "object", properties: { a: { type: "number" } }, required: ["a"] }
            }
          }
        ]
      }
      const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
      const { exit } = yield* over(
        emulated({}),
        chain(),
        Effect.all([
          AzureOpenAI.chat(tools),
          ChatStream.completion(AzureOpenAI.chatStream(tools)),
          AzureOpenAI.chatJson({ messages }, Person)
        ])
      )
      const [whole, streamed, json] = value(exit)

      const calls = whole.completion.choices[0]?.message.tool_calls ?? []
      assert.strictEqual(calls[0]?.function?.name, "add")
      assert.deepStrictEqual(
        streamed.choices[0]?.message.tool_calls?.map((call) => call.function),
        calls.map((call) => call.function)
      )
      assert.isString(json.value.name)
    })
  )

  for (const [name, throttle] of Object.entries(InStreamThrottle.reported)) {
    it.effect(`a throttle within a stream of responses is waited out, then taken over: ${name}`, () =>
      Effect.gen(function* () {
        const steps = Array.from({ length: 10 }, () => Script.stream(throttle))
        const script = Script.make({
          "gpt-4o-ptu": [Script.stream(throttle), Script.answer({ text: "hello" }), ...steps],
          "gpt-4o": [Script.answer({ text: "standard" })]
        })
        const text = Responses.text(AzureOpenAI.responseStream({ input: "Hi" }))
        const { asked, exit } = yield* over(Emulator.layerScripted(script), chain(), Effect.all([text, text]))

        assert.deepStrictEqual(value(exit), ["hello", "standard"])
        assert.deepStrictEqual(asked.slice(0, 2), ["gpt-4o-ptu 200", "gpt-4o-ptu 200"])
        assert.strictEqual(asked.at(-1), "gpt-4o 200")
        // One second each fits four times into four seconds.
        if ("retry-after-ms" in throttle.headers) assert.strictEqual(asked.length, 2 + 5 + 1)
      })
    )
  }

  const ends: ReadonlyArray<readonly [EmulatorConfig.EmulatorConfig["faults"], StreamBroken.Broken | "finished"]> = [
    [[{ fault: "truncate", afterBytes: 9000 }], "connection"],
    [[{ fault: "reset", afterBytes: 9000 }], "connection"],
    [[{ fault: "silence", afterBytes: 9000 }], "silence"],
    [[{ fault: "filter", of: "completion" }], "finished"]
  ]
  for (const [faults, reason] of ends) {
    it.effect(`a stream that began is never begun again: ${faults?.[0]?.fault}`, () =>
      Effect.gen(function* () {
        const { asked, exit } = yield* over(
          emulated({
            deployments: [{ ...provisioned, burstTokens: 1, answerTokens: { min: 200, max: 200 } }, standard],
            faults: faults?.map((fault) => ({ ...fault, stream: true })) ?? []
          }),
          chain({ idleTimeout: "30 seconds" }),
          Effect.either(ChatStream.completion(AzureOpenAI.chatStream({ messages })))
        )
        const result = value(exit)

        if (reason === "finished") {
          assert.strictEqual(result._tag === "Right" && result.right.choices[0]?.finish_reason, "content_filter")
        } else {
          const error = result._tag === "Left" ? result.left : undefined
          assert.strictEqual(error?._tag, "StreamBroken")
          assert.strictEqual(error?._tag === "StreamBroken" && error.reason, reason)
          assert.isAbove(error?._tag === "StreamBroken" ? Redacted.value(error.text).length : 0, 0)
        }
        assert.deepStrictEqual(asked, ["gpt-4o-ptu 200"])
      })
    )
  }

  const early: ReadonlyArray<NonNullable<EmulatorConfig.EmulatorConfig["faults"]>[number]> = [
    { fault: "truncate", afterBytes: 0 },
    { fault: "truncate", afterBytes: 300 },
    { fault: "reset", afterBytes: 300 },
    { fault: "silence", afterBytes: 300 },
    { fault: "silence" },
    { fault: "refuse" },
    { fault: "malformed" },
    { fault: "status", status: 503 }
  ]
  for (const fault of early) {
    it.effect(`a stream that did not begin is taken over: ${JSON.stringify(fault)}`, () =>
      Effect.gen(function* () {
        const { asked, exit } = yield* over(
          emulated({ faults: [{ ...fault, deployment: "gpt-4o-ptu" }] }),
          chain({ firstOutputTimeout: "20 seconds" }),
          Effect.scoped(
            Effect.flatMap(AzureOpenAI.beginChatStream({ messages }), ({ chunks, served }) =>
              Effect.map(ChatStream.text(chunks), (text) => ({ text, served }))
            )
          )
        )
        const { served, text } = value(exit)

        assert.isNotEmpty(text)
        assert.deepStrictEqual([served.outcome, served.servedBy, asked.length], ["fallback", "standard", 2])
      })
    )
  }

  for (const spilloverHeaders of ["current", "legacy"] as const) {
    for (const by of ["property", "header"] as const) {
      it.effect(`what Azure itself spilled is Standard's, by ${by}, ${spilloverHeaders} headers`, () =>
        Effect.gen(function* () {
          const full = { ...provisioned, windowSeconds: 0.001 }
          const { asked, exit } = yield* over(
            emulated({
              spilloverHeaders,
              deployments: [by === "property" ? { ...full, spilloverDeploymentName: "gpt-4o" } : full, standard]
            }),
            Deployment.provisioned(at("gpt-4o-ptu", by === "header" ? { spilloverDeployment: "gpt-4o" } : {})),
            Effect.all([AzureOpenAI.chat({ messages }), AzureOpenAI.chat({ messages })], { concurrency: 2 })
          )

          // The first takes all there is; the second finds it full.
          assert.deepStrictEqual(
            value(exit).map(({ served }) => [served.deployment, served.servedBy, served.outcome]),
            [
              ["gpt-4o-ptu", "provisioned", "served"],
              ["gpt-4o-ptu", "standard", "served"]
            ]
          )
          assert.strictEqual(asked.length, 2)
        })
      )
    }
  }

  it.effect("embeddings, one by one and together", () =>
    Effect.gen(function* () {
      const { asked, exit } = yield* over(
        emulated({}),
        Deployment.standard(at("embeddings")),
        Effect.all([
          AzureOpenAI.embeddings({ input: ["a", "b"], encoding_format: "float" }),
          Effect.forEach(["a", "b"], (text) => AzureOpenAI.embed(text), { batching: true })
        ])
      )
      const [floats, base64] = value(exit)

      assert.strictEqual(floats.vectors[0]?.length, 1536)
      assert.deepStrictEqual(
        base64.map((vector) => vector.map((x) => x.toFixed(5))),
        floats.vectors.map((vector) => vector.map((x) => Math.fround(x).toFixed(5)))
      )
      assert.deepStrictEqual(asked, ["embeddings 200", "embeddings 200"])
    })
  )

  it.effect("a response in the background is polled, gone on from and deleted, where it was made", () =>
    Effect.gen(function* () {
      const { exit } = yield* over(
        emulated({}),
        chain(),
        Effect.gen(function* () {
          const first = yield* AzureOpenAI.createResponse({ input: "Hi", background: true })
          const done = yield* AzureOpenAI.getResponse(first.response.id).pipe(
            Effect.repeat(
              Schedule.recurUntil<Responses.Response>(
                ({ status }) => status !== "queued" && status !== "in_progress"
              ).pipe(Schedule.addDelay(() => "500 millis"))
            )
          )
          const next = yield* AzureOpenAI.createResponse({ input: "More", previous_response_id: first.response.id })
          yield* AzureOpenAI.deleteResponse(first.response.id)
          const gone = yield* Effect.flip(AzureOpenAI.getResponse(first.response.id))
          return { first, done, next, gone }
        })
      )
      const { done, first, gone, next } = value(exit)

      assert.strictEqual(first.response.status, "queued")
      assert.strictEqual(done.status, "completed")
      assert.isNotEmpty(Responses.outputText(done))
      assert.isNotEmpty(next.text)
      assert.strictEqual(gone._tag, "NotFound")
    })
  )

  it.effect("a token that expires at the service is replaced for the next call", () =>
    Effect.gen(function* () {
      let n = 0
      const credential = Credential.cached(
        Effect.sync(() => ({ token: Redacted.make(`token-${++n}`), expiresAt: Number.MAX_SAFE_INTEGER }))
      )
      const { asked, exit } = yield* over(
        emulated({ apiKeys: [], entra: { tokens: [{ value: "token-1", expiresAt: 60_000 }, { value: "token-2" }] } }),
        Deployment.standard({ deployment: "gpt-4o", endpoint, credential }),
        Effect.gen(function* () {
          yield* AzureOpenAI.chat({ messages })
          yield* Effect.sleep("2 minutes")
          const error = yield* Effect.flip(AzureOpenAI.chat({ messages }))
          yield* AzureOpenAI.chat({ messages })
          return error
        })
      )

      assert.deepStrictEqual([value(exit)._tag, value(exit).status], ["Unauthorized", 401])
      assert.deepStrictEqual(asked, ["gpt-4o 200", "gpt-4o 401", "gpt-4o 200"])
    })
  )

  it.effect("what is too large, or goes nowhere, ends with a clear error", () =>
    Effect.gen(function* () {
      const long = { messages: [{ role: "user" as const, content: "x".repeat(5000) }] }
      const here = yield* over(
        emulated({}),
        Deployment.standard(at("gpt-4o", { bodyLimit: 1000 })),
        AzureOpenAI.chat(long)
      )
      const reply = yield* over(
        emulated({}),
        Deployment.standard(at("gpt-4o", { bodyLimit: 300 })),
        AzureOpenAI.chat({ messages })
      )
      const there = yield* over(
        emulated({ maxBodyBytes: 1000 }),
        Deployment.standard(at("gpt-4o")),
        AzureOpenAI.chat(long)
      )
      const nowhere = yield* over(
        emulated({}),
        Deployment.standard(at("missing")),
        Stream.runDrain(AzureOpenAI.chatStream({ messages }))
      )

      const limit = failure(here.exit)
      assert.match(limit.message, /request refused because of body: \d+ bytes, expected at most 1000/)
      assert.deepStrictEqual(here.asked, [])
      assert.strictEqual(failure(reply.exit)._tag, "Malformed")
      assert.deepStrictEqual([failure(there.exit)._tag, failure(there.exit).status], ["BadRequest", 413])
      assert.deepStrictEqual(
        [failure(nowhere.exit)._tag, failure(nowhere.exit).code],
        ["NotFound", "DeploymentNotFound"]
      )
    })
  )
})
