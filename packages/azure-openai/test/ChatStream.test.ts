import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, ChatStream, Deployment } from "@spillway/azure-openai"
import type { CallError, ChatCompletion, StreamBroken } from "@spillway/azure-openai"
import { CallSettings, RetryAfter } from "@spillway/core"
import { Chunk, Effect, Exit, FastCheck as fc, Fiber, Layer, Option, Redacted, Stream, TestClock } from "effect"
import { recorder } from "./support/recorder.js"
import type { Piece, Prepared } from "./support/wire.js"
import {
  chatEvents,
  done,
  event,
  finishChunk,
  promptFilter,
  ptu,
  roleChunk,
  sse,
  standard,
  textChunk,
  usageChunk,
  wire
} from "./support/wire.js"

const request: ChatCompletion.ChatStreamRequest = { messages: [{ role: "user", content: "Hi" }] }

const answer = (...pieces: ReadonlyArray<Piece>): Prepared => ({ headers: sse, pieces })

const throttle = (ms: number): Prepared => ({
  status: 429,
  headers: { "retry-after-ms": String(ms) },
  pieces: ["{}"]
})

const chain = (options?: Partial<Deployment.Options>) =>
  ptu(options).pipe(Deployment.retry(RetryAfter.within("4 seconds")), Deployment.orElse(standard(options)))

/** Runs a stream under the test's clock, and gives what came of it with the events that came before. */
const run = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  Effect.suspend(() => {
    const received: Array<A> = []
    return Effect.map(
      Effect.exit(Stream.runForEach(stream, (value) => Effect.sync(() => received.push(value)))),
      (exit) => ({ received, exit })
    )
  })

const advance = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    for (let i = 0; i < 40; i++) yield* TestClock.adjust("500 millis")
    return yield* Fiber.join(fiber)
  })

const failure = (exit: Exit.Exit<unknown, CallError.CallError | StreamBroken.StreamBroken>) => {
  if (Exit.isSuccess(exit)) throw new Error("expected a failure")
  const error = exit.cause._tag === "Fail" ? exit.cause.error : undefined
  if (error === undefined) throw new Error(`expected a typed failure: ${exit.cause.toString()}`)
  return error
}

const textOf = (chunks: ReadonlyArray<ChatStream.ChatChunk>): string =>
  chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("")

