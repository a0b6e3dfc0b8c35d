import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, ChatStream, Deployment, StreamBroken } from "@spillway/azure-openai"
import type { ChatCompletion, Responses } from "@spillway/azure-openai"
import { CallSettings, RetryAfter } from "@spillway/core"
import { Cause, Clock, Effect, Exit, Fiber, Layer, Redacted, Stream, TestClock } from "effect"
import { recorder } from "./support/recorder.js"
import type { Piece, Prepared, Wire } from "./support/wire.js"
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
const requestId = "7c9e6679-7425-40de-944b-e07fc1f90ae7"

const answer = (...pieces: ReadonlyArray<Piece>): Prepared => ({ headers: sse, pieces })
const good = answer(...chatEvents("Hello"))

const retried = (options?: Partial<Deployment.Options>) =>
  ptu(options).pipe(Deployment.retry(RetryAfter.retries(2)), Deployment.orElse(standard(options)))

/** What a consumer got and how it ended, with the milliseconds that took under the test's clock. */
const outcome = <A, E, R>(stream: Stream.Stream<A, E, R>, within = 30_000) =>
  Effect.gen(function* () {
    const received: Array<A> = []
    const fiber = yield* Effect.fork(
      Effect.zip(
        Effect.exit(Stream.runForEach(stream, (value) => Effect.sync(() => received.push(value)))),
        Clock.currentTimeMillis
      )
    )
    for (let at = 0; at < within; at += 50) {
      if (fiber.unsafePoll() !== null) break
      yield* TestClock.adjust("50 millis")
    }
    assert.isNotNull(fiber.unsafePoll(), `still running after ${within} ms`)
    const [exit, ended] = yield* Fiber.join(fiber)
    const error = Exit.isFailure(exit) && exit.cause._tag === "Fail" ? exit.cause.error : undefined
    return { received, exit, error, ended }
  })

const over = ({ layer }: Wire, deployment = retried()) => Effect.provide(deployment.pipe(Layer.provide(layer)))

const textOf = (chunks: ReadonlyArray<ChatStream.ChatChunk>): string =>
  chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("")

const asked = ({ sent }: Wire) => sent.map(({ body }) => body?.["model"])

const broken = (error: unknown): StreamBroken.StreamBroken => {
  assert.instanceOf(error, StreamBroken.StreamBroken)
  return error as StreamBroken.StreamBroken
}

const responseRequest: Responses.ResponseStreamRequest = { input: "Hi", store: false }
const named = (data: { readonly type: string } & Record<string, unknown>) => event(data, data.type)
const created = named({ type: "response.created", response: { id: "resp_1", object: "response", output: [] } })
const delta = (text: string) => named({ type: "response.output_text.delta", delta: text })
const completed = named({
  type: "response.completed",
  response: { id: "resp_1", object: "response", status: "completed", output: [] }
})
const failedAlone = named({
  type: "response.failed",
  response: { id: "resp_1", object: "response", status: "failed", error: { message: "Rate limit exceeded" } }
})
const hinted = { ...sse, "retry-after-ms": "50" }
const pings = Array.from({ length: 40 }, (): ReadonlyArray<Piece> => [": ping\n\n", { wait: "100 millis" }]).flat()

describe("a stream that failed without a reason", () => {
  for (const [how, rest] of [
    ["is silent", [{ hang: true }]],
    ["sends nothing but comments", pings]
  ] as const) {
    it.effect(`is given 250 ms to say why, where it ${how}: then it was a throttle`, () =>
      Effect.gen(function* () {
        const server = wire([
          { headers: hinted, pieces: [created, failedAlone, ...rest] },
          { headers: sse, pieces: [created, delta("Hello"), completed] }
        ])
        const { layer: tracer, tree } = recorder()

        const { error, received } = yield* outcome(AzureOpenAI.responseStream(responseRequest)).pipe(
          over(server, ptu().pipe(Deployment.retry(RetryAfter.within("4 seconds")))),
          Effect.provide(tracer)
        )

        assert.isUndefined(error)
        assert.deepStrictEqual(
          received.map(({ type }) => type),
          ["response.created", "response.output_text.delta", "response.completed"]
        )
        assert.strictEqual(
          tree(),
          [
            "chat gpt-4o ok 0-300",
            "  attempt provisioned error 0-250",
            "  wait ok 250-300",
            "  attempt provisioned ok 300-300"
          ].join("\n")
        )
      })
    )

    it.effect(`breaks after as long, where it ${how} and output had begun`, () =>
      Effect.gen(function* () {
        const server = wire([{ headers: sse, pieces: [created, delta("Hello"), failedAlone, ...rest] }])

        const { ended, error } = yield* outcome(AzureOpenAI.responseStream(responseRequest)).pipe(over(server))

        assert.strictEqual(broken(error).reason, "throttled")
        assert.strictEqual(ended, 250)
        assert.deepStrictEqual(server.aborted, [0])
      })
    )
  }

  it.effect("keeps to what it said, where the connection is lost instead of a reason", () =>
    Effect.gen(function* () {
      const server = wire([{ headers: sse, pieces: [created, delta("Hello"), failedAlone, { reset: true }] }])

      const { error } = yield* outcome(AzureOpenAI.responseStream(responseRequest)).pipe(over(server))

      assert.strictEqual(broken(error).reason, "throttled")
    })
  )
})

