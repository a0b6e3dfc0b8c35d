import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Emulator, type EmulatorConfig } from "@spillway/emulator"
import { Effect, Exit, Fiber, Option, Schedule, Scope, Stream, TestClock } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { dated, inProcess, log, prompt, send, v1 } from "./support/calls.js"
import { events, open, openChat, pieces, said } from "./support/streams.js"

// 24 PTUs of gpt-4o drain a token a millisecond; 40 ms a token, answers of 10 tokens.
const ptu = {
  name: "ptu",
  kind: "provisioned",
  model: "gpt-4o",
  ptus: 24,
  windowSeconds: 1,
  latency: { firstTokenMs: 100 },
  answerTokens: { min: 10, max: 10 },
  burstTokens: 4
} as const satisfies EmulatorConfig.Deployment

const resource = inProcess({
  deployments: [
    ptu,
    { ...ptu, name: "async", contentFilter: "asynchronous" },
    { ...ptu, name: "down", contentFilter: "unavailable" },
    { name: "standard", kind: "standard", model: "gpt-4o", requestsPerMinute: 6 }
  ]
})

const utilization = Effect.flatMap(Emulator.Emulator, (emulator) =>
  Effect.map(emulator.utilization("ptu"), Option.getOrThrow)
)

/** Runs something that takes time, and moves the clock past it. */
const over = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust("1 minutes")
    return yield* Fiber.join(fiber)
  })

const question = { messages: [{ role: "user", content: "How high is the weir?" }] }
const plain = { stream_options: { include_obfuscation: false } }

const filter =
  '{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}'
const promptFilter = `${filter.slice(0, -1)},"jailbreak":{"filtered":false,"detected":false}}`

