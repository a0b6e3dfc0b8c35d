import { assert, describe, it } from "@effect/vitest"
import { Emulator, type EmulatorConfig, InStreamThrottle, Script } from "@spillway/emulator"
import { Effect, Fiber, Option, Stream, TestClock } from "effect"
import { inProcess, log, type Options, scripted, send } from "./support/calls.js"
import { events, open, pieces } from "./support/streams.js"

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
    { ...ptu, name: "o3", model: "o3", ptus: 20 },
    { name: "standard", kind: "standard", model: "gpt-4o", requestsPerMinute: 6 },
    { name: "plain", kind: "standard", model: "gpt-4o", requestsPerMinute: 6, responsesThrottle: "status" }
  ]
})

const openResponse = (deployment: string, body: object, options: Options = {}) =>
  open(
    "/openai/v1/responses",
    { model: deployment, stream: true, stream_options: { include_obfuscation: false }, ...body },
    options
  )

const over = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust("1 minutes")
    return yield* Fiber.join(fiber)
  })

interface Event {
  readonly type: string
  readonly sequence_number: number
  readonly [key: string]: unknown
}

const named = (received: ReadonlyArray<readonly [number, string]>) => {
  const text = received.map(([, text]) => text).join("")
  const names = text.match(/(?<=^event: ).*$/gm) ?? []
  const all = events(text) as ReadonlyArray<Event>
  assert.deepStrictEqual(
    all.map(({ type }) => type),
    names
  )
  return all
}