describe("a preamble", () => {
  const padded = event({ ...roleChunk, padding: "x".repeat(400) })
  for (const [what, pieces] of [
    ["chunks", Array.from({ length: 100 }, () => padded)],
    ["comments", Array.from({ length: 100 }, () => `: ${"x".repeat(400)}\n\n`)]
  ] as const) {
    it.effect(`of ${what} may be no longer than a body`, () =>
      Effect.gen(function* () {
        const server = wire([answer(...pieces)])

        const { error, received } = yield* outcome(AzureOpenAI.chatStream(request)).pipe(
          over(server, retried({ bodyLimit: 2000 }))
        )

        assert.strictEqual(
          String(error),
          `Malformed: gpt-4o-ptu: an answer of unknown shape at byte 2000, the limit of a body (status 200, request ${requestId}, 1 request sent)`
        )
        assert.deepStrictEqual(received, [])
        assert.isAtMost(server.pulled(0), 6)
      })
    )
  }

  it.effect("may be as long as a body, and output goes on beyond", () =>
    Effect.gen(function* () {
      const texts = Array.from({ length: 40 }, (_, n) => `text ${n} `)
      const server = wire([answer(...chatEvents(...texts))])

      const { received } = yield* outcome(AzureOpenAI.chatStream(request)).pipe(
        over(server, retried({ bodyLimit: 1000 }))
      )

      assert.strictEqual(textOf(received), texts.join(""))
    })
  )

  // What comes after is a reset: a stream whose output had begun breaks, any other is asked for again.
  const firsts: ReadonlyArray<readonly [string, unknown, boolean]> = [
    ["a text", textChunk("Hi"), true],
    ["usage", usageChunk, true],
    ["a finish reason", finishChunk(), true],
    ["a refusal", { choices: [{ index: 0, delta: { refusal: "no" } }] }, true],
    ["a tool call", { choices: [{ index: 0, delta: { tool_calls: [{ index: 0, id: "call_1" }] } }] }, true],
    ["reasoning", { choices: [{ index: 0, delta: { reasoning_content: "hm" } }] }, true],
    ["the text of another choice", { choices: [{ index: 1, delta: { content: "Hi" } }] }, true],
    ["a role", roleChunk, false],
    ["an empty text", textChunk(""), false],
    ["no tool calls", { choices: [{ index: 0, delta: { role: "assistant", tool_calls: [] } }] }, false],
    ["no content", { choices: [{ index: 0, delta: { content: null } }] }, false],
    ["an annotation of the filter", { choices: [{ index: 0, content_filter_results: {} }] }, false],
    ["no usage yet", { choices: [], usage: null }, false]
  ]
  for (const [what, first, output] of firsts) {
    it.effect(`${output ? "ends with" : "goes on over"} ${what}`, () =>
      Effect.gen(function* () {
        const server = wire([answer(event(promptFilter), event(first), { reset: true }), good])

        const { error, received } = yield* outcome(
          AzureOpenAI.chatStream({ ...request, stream_options: { include_usage: true }, n: 2 })
        ).pipe(over(server, ptu().pipe(Deployment.orElse(standard()))))

        assert.deepStrictEqual(asked(server), output ? ["gpt-4o-ptu"] : ["gpt-4o-ptu", "gpt-4o"])
        if (output) {
          assert.strictEqual(broken(error).reason, "connection")
          assert.deepStrictEqual(received, [promptFilter, first as ChatStream.ChatChunk])
        }
      })
    )
  }
})