describe("a streamed chat", () => {
  it.effect("is Azure's text to the letter, in bursts at the times of the deployment's pace", () =>
    Effect.gen(function* () {
      const whole = yield* over(v1("ptu", question))
      const received = yield* over(pieces(openChat("ptu", { ...question, ...plain })))

      const words = (JSON.stringify(whole.body).match(/"content":"([^"]*)"/)?.[1] ?? "").split(/(?= )/)
      assert.strictEqual(words.length, 10)
      const id = /"id":"(chatcmpl-[A-Za-z0-9]{29})"/.exec(received[0]?.[1] ?? "")?.[1] ?? ""
      // The clock stands at one minute when the stream is asked for.
      const identity = `"created":60,"id":"${id}","model":"gpt-4o","object":"chat.completion.chunk","service_tier":"default","system_fingerprint":"fp_${
        /fp_([0-9a-f]{8})/.exec(JSON.stringify(whole.body))?.[1]
      }"`
      const word = (text: string) =>
        `data: {"choices":[{"content_filter_results":${filter},"delta":{"content":"${text}"},"finish_reason":null,"index":0,"logprobs":null}],${identity}}\n\n`
      assert.deepStrictEqual(received, [
        [
          60_100,
          `data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":${promptFilter}}]}\n\n` +
            `data: {"choices":[{"content_filter_results":{},"delta":{"content":"","refusal":null,"role":"assistant"},"finish_reason":null,"index":0,"logprobs":null}],${identity}}\n\n`
        ],
        [60_260, words.slice(0, 4).map(word).join("")],
        [60_420, words.slice(4, 8).map(word).join("")],
        [
          60_500,
          words.slice(8).map(word).join("") +
            `data: {"choices":[{"content_filter_results":{},"delta":{},"finish_reason":"stop","index":0,"logprobs":null}],${identity}}\n\n` +
            "data: [DONE]\n\n"
        ]
      ])
    }).pipe(Effect.provide(resource))
  )

  it.effect("comes under the headers of server-sent events, and PTU has no rate-limit headers", () =>
    Effect.gen(function* () {
      const [streamed, standard] = yield* over(
        Effect.all([openChat("ptu", question), openChat("standard", question)], { concurrency: 2 })
      )

      assert.strictEqual(streamed.status, 200)
      assert.strictEqual(streamed.headers["content-type"], "text/event-stream; charset=utf-8")
      assert.strictEqual(streamed.headers["x-accel-buffering"], "no")
      assert.strictEqual(streamed.headers["x-ms-deployment-name"], "ptu")
      assert.isUndefined(streamed.headers["x-ratelimit-remaining-tokens"])
      assert.strictEqual(standard.headers["x-ratelimit-remaining-tokens"], String(450_000 - 6 - 640))
    }).pipe(Effect.provide(resource))
  )

  it.effect("says the same as a whole answer, in as many chunks as it has tokens, for every choice", () =>
    Effect.gen(function* () {
      const whole = yield* over(v1("standard", { ...question, n: 2 }))
      const text = yield* Effect.map(over(pieces(openChat("ptu", { ...question, n: 2 }))), (received) =>
        received.map(([, text]) => text).join("")
      )

      const shorter = JSON.stringify(whole.body)
      for (const index of [0, 1]) {
        const { finish, text: spoken } = said(events(text), index)
        assert.deepStrictEqual(finish, ["stop"])
        // The same words, though this deployment's answers are shorter.
        assert.include(shorter, spoken.replace(/\.$/, ""))
        assert.strictEqual(spoken.split(" ").length, 10)
      }
      // The prompt's filter, and of each choice the role, ten words and the end; then [DONE].
      assert.strictEqual(events(text).length, 1 + 2 * 12 + 1)
    }).pipe(Effect.provide(resource))
  )

  it.effect("ends with the usage when asked to, and then every chunk has the key", () =>
    Effect.gen(function* () {
      const received = yield* over(pieces(openChat("ptu", { ...question, stream_options: { include_usage: true } })))
      const all = events(received.map(([, text]) => text).join(""))
      const chunks = all.slice(0, -2)

      assert.strictEqual(all.at(-1), "[DONE]")
      const last = all.at(-2) as { choices: unknown; usage: Record<string, unknown> }
      assert.deepStrictEqual(last.choices, [])
      assert.deepStrictEqual(
        [last.usage["prompt_tokens"], last.usage["completion_tokens"], last.usage["total_tokens"]],
        [6, 10, 16]
      )
      assert.isTrue(chunks.every((chunk) => (chunk as { usage?: unknown }).usage === null))
      assert.isTrue(chunks.slice(1).every((chunk) => /^\w{1,16}$/.test((chunk as { obfuscation: string }).obfuscation)))
    }).pipe(Effect.provide(resource))
  )

  it.effect("is cut by max_tokens", () =>
    Effect.gen(function* () {
      const received = yield* over(pieces(openChat("ptu", { ...question, max_tokens: 3 })))
      const { finish, text } = said(events(received.map(([, text]) => text).join("")))

      assert.deepStrictEqual(finish, ["length"])
      assert.strictEqual(text.split(" ").length, 3)
      assert.strictEqual(received.at(-1)?.[0], 100 + 3 * 40)
    }).pipe(Effect.provide(resource))
  )

  it.effect("is refused before it begins, by capacity and by the model", () =>
    Effect.gen(function* () {
      const first = yield* Effect.fork(openChat("ptu", { ...prompt(1000), max_tokens: 100 }))
      yield* TestClock.adjust("0 millis")

      const throttled = yield* send(
        "/openai/v1/chat/completions",
        JSON.stringify({ model: "ptu", stream: true, ...question })
      )
      const invalid = yield* dated("standard", { messages: [], stream: true })

      assert.strictEqual(throttled.status, 429)
      assert.strictEqual(throttled.headers["content-type"], "application/json")
      assert.strictEqual(throttled.headers["retry-after-ms"], "401")
      assert.strictEqual(invalid.status, 400)
      yield* Fiber.interrupt(first)
    }).pipe(Effect.provide(resource))
  )
})