describe("a streamed response", () => {
  it.effect("says what it begins with at once, and everything else in its time, numbered from 0", () =>
    Effect.gen(function* () {
      const received = yield* over(pieces(openResponse("ptu", { input: "How high is the weir?" })))
      const all = named(received)

      assert.deepStrictEqual(
        received.map(([at, text]) => [at, Array.from(text.match(/(?<=^event: response\.).*$/gm) ?? [])] as const),
        [
          [0, ["created", "in_progress"]],
          [100, ["output_item.added", "content_part.added"]],
          [260, Array.from({ length: 4 }, () => "output_text.delta")],
          [420, Array.from({ length: 4 }, () => "output_text.delta")],
          [
            500,
            [
              "output_text.delta",
              "output_text.delta",
              "output_text.done",
              "content_part.done",
              "output_item.done",
              "completed"
            ]
          ]
        ]
      )
      assert.deepStrictEqual(
        all.map(({ sequence_number }) => sequence_number),
        all.map((_, index) => index)
      )
      const text = all.flatMap(({ delta, type }) => (type === "response.output_text.delta" ? [delta] : [])).join("")
      assert.strictEqual(all.find(({ type }) => type === "response.output_text.done")?.["text"], text)
      const shown = JSON.stringify(all.at(-1)?.["response"])
      assert.include(shown, `"text":"${text}"`)
      assert.include(shown, '"status":"completed"')
      // And that is what is kept.
      const id = /resp_\w{48}/.exec(shown)?.[0]
      const got = yield* send(`/openai/v1/responses/${id}`, undefined, { method: "GET" })
      assert.deepStrictEqual(got.body, all.at(-1)?.["response"])
    }).pipe(Effect.provide(resource))
  )

  it.effect("is Azure's text to the letter", () =>
    Effect.gen(function* () {
      const received = yield* over(pieces(openResponse("ptu", { input: "How high is the weir?" })))
      const item = /msg_\w{48}/.exec(received[1]?.[1] ?? "")?.[0]

      assert.strictEqual(
        received[1]?.[1],
        "event: response.output_item.added\n" +
          `data: {"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"${item}","type":"message","status":"in_progress","content":[],"role":"assistant"}}\n\n` +
          "event: response.content_part.added\n" +
          `data: {"type":"response.content_part.added","sequence_number":3,"item_id":"${item}","output_index":0,"content_index":0,"part":{"type":"output_text","annotations":[],"logprobs":[],"text":""}}\n\n`
      )
      assert.match(
        received[2]?.[1] ?? "",
        new RegExp(
          `^event: response.output_text.delta\\ndata: {"type":"response.output_text.delta","sequence_number":4,"item_id":"${item}","output_index":0,"content_index":0,"delta":"[A-Z][a-z]*","logprobs":\\[\\]}\\n\\n`
        )
      )
    }).pipe(Effect.provide(resource))
  )

  it.effect("of a reasoning model shows that it thought, and ends incomplete where it is cut", () =>
    Effect.gen(function* () {
      const all = named(yield* over(pieces(openResponse("o3", { input: "Hi", max_output_tokens: 66 }))))

      assert.deepStrictEqual(
        all.map(({ output_index, type }) => [type.replace("response.", ""), output_index]),
        [
          ["created", undefined],
          ["in_progress", undefined],
          ["output_item.added", 0],
          ["output_item.done", 0],
          ["output_item.added", 1],
          ["content_part.added", 1],
          ["output_text.delta", 1],
          ["output_text.delta", 1],
          ["output_text.done", 1],
          ["content_part.done", 1],
          ["output_item.done", 1],
          ["incomplete", undefined]
        ]
      )
      assert.match(JSON.stringify(all.at(-1)), /"incomplete_details":\{"reason":"max_output_tokens"\}/)
    }).pipe(Effect.provide(resource))
  )

  it.effect("is charged for what was made when its reader goes, and is then cancelled", () =>
    Effect.gen(function* () {
      const emulator = yield* Emulator.Emulator
      const fiber = yield* Effect.fork(
        Effect.flatMap(openResponse("ptu", { input: "x".repeat(3996), max_output_tokens: 100 }), (response) =>
          Stream.runHead(Stream.decodeText(response.stream)).pipe(
            Effect.zipLeft(Effect.sleep("230 millis")),
            Effect.map(Option.getOrThrow)
          )
        )
      )
      yield* TestClock.adjust("230 millis")
      const preamble = yield* Fiber.join(fiber)

      // It ended when the head had been read, before the first token.
      assert.strictEqual(yield* Effect.map(emulator.utilization("ptu"), Option.getOrThrow), (1000 - 230) / 1000)
      const got = yield* send(`/openai/v1/responses/${/resp_\w{48}/.exec(preamble)?.[0]}`, undefined, { method: "GET" })
      assert.match(JSON.stringify(got.body), /"status":"cancelled"/)
      assert.deepStrictEqual(yield* log, [
        [0, "ptu", "interrupted"],
        [230, "ptu", 200]
      ])
    }).pipe(Effect.provide(resource))
  )

  it.effect("in the background queues first, goes on without its reader, and can be read again from any event", () =>
    Effect.gen(function* () {
      const background = openResponse("ptu", { input: "Hi", background: true })
      const head = yield* over(
        Effect.flatMap(background, (response) => Stream.runHead(Stream.decodeText(response.stream)))
      )
      const preamble = Option.getOrThrow(head)
      assert.deepStrictEqual(preamble.match(/(?<=^event: ).*$/gm), [
        "response.created",
        "response.queued",
        "response.in_progress"
      ])
      const id = /resp_\w{48}/.exec(preamble)?.[0]

      const again = yield* send(`/openai/v1/responses/${id}?stream=true&starting_after=15`, undefined, {
        method: "GET"
      })
      assert.strictEqual(again.headers["content-type"], "text/event-stream; charset=utf-8")
      const rest = named([[0, String(again.body)]])
      assert.deepStrictEqual(
        rest.map(({ sequence_number, type }) => [sequence_number, type]),
        [
          [16, "response.content_part.done"],
          [17, "response.output_item.done"],
          [18, "response.completed"]
        ]
      )
    }).pipe(Effect.provide(resource))
  )
})