describe("a packet that brings output and a failure", () => {
  const throttle = event({ error: { code: "rate_limit_exceeded", message: "busy" } })

  it.effect("is not handed out where asking again may mend it", () =>
    Effect.gen(function* () {
      for (const failure of [throttle, event({ error: { code: "server_error", message: "…" } }), event("{")]) {
        const server = wire([answer(event(promptFilter), event(textChunk("Hel")) + failure), good])

        const { error, received } = yield* outcome(AzureOpenAI.chatStream(request)).pipe(
          over(server, ptu().pipe(Deployment.orElse(standard())))
        )

        assert.isUndefined(error)
        assert.strictEqual(textOf(received), "Hello")
        assert.deepStrictEqual(asked(server), ["gpt-4o-ptu", "gpt-4o"])
      }
    })
  )

  it.effect("is handed out where nothing would", () =>
    Effect.gen(function* () {
      const filtered = event({ error: { code: "content_filter", message: "…" } })
      for (const [failure, reason] of [
        [filtered, "filtered"],
        [event({ choices: "x" }), "malformed"]
      ] as const) {
        const server = wire([answer(event(promptFilter), event(textChunk("Hel")) + failure), good])

        const { error, received } = yield* outcome(AzureOpenAI.chatStream(request)).pipe(over(server))

        assert.strictEqual(broken(error).reason, reason)
        assert.strictEqual(textOf(received), "Hel")
        assert.strictEqual(server.sent.length, 1)
      }
    })
  )

  it.effect("is handed out where the request must not run twice", () =>
    Effect.gen(function* () {
      const failed = named({ type: "error", code: "server_error", message: "…" })
      const server = wire([{ headers: sse, pieces: [created, delta("Hel") + failed] }, good])

      const { error, received } = yield* outcome(AzureOpenAI.responseStream({ input: "Hi" })).pipe(over(server))

      assert.strictEqual(broken(error).reason, "server")
      assert.strictEqual(received.length, 2)
      assert.strictEqual(server.sent.length, 1)
    })
  )

  it.effect("is handed out where output had begun before", () =>
    Effect.gen(function* () {
      const server = wire([answer(event(textChunk("Hel")), event(textChunk("lo")) + throttle), good])

      const { error, received } = yield* outcome(AzureOpenAI.chatStream(request)).pipe(over(server))

      assert.strictEqual(broken(error).reason, "throttled")
      assert.strictEqual(textOf(received), "Hello")
      assert.strictEqual(server.sent.length, 1)
    })
  )
})