describe("AzureOpenAI.chatStream", () => {
  it.effect("gives every chunk in order, the preamble once, and ends the spans with the stream", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([
        answer(...chatEvents("Hel", "lo").flatMap((text): ReadonlyArray<Piece> => [text, { wait: "1 second" }]))
      ])
      const { layer: tracer, spans, tree } = recorder()

      const { exit, received } = yield* advance(run(AzureOpenAI.chatStream(request))).pipe(
        Effect.provide([ptu().pipe(Layer.provide(layer)), tracer])
      )

      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(received, [promptFilter, roleChunk, textChunk("Hel"), textChunk("lo"), finishChunk()])
      assert.deepStrictEqual(sent[0]?.body, { ...request, stream: true, model: "gpt-4o-ptu" })
      assert.strictEqual(sent[0]?.headers["accept"], "text/event-stream")
      // The body stays open for a second after [DONE]: it is not waited for that long.
      assert.strictEqual(tree(), "chat gpt-4o ok 0-5250\n  attempt provisioned ok 0-5250")
      assert.deepStrictEqual(
        [
          "gen_ai.request.stream",
          "spillway.outcome",
          "spillway.served_by",
          "gen_ai.response.id",
          "gen_ai.response.finish_reasons"
        ].map((key) => spans[0]?.attributes.get(key)),
        [true, "served", "provisioned", "chatcmpl-1", "stop"]
      )
    })
  )

  it.effect("waits, falls back, and lets one preamble through where the first broke off in its own", () =>
    Effect.gen(function* () {
      const { aborted, layer, sent } = wire([
        throttle(1000),
        answer(event(promptFilter), event(roleChunk), { reset: true }),
        answer(...chatEvents("Hello"))
      ])
      const { layer: tracer, tree } = recorder()

      const { exit, received } = yield* advance(run(AzureOpenAI.chatStream(request))).pipe(
        Effect.provide([chain().pipe(Layer.provide(layer)), tracer])
      )

      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(received, [promptFilter, roleChunk, textChunk("Hello"), finishChunk()])
      assert.deepStrictEqual(
        sent.map(({ body }) => body?.["model"]),
        ["gpt-4o-ptu", "gpt-4o-ptu", "gpt-4o"]
      )
      assert.deepStrictEqual(aborted, [])
      assert.strictEqual(
        tree(),
        [
          "chat gpt-4o ok 0-1000",
          "  attempt provisioned error 0-0",
          "  wait ok 0-1000",
          "  attempt provisioned error 1000-1000",
          "  attempt standard ok 1000-1000"
        ].join("\n")
      )
    })
  )

  it.effect("fails with StreamBroken once output has begun, and asks nobody again", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([answer(...chatEvents("Hello", " world").slice(0, 4), { reset: true })])
      const { layer: tracer, spans, tree } = recorder()

      const { exit, received } = yield* run(AzureOpenAI.chatStream(request)).pipe(
        Effect.provide([chain().pipe(Layer.provide(layer)), tracer])
      )

      const error = failure(exit)
      assert.strictEqual(error._tag, "StreamBroken")
      if (error._tag !== "StreamBroken") return
      assert.strictEqual(error.reason, "connection")
      assert.strictEqual(Redacted.value(error.text), "Hello world")
      assert.strictEqual(error.events, 4)
      assert.strictEqual(error.deployment, "gpt-4o-ptu")
      assert.deepStrictEqual(
        error.attempts.map(({ outcome }) => outcome),
        ["StreamBroken"]
      )
      assert.isFalse(JSON.stringify(error).includes("Hello"))
      assert.isFalse(String(error).includes("Hello"))
      assert.strictEqual(textOf(received), "Hello world")
      assert.strictEqual(sent.length, 1)
      assert.strictEqual(tree(), "chat gpt-4o error 0-0\n  attempt provisioned error 0-0")
      assert.deepStrictEqual(
        [spans[0]?.attributes.get("spillway.outcome"), spans[0]?.attributes.get("error.type")],
        ["failed", "StreamBroken"]
      )
      assert.strictEqual(spans[1]?.attributes.get("error.type"), "connection_error")
    })
  )

  const breaks: ReadonlyArray<readonly [string, ReadonlyArray<Piece>, StreamBroken.Broken, string]> = [
    ["ends without a finish", [], "ended", "Hello"],
    ["says [DONE] without a finish", [event(done)], "ended", "Hello"],
    ["sends no JSON", [event("{")], "malformed", "Hello"],
    ["sends a chunk of another shape", [event({ choices: [{ index: "x" }] })], "malformed", "Hello"],
    ["reports an error", [event({ error: { code: "server_error", message: "secret" } })], "server", "Hello"],
    ["reports a throttle", [event({ error: { code: "rate_limit_reached", message: "secret" } })], "throttled", "Hello"],
    ["falls silent", [{ hang: true }], "silence", "Hello"],
    [
      "is cut within a character",
      [event(textChunk("…")).slice(0, 20), new Uint8Array([0xe2]), { reset: true }],
      "connection",
      "Hello"
    ]
  ]
  for (const [name, pieces, reason, text] of breaks) {
    it.effect(`breaks when the stream ${name}`, () =>
      Effect.gen(function* () {
        const { layer, sent } = wire([answer(...chatEvents("Hello").slice(0, 3), ...pieces)])

        const { exit, received } = yield* advance(run(AzureOpenAI.chatStream(request))).pipe(
          Effect.provide(chain({ idleTimeout: "10 seconds" }).pipe(Layer.provide(layer)))
        )

        const error = failure(exit)
        assert.strictEqual(error._tag, "StreamBroken")
        assert.strictEqual(error._tag === "StreamBroken" && error.reason, reason)
        assert.isFalse(String(error).includes("secret"))
        assert.strictEqual(textOf(received), text)
        assert.strictEqual(sent.length, 1)
      })
    )
  }

  const beforeOutput: ReadonlyArray<readonly [string, Prepared]> = [
    ["is cut off", answer(event(promptFilter), { reset: true })],
    ["ends", answer(event(promptFilter), event(roleChunk))],
    ["is empty", answer()],
    ["sends no JSON", answer(event("<html>"))],
    ["is HTML", { headers: { "content-type": "text/html" }, pieces: ["<html>"] }],
    ["reports a fault", answer(event({ error: { code: "server_error", message: "…" } }))],
    [
      "reports a throttle",
      answer(event(promptFilter), event({ error: { type: "too_many_requests", message: "…" } }, "error"))
    ],
    ["takes too long to begin", answer(event(promptFilter), { hang: true })],
    ["does not begin at all", { ...answer(), delay: "1 hour" }]
  ]
  for (const [name, reply] of beforeOutput) {
    it.effect(`falls back when a stream ${name} before its output`, () =>
      Effect.gen(function* () {
        const { layer, sent } = wire([reply, answer(...chatEvents("Hello"))])

        const { exit, received } = yield* advance(run(AzureOpenAI.chatStream(request))).pipe(
          CallSettings.withMaxWait(0),
          Effect.provide(chain({ firstOutputTimeout: "10 seconds" }).pipe(Layer.provide(layer)))
        )

        assert.isTrue(Exit.isSuccess(exit))
        assert.strictEqual(textOf(received), "Hello")
        assert.deepStrictEqual(
          sent.map(({ body }) => body?.["model"]),
          ["gpt-4o-ptu", "gpt-4o"]
        )
      })
    )
  }

  const stops: ReadonlyArray<readonly [string, Prepared, CallError.CallError["_tag"]]> = [
    ["a chunk of another shape", answer(event({ choices: "x" })), "Malformed"],
    ["a filtered prompt", answer(event({ error: { code: "content_filter", message: "…" } })), "ContentFiltered"],
    [
      "a request refused in the stream",
      answer(event({ error: { code: "invalid_prompt", message: "…" } })),
      "BadRequest"
    ],
    ["a request refused", { status: 400, pieces: ["{}"] }, "BadRequest"],
    ["an event over the limit", answer(`data: ${"x".repeat(2000)}`), "Malformed"]
  ]
  for (const [name, reply, tag] of stops) {
    it.effect(`stops at ${name}`, () =>
      Effect.gen(function* () {
        const { layer, sent } = wire([reply])

        const { exit, received } = yield* run(AzureOpenAI.chatStream(request)).pipe(
          Effect.provide(chain({ bodyLimit: 1000 }).pipe(Layer.provide(layer)))
        )

        assert.strictEqual(failure(exit)._tag, tag)
        assert.deepStrictEqual(received, [])
        assert.strictEqual(sent.length, 1)
      })
    )
  }

  it.effect("sends nothing for a request that cannot be right", () =>
    Effect.gen(function* () {
      const { layer, sent } = wire([])

      const { exit } = yield* run(AzureOpenAI.chatStream({ ...request, temperature: 9 })).pipe(
        Effect.provide(ptu().pipe(Layer.provide(layer)))
      )

      const error = failure(exit)
      assert.strictEqual(error._tag === "BadRequest" && error.param, "temperature")
      assert.strictEqual(sent.length, 0)
    })
  )

  it.effect("ends without [DONE] where every choice has finished", () =>
    Effect.gen(function* () {
      const { layer } = wire([answer(...chatEvents("Hello").slice(0, -1))])

      const text = yield* ChatStream.text(AzureOpenAI.chatStream(request)).pipe(
        Effect.provide(ptu().pipe(Layer.provide(layer)))
      )

      assert.strictEqual(text, "Hello")
    })
  )

  it.effect("gives up the connection and ends the spans well when the consumer has enough", () =>
    Effect.gen(function* () {
      const { aborted, layer } = wire([answer(...chatEvents("a", "b").slice(0, 3), { hang: true })])
      const { layer: tracer, spans, tree } = recorder()

      const received = yield* AzureOpenAI.chatStream(request).pipe(
        Stream.take(3),
        Stream.runCollect,
        Effect.provide([ptu().pipe(Layer.provide(layer)), tracer])
      )

      assert.strictEqual(Chunk.size(received), 3)
      assert.deepStrictEqual(aborted, [0])
      assert.strictEqual(tree(), "chat gpt-4o ok 0-0\n  attempt provisioned ok 0-0")
      assert.strictEqual(spans[0]?.attributes.get("spillway.outcome"), "served")
    })
  )

  const interruptions: ReadonlyArray<readonly [string, Prepared, ReadonlyArray<number>, string]> = [
    [
      "after its output began",
      answer(...chatEvents("a").slice(0, 3), { hang: true }),
      [0],
      "  attempt provisioned interrupted 0-1000"
    ],
    ["before its output", answer(event(promptFilter), { hang: true }), [0], "  attempt provisioned interrupted 0-1000"],
    ["in a wait", throttle(3000), [], "  attempt provisioned error 0-0\n  wait interrupted 0-1000"]
  ]
  for (const [when, reply, aborts, below] of interruptions) {
    it.effect(`gives up the connection and ends the spans when interrupted ${when}`, () =>
      Effect.gen(function* () {
        const { aborted, layer } = wire([reply])
        const { layer: tracer, spans, tree } = recorder()

        yield* Effect.gen(function* () {
          const fiber = yield* Effect.fork(Stream.runDrain(AzureOpenAI.chatStream(request)))
          yield* TestClock.adjust("1 seconds")
          yield* Fiber.interrupt(fiber)
        }).pipe(Effect.provide([chain().pipe(Layer.provide(layer)), tracer]))

        assert.deepStrictEqual(aborted, aborts)
        assert.strictEqual(tree(), `chat gpt-4o interrupted 0-1000\n${below}`)
        assert.strictEqual(spans[0]?.attributes.get("spillway.outcome"), "interrupted")
      })
    )
  }

  it.effect("reads no further than the consumer asks", () =>
    Effect.gen(function* () {
      const { layer, pulled } = wire([answer(...chatEvents(...Array.from({ length: 100 }, (_, n) => `${n} `)))])

      yield* Effect.scoped(
        Effect.gen(function* () {
          const { chunks } = yield* AzureOpenAI.beginChatStream(request)
          const pull = yield* Stream.toPull(chunks)
          assert.strictEqual(pulled(0), 3)
          yield* pull
          assert.strictEqual(pulled(0), 3)
          yield* pull
          yield* TestClock.adjust("1 second")
          assert.strictEqual(pulled(0), 4)
        })
      ).pipe(Effect.provide(ptu().pipe(Layer.provide(layer))))
    })
  )

  it.effect("ends a stream at the call's deadline", () =>
    Effect.gen(function* () {
      const texts = Array.from({ length: 20 }, (_, n) => `${n} `)
      const pieces = chatEvents(...texts).flatMap((text): ReadonlyArray<Piece> => [text, { wait: "1 second" }])
      const { aborted, layer } = wire([answer(...pieces)])

      const { exit, received } = yield* advance(run(AzureOpenAI.chatStream(request))).pipe(
        CallSettings.withDeadline("5500 millis"),
        Effect.provide(chain().pipe(Layer.provide(layer)))
      )

      const error = failure(exit)
      assert.strictEqual(error._tag === "StreamBroken" && error.reason, "deadline")
      assert.strictEqual(textOf(received), "0 1 2 3 ")
      assert.deepStrictEqual(aborted, [0])
    })
  )

  it.effect("says who serves before the text comes", () =>
    Effect.gen(function* () {
      const { layer } = wire([throttle(9000), answer(...chatEvents("Hello"))])

      const { served, text } = yield* Effect.scoped(
        Effect.gen(function* () {
          const { chunks, served } = yield* AzureOpenAI.beginChatStream(request)
          return { served, text: yield* ChatStream.text(chunks) }
        })
      ).pipe(Effect.provide(chain().pipe(Layer.provide(layer))))

      assert.strictEqual(text, "Hello")
      assert.deepStrictEqual(
        [served.deployment, served.servedBy, served.outcome, served.requestId, served.attempts.length],
        ["gpt-4o", "standard", "fallback", "7c9e6679-7425-40de-944b-e07fc1f90ae7", 2]
      )
    })
  )

  it.effect("delivers a prefix of what was sent, never repeated, all of it when nothing broke", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.fullUnicodeString({ minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 8 }),
          fc.constantFrom("\n", "\r\n", "\r"),
          fc.array(fc.nat(60), { maxLength: 30 }),
          fc.option(fc.nat(1000), { nil: undefined }),
          fc.boolean(),
          (texts, lineEnd, cuts, breakAt, clean) => {
            const whole = new TextEncoder().encode(
              `: hi\n\n${chatEvents(...texts).join(": keep-alive\n\n")}`.replaceAll("\n", lineEnd)
            )
            const broken = breakAt !== undefined && breakAt < whole.length
            const bytes = broken ? whole.slice(0, breakAt) : whole
            const packets: Array<Piece> = []
            let at = 0
            for (const cut of cuts) {
              packets.push(bytes.slice(at, at + cut))
              at += cut
            }
            packets.push(bytes.slice(at))
            if (broken && !clean) packets.push({ reset: true })
            const { layer, sent } = wire([answer(...packets), answer(...chatEvents("FALLBACK"))])
            return run(AzureOpenAI.chatStream(request)).pipe(
              Effect.provide(chain().pipe(Layer.provide(layer))),
              Effect.map(({ exit, received }) => {
                const text = textOf(received)
                const all = texts.join("")
                assert.strictEqual(received.filter((chunk) => chunk.choices.length === 0).length <= 1, true)
                if (sent.length === 2) {
                  assert.isTrue(broken)
                  assert.strictEqual(text, "FALLBACK")
                } else if (Exit.isSuccess(exit)) {
                  assert.strictEqual(text, all)
                } else {
                  const error = failure(exit)
                  assert.isTrue(broken)
                  assert.isTrue(all.startsWith(text))
                  assert.strictEqual(error._tag === "StreamBroken" && Redacted.value(error.text), text)
                  assert.strictEqual(error._tag === "StreamBroken" && error.events, received.length)
                }
              }),
              Effect.runPromise
            )
          }
        ),
        { numRuns: 150 }
      )
    )
  )
})