describe("a throttle inside a stream", () => {
  it.effect("comes under status 200 with the headers of a 429, as it was reported, and costs nothing", () =>
    Effect.gen(function* () {
      const first = yield* Effect.fork(openResponse("ptu", { input: "x".repeat(3996), max_output_tokens: 100 }))
      yield* TestClock.adjust("0 millis")
      yield* Fiber.join(first)
      const emulator = yield* Emulator.Emulator
      const before = yield* emulator.utilization("ptu")

      const response = yield* openResponse("ptu", { input: "Hi" })
      const text = yield* response.text

      assert.strictEqual(response.status, 200)
      assert.strictEqual(response.headers["retry-after-ms"], "401")
      assert.strictEqual(response.headers["retry-after"], "1")
      assert.strictEqual(response.headers["content-type"], "text/event-stream; charset=utf-8")
      const [failed, error, ...rest] = named([[0, text]])
      assert.deepStrictEqual(rest, [])
      assert.deepStrictEqual([failed?.type, failed?.sequence_number], ["response.failed", 1])
      assert.match(JSON.stringify(failed?.["response"]), /"status":"failed",.*"error":null,"incomplete_details":null/)
      assert.deepStrictEqual(error, {
        type: "error",
        sequence_number: 2,
        error: {
          type: "too_many_requests",
          code: "rate_limit_reached",
          headers: { "skip-error-remapping": "true" },
          message:
            "Requests have exceeded the throughput limit on your Provisioned-Managed deployment. If you continue to exceed your limit, consider increasing the number of provisioned throughput units deployed.",
          param: null
        }
      })
      assert.deepStrictEqual(yield* emulator.utilization("ptu"), before)
    }).pipe(Effect.provide(resource))
  )

  it.effect("of a Standard deployment has its rate-limit headers; a deployment can be told to send a real 429", () =>
    Effect.gen(function* () {
      yield* over(pieces(openResponse("standard", { input: "Hi" })))
      const [inStream, plain] = yield* over(
        Effect.all([
          Effect.zipRight(openResponse("standard", { input: "Hi" }), openResponse("standard", { input: "Hi" })),
          Effect.zipRight(openResponse("plain", { input: "Hi" }), openResponse("plain", { input: "Hi" }))
        ])
      )

      assert.deepStrictEqual([inStream.status, plain.status], [200, 429])
      for (const { headers } of [inStream, plain]) {
        assert.strictEqual(headers["x-ratelimit-limit-requests"], "1")
        assert.strictEqual(headers["x-ratelimit-remaining-requests"], "0")
        assert.strictEqual(headers["retry-after-ms"], "10000")
      }
      assert.match(yield* inStream.text, /"code":"rate_limit_exceeded","headers":\{"x-ms-fe-error":"true"\}/)
      assert.match(yield* plain.text, /RateLimitReached.*Responses_Create/)
    }).pipe(Effect.provide(resource))
  )

  it.effect("can be scripted in every order and shape that was reported", () => {
    const names = Object.keys(InStreamThrottle.reported)
    return Effect.gen(function* () {
      const shapes: Record<string, unknown> = {}
      for (const name of names) {
        const response = yield* openResponse("d", { input: "Hi" })
        assert.strictEqual(response.status, 200)
        shapes[name] = [
          response.headers["retry-after-ms"] ?? null,
          ...named([[0, yield* response.text]]).map(({ error, response, sequence_number, type }) => [
            sequence_number,
            type,
            type === "error"
              ? (error as { code: string }).code
              : (response as { error: { code: unknown } | null }).error
          ])
        ]
      }

      const message = InStreamThrottle.quota.message
      assert.deepStrictEqual(shapes, {
        "response.failed, then error": ["1000", [1, "response.failed", null], [2, "error", "rate_limit_exceeded"]],
        "response.created, then error, then response.failed": [
          "1000",
          [0, "response.created", null],
          [1, "error", "rate_limit_reached"],
          [2, "response.failed", { code: "rate_limit_reached", message: InStreamThrottle.throughput.message }]
        ],
        "error alone, numbered 1": ["1000", [1, "error", "rate_limit_exceeded"]],
        "error alone, numbered 2": ["1000", [2, "error", "rate_limit_reached"]],
        "error with the code too_many_requests": ["1000", [1, "error", "too_many_requests"]],
        "response.failed alone, with an exhausted quota in the headers": [
          "1000",
          [1, "response.failed", { code: null, message }]
        ],
        "error of a pool without capacity": [null, [2, "error", "no_capacity"]]
      })
    }).pipe(
      Effect.provide(
        scripted({ d: Object.values(InStreamThrottle.reported).map((throttle) => Script.stream(throttle)) })
      )
    )
  })

  it.effect("a scripted response that the content filter ends is incomplete", () =>
    Effect.gen(function* () {
      const text = yield* Effect.flatMap(openResponse("d", { input: "Hi" }), (response) => response.text)

      assert.deepStrictEqual(named([[0, text]]).at(-1), {
        type: "response.incomplete",
        sequence_number: 1,
        response: { id: "resp_1", status: "incomplete", incomplete_details: { reason: "content_filter" } }
      })
    }).pipe(
      Effect.provide(
        scripted({
          d: [
            Script.stream({
              events: [
                { type: "response.created", sequence_number: 0, response: { id: "resp_1", status: "in_progress" } }
              ],
              end: "filtered"
            })
          ]
        })
      )
    )
  )
})