describe("the time to a stream's first output", () => {
  const silent = answer(event(promptFilter), { hang: true })

  it.effect("is an attempt's own; a success that had begun is served and billed, and not asked for again there", () =>
    Effect.gen(function* () {
      const server = wire([silent, good])

      const { ended, error, received } = yield* outcome(AzureOpenAI.chatStream(request)).pipe(
        over(server, retried({ firstOutputTimeout: "10 seconds" }))
      )

      assert.isUndefined(error)
      assert.strictEqual(textOf(received), "Hello")
      assert.deepStrictEqual(asked(server), ["gpt-4o-ptu", "gpt-4o"])
      assert.isAtLeast(ended, 10_000)
    })
  )

  it.effect("says which reply it gave up", () =>
    Effect.gen(function* () {
      const { error } = yield* outcome(AzureOpenAI.chatStream(request)).pipe(
        over(wire([silent]), ptu({ firstOutputTimeout: "10 seconds" }))
      )

      assert.strictEqual(
        String(error),
        `Unavailable: gpt-4o-ptu: sent a body that is not what was asked for, or was cut off (status 200, request ${requestId}, 1 request sent)`
      )
    })
  )

  it.effect("is asked for again where not even the headers came", () =>
    Effect.gen(function* () {
      const server = wire([{ ...good, delay: "1 hour" }, good])

      const { received } = yield* outcome(AzureOpenAI.chatStream(request)).pipe(
        over(server, retried({ firstOutputTimeout: "10 seconds" }))
      )

      assert.strictEqual(textOf(received), "Hello")
      assert.deepStrictEqual(asked(server), ["gpt-4o-ptu", "gpt-4o-ptu"])
    })
  )

  for (const [caller, deployment, attempt] of [
    ["2 seconds", undefined, 2000],
    ["2 seconds", "10 seconds", 2000],
    ["10 seconds", "2 seconds", 2000],
    [undefined, "2 seconds", 2000]
  ] as const) {
    it.effect(`is the smaller of the caller's (${caller}) and the deployment's (${deployment}), for each attempt`, () =>
      Effect.gen(function* () {
        const server = wire([silent, { ...good, delay: "1 second" }])
        const { layer: tracer, tree } = recorder()
        const stream = Stream.runDrain(AzureOpenAI.chatStream(request))
        const asCaller = caller === undefined ? stream : CallSettings.withFirstOutput(stream, caller)

        yield* outcome(Stream.fromEffect(asCaller)).pipe(
          over(
            server,
            ptu({ firstOutputTimeout: deployment }).pipe(
              Deployment.orElse(standard({ firstOutputTimeout: deployment }))
            )
          ),
          Effect.provide(tracer)
        )

        assert.strictEqual(
          tree(),
          [
            `chat gpt-4o ok 0-${attempt + 1000}`,
            `  attempt provisioned error 0-${attempt}`,
            `  attempt standard ok ${attempt}-${attempt + 1000}`
          ].join("\n")
        )
      })
    )
  }

  it.effect("does not bound what comes after the first output, nor a call without a stream", () =>
    Effect.gen(function* () {
      const whole: Prepared = {
        delay: "5 seconds",
        pieces: [JSON.stringify({ id: "1", choices: [{ index: 0, message: { role: "assistant", content: "Hi" } }] })]
      }
      const slow = chatEvents("a", "b", "c").flatMap((text): ReadonlyArray<Piece> => [text, { wait: "500 millis" }])
      const server = wire([answer(...slow), whole])

      const streamed = yield* outcome(AzureOpenAI.chatStream(request)).pipe(
        CallSettings.withFirstOutput("1500 millis"),
        over(server, ptu())
      )
      const { error } = yield* outcome(
        Stream.fromEffect(
          AzureOpenAI.chat({ messages: request.messages }).pipe(
            CallSettings.withFirstOutput("1500 millis"),
            over(server, ptu())
          )
        )
      )

      assert.strictEqual(textOf(streamed.received), "abc")
      assert.isUndefined(error)
      assert.strictEqual(server.sent.length, 2)
    })
  )
})

describe("a stream that is given up here", () => {
  const silent = answer(...chatEvents("Hello").slice(0, 3), { hang: true })

  it.effect("for its silence says which reply it was", () =>
    Effect.gen(function* () {
      const { ended, error } = yield* outcome(AzureOpenAI.chatStream(request)).pipe(
        over(wire([silent]), ptu({ idleTimeout: "10 seconds" }))
      )

      const { reason, requestId: id, status } = broken(error)
      assert.deepStrictEqual([reason, status, id, ended], ["silence", 200, requestId, 10_000])
    })
  )

  it.effect("at the deadline says which reply it was", () =>
    Effect.gen(function* () {
      const { ended, error } = yield* outcome(AzureOpenAI.chatStream(request)).pipe(
        CallSettings.withDeadline("7 seconds"),
        over(wire([silent]), ptu({ idleTimeout: "10 seconds" }))
      )

      const { reason, requestId: id, status } = broken(error)
      assert.deepStrictEqual([reason, status, id, ended], ["deadline", 200, requestId, 7000])
    })
  )

  it.effect("counts the silence from the last packet, and none while the consumer does not read", () =>
    Effect.gen(function* () {
      const pieces = chatEvents("a", "b", "c").flatMap((text): ReadonlyArray<Piece> => [text, { wait: "4 seconds" }])
      const server = wire([answer(...pieces.slice(0, -4), { hang: true })])

      const { ended, error, received } = yield* outcome(
        AzureOpenAI.chatStream(request).pipe(
          Stream.tap((chunk) => (textOf([chunk]) === "b" ? Effect.sleep("30 seconds") : Effect.void))
        ),
        100_000
      ).pipe(over(server, ptu({ idleTimeout: "5 seconds", timeout: "1 hour" })))

      assert.strictEqual(broken(error).reason, "silence")
      assert.strictEqual(textOf(received), "abc")
      // Output at 8 s, b at 12 s and held until 42 s, c at 46 s; then nothing.
      assert.strictEqual(ended, 51_000)
    })
  )

  it.effect("may last for longer than a timer does", () =>
    Effect.gen(function* () {
      const server = wire([answer(...chatEvents("Hello").slice(0, 3), { wait: "40 days" }, ...chatEvents().slice(2))])
      const fiber = yield* Effect.fork(ChatStream.text(AzureOpenAI.chatStream(request))).pipe(
        over(server, ptu({ idleTimeout: "60 days" }))
      )

      for (let day = 0; day < 40; day++) yield* TestClock.adjust("1 day")
      yield* TestClock.adjust("1 second")

      assert.deepStrictEqual(fiber.unsafePoll(), Exit.succeed("Hello"))
    })
  )

  for (const [what, pieces, ends, options, reason] of [
    ["falls silent", chatEvents("Hello").slice(0, 3), 10_000, { idleTimeout: "10 seconds" }, "silence"],
    ["stays open after its end", chatEvents("Hello"), 250, {}, undefined]
  ] as const) {
    it.effect(`is given up where the consumer may not be interrupted, and it ${what}`, () =>
      Effect.gen(function* () {
        const server = wire([answer(...pieces, { hang: true })])

        const { ended, error } = yield* outcome(
          Stream.fromEffect(Effect.uninterruptible(Stream.runDrain(AzureOpenAI.chatStream(request))))
        ).pipe(over(server, ptu(options)))

        assert.strictEqual(reason === undefined ? error : broken(error).reason, reason)
        assert.strictEqual(ended, ends)
        assert.deepStrictEqual(server.aborted, [0])
      })
    )
  }
})