describe("the asynchronous content filter", () => {
  it.effect(
    "lets every token leave at once and says what it thinks of them afterwards, last of all after the end",
    () =>
      Effect.gen(function* () {
        const received = yield* over(pieces(openChat("async", { ...question, ...plain })))
        const all = events(received.map(([, text]) => text).join(""))

        assert.deepStrictEqual(
          received.map(([at]) => at),
          [100, 140, 180, 220, 260, 300, 340, 380, 420, 460, 500]
        )
        const content = all.filter((event) => JSON.stringify(event).includes('"delta":{"content"')).slice(1)
        assert.strictEqual(content.length, 10)
        assert.isTrue(content.every((event) => JSON.stringify(event).includes('"content_filter_results":{},')))

        const words = content.map((event) => said([event]).text)
        const until = (count: number) => 21 + words.slice(0, count).join("").length
        const annotation = (from: number, to: number) => ({
          choices: [
            {
              content_filter_offsets: { check_offset: until(from), start_offset: until(from), end_offset: until(to) },
              content_filter_results: JSON.parse(filter) as unknown,
              finish_reason: null,
              index: 0
            }
          ],
          created: 0,
          id: "",
          model: "",
          object: ""
        })
        const ids = all.map((event) => (typeof event === "string" ? event : (event as { id: string }).id !== ""))
        // The prompt's filter; the role; four words, verdict; four words, verdict; two words, the end, verdict; [DONE].
        assert.deepStrictEqual(
          ids.map((identified) => (identified === true ? "c" : identified === false ? "a" : identified)).join(" "),
          "a c c c c c a c c c c a c c c a [DONE]"
        )
        assert.deepStrictEqual(all[6], annotation(0, 4))
        assert.deepStrictEqual(all[11], annotation(4, 8))
        assert.deepStrictEqual(all[15], annotation(8, 10))
        assert.deepStrictEqual(said([all[14]]).finish, ["stop"])
      }).pipe(Effect.provide(resource))
  )

  it.effect("says so when it is down, in the singular", () =>
    Effect.gen(function* () {
      const received = yield* over(pieces(openChat("down", { ...question, ...plain })))
      const whole = yield* over(v1("down", question))

      const failed =
        '"content_filter_result":{"error":{"code":"content_filter_error","message":"The contents are not filtered"}}'
      const text = received.map(([, text]) => text).join("")
      assert.strictEqual(text.split(failed).length - 1, 1 + 10)
      assert.include(JSON.stringify(whole.body), failed)
      assert.notInclude(JSON.stringify(whole.body), "content_filter_results")
    }).pipe(Effect.provide(resource))
  )
})