describe("ChatStream", () => {
  const chunks = Stream.make<Array<ChatStream.ChatChunk>>(
    promptFilter,
    roleChunk,
    {
      choices: [
        {
          index: 0,
          delta: {
            tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "add", arguments: "" } }]
          }
        }
      ]
    },
    { choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: '{"a":' } }] } }] },
    { choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: "1}" } }] } }] },
    { choices: [{ index: 1, delta: { content: "other" } }] },
    { choices: [{ index: 0, finish_reason: "tool_calls", delta: {} }] },
    usageChunk
  )

  it.effect("puts the chunks together to a completion", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ChatStream.completion(chunks), {
        id: "chatcmpl-1",
        object: "chat.completion",
        created: 1,
        model: "gpt-4o-2024-11-20",
        prompt_filter_results: [{ prompt_index: 0, content_filter_results: {} }],
        usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
        choices: [
          {
            index: 0,
            finish_reason: "tool_calls",
            message: {
              role: "assistant",
              content: null,
              refusal: null,
              tool_calls: [{ id: "call_1", type: "function", function: { name: "add", arguments: '{"a":1}' } }]
            }
          },
          { index: 1, finish_reason: null, message: { role: "assistant", content: "other", refusal: null } }
        ]
      })
    })
  )

  it.effect("loses nothing that has no name here, and puts together what comes in pieces", () =>
    Effect.gen(function* () {
      const logprob = (token: string) => ({ token, logprob: -1, top_logprobs: [] })
      const of = (delta: Record<string, unknown>, more?: Record<string, unknown>): ChatStream.ChatChunk => ({
        id: "c",
        object: "chat.completion.chunk",
        created: 7,
        system_fingerprint: "fp_1",
        obfuscation: "xxxx",
        choices: [{ index: 0, delta, finish_reason: null, ...more }]
      })
      const tool = (piece: Record<string, unknown>) => of({ tool_calls: [{ index: 0, ...piece }] })
      const custom = (piece: Record<string, unknown>) => of({ tool_calls: [{ index: 1, ...piece }] })

      const { choices, ...rest } = yield* ChatStream.completion(
        Stream.make(
          of({ role: "assistant", content: "", reasoning_content: "Let me " }, { logprobs: null }),
          of({ reasoning_content: "think.", context: { citations: [{ title: "a" }] } }),
          of({ context: { citations: [{ title: "b" }], intent: "?" } }),
          of({ content: "Hel" }, { logprobs: { content: [logprob("Hel")], refusal: null } }),
          of({ content: "lo" }, { logprobs: { content: [logprob("lo")] } }),
          tool({ id: "call_1", type: "function", function: { name: "add", arguments: "" } }),
          tool({ id: "", type: "", function: { arguments: "{}" } }),
          tool({ id: null, function: { name: null } }),
          custom({ id: "call_2", type: "custom", custom: { name: "sql", input: "" } }),
          custom({ custom: { input: "SELECT " } }),
          custom({ custom: { input: "1" } }),
          of({}, { finish_reason: "stop", content_filter_results: { hate: { filtered: false } } }),
          {
            id: "",
            object: "",
            created: 0,
            model: "",
            choices: [{ index: 0, content_filter_results: { violence: { filtered: false } } }]
          }
        )
      )

      assert.deepStrictEqual(rest, {
        id: "c",
        object: "chat.completion",
        created: 7,
        system_fingerprint: "fp_1"
      })
      assert.deepStrictEqual(choices, [
        {
          index: 0,
          finish_reason: "stop",
          content_filter_results: { hate: { filtered: false }, violence: { filtered: false } },
          logprobs: { content: [logprob("Hel"), logprob("lo")], refusal: null },
          message: {
            role: "assistant",
            content: "Hello",
            refusal: null,
            reasoning_content: "Let me think.",
            context: { citations: [{ title: "a" }, { title: "b" }], intent: "?" },
            tool_calls: [
              { id: "call_1", type: "function", function: { name: "add", arguments: "{}" } },
              { id: "call_2", type: "custom", custom: { name: "sql", input: "SELECT 1" } }
            ]
          }
        }
      ])
    })
  )

  it.effect("gives the usage, and the text of the first choice", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        Option.map(yield* ChatStream.usage(chunks), ({ total_tokens }) => total_tokens),
        Option.some(5)
      )
      assert.strictEqual(yield* ChatStream.text(chunks), "")
      assert.isTrue(Option.isNone(yield* ChatStream.usage(Stream.take(chunks, 2))))
    })
  )
})