describe("a stream's end", () => {
  const losses = [
    ["closes", []],
    ["is reset", [{ reset: true }]],
    ["falls silent", [{ hang: true }]]
  ] as const
  for (const [how, loss] of losses) {
    it.effect(`is whole without [DONE], where it ${how} after all choices have finished`, () =>
      Effect.gen(function* () {
        const server = wire([answer(...chatEvents("Hello").slice(0, -1), ...loss)])

        const { error, received } = yield* outcome(AzureOpenAI.chatStream(request)).pipe(
          over(server, ptu({ idleTimeout: "10 seconds" }))
        )

        assert.isUndefined(error)
        assert.strictEqual(textOf(received), "Hello")
      })
    )

    it.effect(`is not whole where it ${how} and a choice is missing, unfinished, or the usage did not come`, () =>
      Effect.gen(function* () {
        const second = event({ choices: [{ index: 1, delta: { content: "other" } }] })
        const counted = { stream_options: { include_usage: true } }
        for (const [more, pieces] of [
          [{ n: 2 }, []],
          [{ n: 2 }, [second]],
          [{}, [second]],
          [counted, []]
        ] as const) {
          const server = wire([answer(...chatEvents("Hello").slice(0, -1), ...pieces, ...loss)])

          const { error } = yield* outcome(AzureOpenAI.chatStream({ ...request, ...more })).pipe(
            over(server, ptu({ idleTimeout: "10 seconds" }))
          )

          const { reason, text } = broken(error)
          assert.strictEqual(reason, how === "closes" ? "ended" : how === "is reset" ? "connection" : "silence")
          assert.strictEqual(Redacted.value(text), "Hello")
        }
      })
    )
  }

  it.effect("is what [DONE] says, but for a choice that is unfinished", () =>
    Effect.gen(function* () {
      const second = event({ choices: [{ index: 1, delta: { content: "other" } }] })
      const counted = { ...request, stream_options: { include_usage: true } }

      const whole = yield* outcome(AzureOpenAI.chatStream(counted)).pipe(over(wire([good]), ptu()))
      const part = yield* outcome(AzureOpenAI.chatStream(request)).pipe(
        over(wire([answer(...chatEvents("Hello").slice(0, -1), second, event(done))]), ptu())
      )

      assert.isUndefined(whole.error)
      assert.strictEqual(broken(part.error).reason, "ended")
    })
  )

  it.effect("has nothing after it", () =>
    Effect.gen(function* () {
      const server = wire([answer(...chatEvents("Hello").slice(0, -1), event(done) + event(textChunk("more")))])

      const { error, received } = yield* outcome(AzureOpenAI.chatStream(request)).pipe(over(server, ptu()))

      assert.isUndefined(error)
      assert.strictEqual(textOf(received), "Hello")
    })
  )

  const hello = chatEvents("Hello")
  for (const [deadline, pieces, after] of [
    ["1 second", hello, 250],
    ["100 millis", hello, 100],
    ["400 millis", [...hello.slice(0, 3), { wait: "300 millis" }, ...hello.slice(3)], 400]
  ] as const) {
    it.effect(`is waited for ${after} ms, where the deadline is ${deadline} and the connection stays open`, () =>
      Effect.gen(function* () {
        const server = wire([answer(...pieces, { hang: true })])

        const { ended, error, received } = yield* outcome(AzureOpenAI.chatStream(request)).pipe(
          CallSettings.withDeadline(deadline),
          over(server, ptu())
        )

        assert.deepStrictEqual([error, textOf(received), ended], [undefined, "Hello", after])
        assert.deepStrictEqual(server.aborted, [0])
      })
    )
  }

  it.effect("comes once: a stream that has begun is not run twice", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.scoped(
        Effect.gen(function* () {
          const { chunks } = yield* AzureOpenAI.beginChatStream(request)
          assert.strictEqual(yield* ChatStream.text(chunks), "Hello")
          return yield* Effect.exit(ChatStream.text(chunks))
        })
      ).pipe(over(wire([good]), ptu()))

      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      assert.include(String(exit), "run once")
    })
  )
})