describe("a stream and the deployment's capacity", () => {
  it.effect("is charged for what was used, as soon as the last of it has been handed over", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(pieces(openChat("ptu", { ...prompt(1000), max_tokens: 100 })))
      yield* TestClock.adjust("499 millis")
      assert.strictEqual(yield* utilization, (1400 - 499) / 1000)

      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(fiber)
      assert.strictEqual(yield* utilization, (1000 + 4 * 10 - 500) / 1000)
      assert.deepStrictEqual(yield* log, [[0, "ptu", 200]])
    }).pipe(Effect.provide(resource))
  )

  it.effect("is charged for what was generated when its reader is interrupted", () =>
    Effect.gen(function* () {
      const emulator = yield* Emulator.Emulator
      const fiber = yield* Effect.fork(pieces(openChat("ptu", { ...prompt(1000), max_tokens: 100 })))
      // Three tokens, none of them released yet.
      yield* TestClock.adjust("230 millis")
      assert.strictEqual(yield* emulator.inFlight, 1)
      yield* Fiber.interrupt(fiber)

      assert.strictEqual(yield* utilization, (1000 + 4 * 3 - 230) / 1000)
      assert.strictEqual(yield* emulator.inFlight, 0)
      const [request] = yield* emulator.requests
      assert.deepStrictEqual([request?.status, request?.interrupted, request?.endedAt], [200, true, 230])
    }).pipe(Effect.provide(resource))
  )

  it.effect("ends when its reader has had enough, and has not lost one that reads to [DONE] and no further", () =>
    Effect.gen(function* () {
      const read = (until: (text: string) => boolean) =>
        Effect.flatMap(openChat("ptu", { ...prompt(100), max_tokens: 100 }), (response) =>
          response.stream.pipe(Stream.decodeText(), Stream.takeUntil(until), Stream.runDrain)
        )
      yield* over(read((text) => text.includes('"content":""')))
      yield* over(read((text) => text.includes("[DONE]")))

      const emulator = yield* Emulator.Emulator
      assert.deepStrictEqual(
        (yield* emulator.requests).map(({ at, endedAt, interrupted }) => [(endedAt ?? 0) - at, interrupted]),
        [
          [100, true],
          [500, false]
        ]
      )
    }).pipe(Effect.provide(resource))
  )

  it.effect("ends with the scope of a request whose body nobody reads", () =>
    Effect.gen(function* () {
      const emulator = yield* Emulator.Emulator
      const scope = yield* Scope.make()
      const client = yield* Effect.map(HttpClient.HttpClient, HttpClient.withScope)
      const opened = open("/openai/v1/chat/completions", {
        model: "ptu",
        stream: true,
        ...prompt(1000),
        max_tokens: 100
      })
      const fiber = yield* Effect.fork(
        opened.pipe(
          Effect.provideService(HttpClient.HttpClient, HttpClient.transformResponse(client, Scope.extend(scope)))
        )
      )
      yield* TestClock.adjust("150 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
      assert.strictEqual(yield* emulator.inFlight, 1)
      yield* Scope.close(scope, Exit.void)

      assert.strictEqual(yield* emulator.inFlight, 0)
      assert.strictEqual(yield* utilization, (1000 + 4 * 1 - 150) / 1000)
    }).pipe(Effect.provide(resource))
  )

  it.live("ends when a response that nobody reads is collected", () =>
    Effect.gen(function* () {
      const { inFlight } = yield* Emulator.Emulator
      yield* Effect.forEach([1, 2, 3], () => openChat("ptu", question), { discard: true })
      assert.strictEqual(yield* inFlight, 3)

      setFlagsFromString("--expose-gc")
      const collect = Effect.sync(() => runInNewContext("gc")() as void)
      yield* Effect.zipRight(collect, inFlight).pipe(
        Effect.repeat({ until: (count) => count === 0, schedule: Schedule.spaced("20 millis") }),
        Effect.timeout("10 seconds")
      )
    }).pipe(
      Effect.provide(
        inProcess({ deployments: [{ name: "ptu", kind: "standard", model: "gpt-4o", latency: { firstTokenMs: 1 } }] })
      )
    )
  )

  it.effect("keeps its pace when its reader is slow, and waits for no one", () =>
    Effect.gen(function* () {
      const received: Array<number> = []
      const fiber = yield* Effect.fork(
        Effect.flatMap(openChat("ptu", question), (response) =>
          Stream.runForEach(response.stream, () =>
            Effect.zipRight(
              Effect.sync(() => received.push(1)),
              Effect.sleep("200 millis")
            )
          )
        )
      )
      // Due at 100, 260, 420 and 500; asked for at 100, 300, 500 and 700.
      const seen: Array<number> = []
      for (const millis of [100, 159, 41, 199, 1, 199, 1]) {
        yield* TestClock.adjust(millis)
        seen.push(received.length)
      }
      assert.deepStrictEqual(seen, [1, 1, 2, 2, 3, 3, 4])
      yield* TestClock.adjust("200 millis")
      yield* Fiber.join(fiber)
    }).pipe(Effect.provide(resource))
  )
})
