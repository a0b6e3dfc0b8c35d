import { HttpClientError } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Emulator, Script, Wire } from "@spillway/emulator"
import { Clock, Effect, Fiber, Ref, Stream, TestClock } from "effect"
import { dated, log, prompt, scripted } from "./support/calls.js"
import { events, openChat, pieces, said } from "./support/streams.js"

/** The pieces of a stream's body as bytes, with their times, and what ended it. */
const watch = Effect.gen(function* () {
  const received = yield* Ref.make<ReadonlyArray<readonly [number, string]>>([])
  const fiber = yield* Effect.fork(
    Effect.flatMap(openChat("d", prompt(1)), (response) =>
      Stream.runForEach(response.stream, (piece) =>
        Effect.flatMap(Clock.currentTimeMillis, (at) =>
          Ref.update(received, (before) => [...before, [at, Buffer.from(piece).toString("latin1")] as const])
        )
      )
    )
  )
  return { received: Ref.get(received), fiber }
})

const chunk = (content: string) => ({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })

describe("Script.stream", () => {
  it.effect("sends events one by one and ends a chat with [DONE]", () =>
    Effect.gen(function* () {
      const { fiber, received } = yield* watch
      yield* TestClock.adjust("1 seconds")
      yield* Fiber.join(fiber)

      assert.deepStrictEqual(yield* received, [
        [100, `data: ${JSON.stringify(chunk("a"))}\n\n`],
        [130, 'event: error\ndata: {"type":"error"}\n\n'],
        [160, "data: { not JSON\n\n"],
        [160, "data: [DONE]\n\n"]
      ])
      assert.deepStrictEqual(yield* log, [[0, "d", 200]])
    }).pipe(
      Effect.provide(
        scripted({
          d: [
            Script.stream({
              events: [chunk("a"), { type: "error" }, "{ not JSON"],
              after: "100 millis",
              every: "30 millis"
            })
          ]
        })
      )
    )
  )

  it.effect("sends chunks as they stand: in the middle of an event, of a line, of a character", () => {
    const water = Buffer.from("水")
    return Effect.gen(function* () {
      const { fiber, received } = yield* watch
      yield* TestClock.adjust("0 millis")
      yield* Fiber.join(fiber)

      assert.deepStrictEqual(
        (yield* received).map(([, text]) => text),
        ['data: {"choi', 'ces":"', "\xe6\xb0", "\xb4", '"}\r\n', "\r\n:comment\n"]
      )
    }).pipe(
      Effect.provide(
        scripted({
          d: [
            Script.stream({
              chunks: ['data: {"choi', 'ces":"', water.subarray(0, 2), water.subarray(2), '"}\r\n', "\r\n:comment\n"]
            })
          ]
        })
      )
    )
  })

  it.effect("ends by being closed, by a reset, and by silence", () =>
    Effect.gen(function* () {
      for (const how of ["cut", "reset"] as const) {
        const { fiber, received } = yield* watch
        yield* TestClock.adjust("0 millis")
        const error = yield* Effect.flip(Fiber.join(fiber))
        assert.instanceOf(error, HttpClientError.ResponseError)
        assert.strictEqual(error.reason, "Decode")
        assert.deepStrictEqual(error.cause, new Wire.Broken({ how }))
        assert.strictEqual((yield* received).length, 1)
      }

      const { fiber, received } = yield* watch
      yield* TestClock.adjust("24 hours")
      assert.isNull(fiber.unsafePoll())
      assert.deepStrictEqual(
        (yield* received).map(([, text]) => text),
        ["data: 1\n\n"]
      )
      yield* Fiber.interrupt(fiber)

      const emulator = yield* Emulator.Emulator
      assert.strictEqual(yield* emulator.inFlight, 0)
      assert.deepStrictEqual(
        (yield* emulator.requests).map(({ interrupted, status }) => [status, interrupted]),
        [
          [200, false],
          [200, false],
          [200, true]
        ]
      )
    }).pipe(
      Effect.provide(
        scripted({
          d: [
            Script.stream({ events: [1], end: "cut" }),
            Script.stream({ chunks: ["data: 1\n\n"], end: "reset" }),
            Script.stream({ events: [1], end: "silent" })
          ]
        })
      )
    )
  )

  it.effect("ends as the content filter ends an answer", () =>
    Effect.gen(function* () {
      const { fiber, received } = yield* watch
      yield* TestClock.adjust("0 millis")
      yield* Fiber.join(fiber)
      const all = events((yield* received).map(([, text]) => text).join(""))

      assert.strictEqual(all.length, 3)
      assert.deepStrictEqual(said([{ id: "", ...chunk("") }, all[1]]).finish, ["content_filter"])
      assert.match(JSON.stringify(all[1]), /"violence":\{"filtered":true,"severity":"medium"\}/)
      assert.strictEqual(all[2], "[DONE]")
    }).pipe(Effect.provide(scripted({ d: [Script.stream({ events: [chunk("a")], end: "filtered" })] })))
  )

  it.effect("can have any status and headers", () =>
    Effect.gen(function* () {
      const response = yield* openChat("d", prompt(1))

      assert.strictEqual(response.status, 503)
      assert.strictEqual(response.headers["content-type"], "text/plain")
      assert.strictEqual(response.headers["x-ms-region"], "East US")
      assert.strictEqual(yield* response.text, "no healthy upstream")
    }).pipe(
      Effect.provide(
        scripted({
          d: [
            Script.stream({
              status: 503,
              headers: { "Content-Type": "text/plain" },
              chunks: ["no ", "healthy upstream"]
            })
          ]
        })
      )
    )
  )
})