describe("what is no stream of events", () => {
  it.effect("is not read, and says what it is", () =>
    Effect.gen(function* () {
      for (const type of ["text/html", "application/json", "text/event-streams"]) {
        const server = wire([{ headers: { ...sse, "content-type": type }, pieces: good.pieces ?? [] }, good])
        const { layer: tracer, spans } = recorder()

        const { received } = yield* outcome(AzureOpenAI.chatStream(request)).pipe(
          over(server, ptu().pipe(Deployment.orElse(standard()))),
          Effect.provide(tracer)
        )

        assert.strictEqual(textOf(received), "Hello")
        assert.strictEqual(server.pulled(0), 0)
        assert.strictEqual(spans[1]?.attributes.get("error.type"), "invalid_body")
      }
    })
  )
})

describe("an error in a chat stream", () => {
  for (const [what, pieces] of [
    ["a sentence", event({ error: "Too Many Requests" })],
    ["the gateway's own", event({ statusCode: 429, message: "busy" })],
    ["told by the event's name", event({ code: "429", message: "busy" }, "error")]
  ] as const) {
    it.effect(`is a throttle as ${what}`, () =>
      Effect.gen(function* () {
        const server = wire([{ headers: hinted, pieces: [event(promptFilter), pieces] }, good])

        const { received } = yield* outcome(AzureOpenAI.chatStream(request)).pipe(
          over(server, ptu().pipe(Deployment.retry(RetryAfter.within("4 seconds"))))
        )

        assert.strictEqual(textOf(received), "Hello")
        assert.strictEqual(server.sent.length, 2)
      })
    )
  }
})

describe("what a stream's span tells", () => {
  const cached = { ...usageChunk.usage, prompt_tokens_details: { cached_tokens: 2 } }
  const keys = [
    "gen_ai.response.id",
    "gen_ai.response.model",
    "gen_ai.response.finish_reasons",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.output.messages"
  ]
  const attributesOf = (pieces: ReadonlyArray<Piece>) =>
    Effect.gen(function* () {
      const { layer: tracer, spans } = recorder()
      yield* outcome(AzureOpenAI.chatStream(request)).pipe(
        over(wire([answer(...pieces)]), ptu()),
        Effect.provide(tracer)
      )
      return keys.map((key) => spans[0]?.attributes.get(key))
    })

  it.effect("is what the service counted, and no text", () =>
    Effect.gen(function* () {
      const [first, ...rest] = [...chatEvents("Hello")].toReversed()
      const pieces = [...rest.toReversed(), event({ ...usageChunk, usage: cached }), first ?? ""]

      assert.deepStrictEqual(yield* attributesOf(pieces), [
        "chatcmpl-1",
        "gpt-4o-2024-11-20",
        "stop",
        3,
        2,
        2,
        undefined
      ])
    })
  )

  it.effect("is nothing that could be a sentence", () =>
    Effect.gen(function* () {
      const pieces = [
        event({ id: "SECRET id", model: "SECRET model", choices: [{ index: 0, delta: { content: "Hi" } }] }),
        event({ choices: [{ index: 0, delta: {}, finish_reason: "a SECRET reason" }] }),
        event(done)
      ]

      assert.deepStrictEqual(yield* attributesOf(pieces), [
        undefined,
        undefined,
        "none",
        undefined,
        undefined,
        undefined,
        undefined
      ])
    })
  )
})