describe("Script.answer, streamed", () => {
  it.effect("says its text in pieces that add up to it, each in its time, and ends as it is told", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(pieces(openChat("d", prompt(1))))
      yield* TestClock.adjust("1 seconds")
      const received = yield* Fiber.join(fiber)

      // 14 characters are three tokens.
      assert.deepStrictEqual(
        received.map(([at]) => at),
        [50, 60, 70, 80]
      )
      assert.deepStrictEqual(said(events(received.map(([, text]) => text).join(""))), {
        text: "Grüße, 水 und 🌊",
        finish: ["length"]
      })
    }).pipe(
      Effect.provide(
        scripted({
          d: [
            Script.answer({
              text: "Grüße, 水 und 🌊",
              finishReason: "length",
              after: "50 millis",
              every: "10 millis"
            })
          ]
        })
      )
    )
  )

  it.effect("says what the content filter found where it ended the answer", () =>
    Effect.gen(function* () {
      const [received] = yield* Effect.all([pieces(openChat("d", prompt(1)))])
      const all = events(received.map(([, text]) => text).join(""))

      assert.strictEqual(all.at(-1), "[DONE]")
      assert.match(JSON.stringify(all.at(-2)), /"violence":\{"filtered":true,.*"finish_reason":"content_filter"/)
    }).pipe(Effect.provide(scripted({ d: [Script.answer({ text: "I will", finishReason: "content_filter" })] })))
  )

  it.effect("can carry headers of its own", () =>
    Effect.gen(function* () {
      const reply = yield* dated("d", prompt(1))

      assert.strictEqual(reply.headers["x-ms-spillover-from-deployment"], "ptu")
      assert.strictEqual(reply.headers["x-ms-deployment-name"], "standard")
      const { requests } = yield* Emulator.Emulator
      assert.deepStrictEqual(
        (yield* requests).map(({ deployment, servedBy }) => [deployment, servedBy]),
        [["d", "standard"]]
      )
    }).pipe(
      Effect.provide(
        scripted({
          d: [
            Script.answer({
              headers: { "X-MS-Spillover-From-Deployment": "ptu", "x-ms-deployment-name": "standard" }
            })
          ]
        })
      )
    )
  )
})

describe("Script.truncated", () => {
  const answer = Script.answer({ text: "hi" })

  it.effect("breaks a JSON body in its middle, or where it is told, though its length was announced", () =>
    Effect.gen(function* () {
      const whole = JSON.stringify((yield* dated("d", prompt(1))).body)
      for (const [how, length] of [
        ["cut", Math.floor(whole.length / 2)],
        ["reset", 20]
      ] as const) {
        const response = yield* openChat("d", { ...prompt(1), stream: false })
        assert.strictEqual(response.headers["content-length"], String(whole.length))
        const read: Array<string> = []
        const error = yield* Effect.flip(
          Stream.runForEach(Stream.decodeText(response.stream), (text) => Effect.sync(() => read.push(text)))
        )
        assert.deepStrictEqual(error.cause, new Wire.Broken({ how }))
        assert.strictEqual(read.join("").length, length)
        assert.strictEqual((yield* Effect.flip(response.json)).reason, "Decode")
      }
    }).pipe(
      Effect.provide(
        scripted({ d: [answer, Script.truncated(answer), Script.truncated(answer, { afterBytes: 20, end: "reset" })] })
      )
    )
  )

  it.effect("breaks a stream after its first piece, or after so many bytes, and can leave it hanging", () =>
    Effect.gen(function* () {
      const { fiber: first, received: afterFirst } = yield* watch
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual((yield* Effect.flip(Fiber.join(first)))._tag, "ResponseError")
      assert.strictEqual((yield* afterFirst).length, 1)

      const { fiber: second, received: afterBytes } = yield* watch
      yield* TestClock.adjust("1 seconds")
      assert.isNull(second.unsafePoll())
      assert.deepStrictEqual(
        (yield* afterBytes).map(([, text]) => text.length),
        [12, 12, 1]
      )
      yield* Fiber.interrupt(second)
    }).pipe(
      Effect.provide(
        scripted({
          d: [
            Script.truncated(Script.answer({ text: "a longer text", every: "10 millis" })),
            Script.truncated(Script.stream({ events: ["1".repeat(4), "2".repeat(4), "3".repeat(4)] }), {
              afterBytes: 25,
              end: "silent"
            })
          ]
        })
      )
    )
  )
})
