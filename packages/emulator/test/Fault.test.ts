import { assert, describe, it } from "@effect/vitest"
import { Emulator, EmulatorConfig, ErrorReply, type Fault } from "@spillway/emulator"
import { Effect, Either, Fiber, Option, Stream, TestClock } from "effect"
import { dated, inProcess, log, prompt, send, v1 } from "./support/calls.js"
import { events, openChat, pieces, said } from "./support/streams.js"

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

const faulty = (...faults: ReadonlyArray<Fault.Fault>) =>
  inProcess({
    deployments: [
      { ...ptu, spilloverDeploymentName: "std" },
      { name: "std", kind: "standard", model: "gpt-4o" },
      { ...ptu, name: "lone" },
      { name: "embedding", kind: "standard", model: "text-embedding-3-small" }
    ],
    faults
  })

const over = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust("10 seconds")
    return yield* Fiber.join(fiber)
  })

const statuses = (n: number, call = dated("lone", { ...prompt(1), max_tokens: 1 })) =>
  Effect.map(over(Effect.all(Array.from({ length: n }, () => call))), (replies) => replies.map(({ status }) => status))

/** What could be read of a stream, and whether it came to its end. */
const read = (deployment: string) =>
  Effect.gen(function* () {
    const received: Array<string> = []
    const fiber = yield* Effect.fork(
      Effect.flatMap(openChat(deployment, prompt(1)), (response) =>
        Stream.runForEach(Stream.decodeText(response.stream), (text) => Effect.sync(() => received.push(text)))
      )
    )
    yield* TestClock.adjust("10 seconds")
    const end = Option.map(yield* Fiber.poll(fiber), (exit) => exit._tag === "Success")
    yield* Fiber.interrupt(fiber)
    return { received, end: Option.getOrElse(end, () => "hanging" as const) }
  })

describe("faults befall", () => {
  it.effect("every so manieth request that they concern, as often as they may", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* statuses(7), [200, 200, 500, 200, 200, 500, 200])
      assert.deepStrictEqual(yield* statuses(3), [200, 200, 200])
    }).pipe(Effect.provide(faulty({ fault: "status", status: 500, every: 3, times: 2 })))
  )

  it.effect("the requests they concern alone", () =>
    Effect.gen(function* () {
      const stream = openChat("lone", prompt(1))
      const embed = send("/openai/v1/embeddings", JSON.stringify({ model: "embedding", input: "x" }))
      const respond = send("/openai/v1/responses", JSON.stringify({ model: "lone", input: "Hi" }))
      const [other, streamed, embedded, responded] = yield* over(
        Effect.all([v1("lone", prompt(1)), stream, embed, respond])
      )

      assert.deepStrictEqual([other.status, streamed.status, embedded.status, responded.status], [200, 502, 408, 429])
    }).pipe(
      Effect.provide(
        faulty(
          { fault: "status", status: 502, deployment: "lone", stream: true },
          { fault: "status", status: 408, operation: "embeddings" },
          { fault: "status", status: 429, operation: "responses" }
        )
      )
    )
  )

  it.effect("a share of them, the same ones for the same seed", () =>
    Effect.gen(function* () {
      const drawn = (seed: string) =>
        statuses(60).pipe(
          Effect.provide(
            inProcess({
              seed,
              deployments: [{ ...ptu, name: "lone" }],
              faults: [{ fault: "status", status: 500, probability: 0.25 }]
            })
          )
        )
      const first = yield* drawn("a")

      assert.deepStrictEqual(yield* drawn("a"), first)
      assert.notDeepEqual(yield* drawn("b"), first)
      const share = first.filter((status) => status === 500).length
      assert.isTrue(share > 5 && share < 25, String(share))
    })
  )

  it.effect("after their delay, the first in the list first", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(dated("lone", { ...prompt(1), max_tokens: 1 }))
      yield* TestClock.adjust("639 millis")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
      assert.deepStrictEqual(yield* statuses(2), [503, 503])
    }).pipe(
      Effect.provide(
        faulty({ fault: "delay", delayMs: 500, times: 1 }, { fault: "status", status: 503 }, { fault: "refuse" })
      )
    )
  )
})

describe("a fault's reply", () => {
  it.effect("is the usual one of its status, or what the rule says", () =>
    Effect.gen(function* () {
      const [plain, named, text, throttled] = yield* Effect.all(
        Array.from({ length: 4 }, () => dated("lone", prompt(1))) as [
          ReturnType<typeof dated>,
          ReturnType<typeof dated>,
          ReturnType<typeof dated>,
          ReturnType<typeof dated>
        ]
      )

      assert.deepStrictEqual(plain.body, JSON.parse(String(ErrorReply.internalServerError.body)))
      assert.strictEqual(plain.headers["x-ms-region"], "East US")
      assert.deepStrictEqual([named.status, named.body], [409, { error: { code: "Conflict", message: "Locked." } }])
      assert.deepStrictEqual(
        [text.status, text.headers["content-type"], text.headers["x-odd"], text.body],
        [504, "text/plain", "yes", "upstream connect error"]
      )
      assert.deepStrictEqual([throttled.headers["retry-after-ms"], throttled.headers["retry-after"]], ["1500", "2"])
      const emulator = yield* Emulator.Emulator
      assert.deepStrictEqual(yield* emulator.utilization("lone"), Option.some(0))
    }).pipe(
      Effect.provide(
        faulty(
          { fault: "status", status: 500, times: 1 },
          { fault: "status", status: 409, code: "Conflict", message: "Locked.", times: 1 },
          { fault: "status", status: 504, body: "upstream connect error", headers: { "x-odd": "yes" }, times: 1 },
          { fault: "status", status: 429, retryAfterMs: 1500 }
        )
      )
    )
  )

  it.effect("of 500 and 503 makes a provisioned call spill over, of 502 it does not", () =>
    Effect.gen(function* () {
      const replies = yield* over(Effect.all(Array.from({ length: 3 }, () => dated("ptu", prompt(1)))))

      assert.deepStrictEqual(
        replies.map(({ headers, status }) => [
          status,
          headers["x-ms-deployment-name"],
          headers["x-ms-spillover-error"]
        ]),
        [
          [200, "std", "500"],
          [200, "std", "503"],
          [502, "ptu", undefined]
        ]
      )
    }).pipe(
      Effect.provide(
        faulty(
          { fault: "status", status: 500, deployment: "ptu", times: 1 },
          { fault: "status", status: 503, deployment: "ptu", times: 1 },
          { fault: "status", status: 502, deployment: "ptu" }
        )
      )
    )
  )

  it.effect("can be none: refused, or silent", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.either(dated("lone", prompt(1)))
      const silent = yield* over(Effect.timeoutOption(dated("lone", prompt(1)), "9 seconds"))

      assert.isTrue(Either.isLeft(refused) && refused.left._tag === "RequestError")
      assert.deepStrictEqual(silent, Option.none())
      assert.deepStrictEqual(yield* log, [
        [0, "lone", undefined],
        [0, "lone", "interrupted"]
      ])
    }).pipe(Effect.provide(faulty({ fault: "refuse", times: 1 }, { fault: "silence" })))
  )
})

describe("a stream that a fault befalls", () => {
  const [truncate, reset, silence] = (["truncate", "reset", "silence"] as const).map((fault): Fault.Fault => ({
    fault,
    afterBytes: 700
  }))

  for (const [name, rule, end] of [
    ["is truncated", truncate, false],
    ["is reset", reset, false],
    ["falls silent", silence, "hanging"]
  ] as const) {
    it.effect(`${name} after its bytes, and leaves nothing in flight`, () =>
      Effect.gen(function* () {
        const seen = yield* read("lone")

        assert.strictEqual(seen.end, end)
        assert.strictEqual(seen.received.join("").length, 700)
        const emulator = yield* Emulator.Emulator
        assert.strictEqual(yield* emulator.inFlight, 0)
      }).pipe(Effect.provide(rule === undefined ? faulty() : faulty(rule)))
    )
  }

  it.effect("has an event more that is not JSON, and goes on", () =>
    Effect.gen(function* () {
      const seen = yield* read("lone")

      assert.strictEqual(seen.end, true)
      assert.strictEqual(seen.received[1], 'data: {"choices":[{"index":0,"delta":{"content":\n\n')
      assert.isTrue(seen.received.at(-1)?.endsWith("data: [DONE]\n\n"))
    }).pipe(Effect.provide(faulty({ fault: "malformed" })))
  )

  it.effect("is stopped half-way by the content filter, or before it begins", () =>
    Effect.gen(function* () {
      const refused = yield* over(openChat("lone", prompt(1)))
      const received = yield* over(pieces(openChat("lone", prompt(1))))
      const { finish, text } = said(events(received.map(([, text]) => text).join("")))

      assert.strictEqual(refused.status, 400)
      assert.match(yield* refused.text, /ResponsibleAIPolicyViolation/)
      assert.deepStrictEqual([finish, text.split(" ").length], [["content_filter"], 5])
    }).pipe(Effect.provide(faulty({ fault: "filter", of: "prompt", times: 1 }, { fault: "filter", of: "completion" })))
  )
})

describe("a JSON body that a fault befalls", () => {
  it.effect("is truncated in its middle, or is not JSON", () =>
    Effect.gen(function* () {
      const truncated = yield* over(Effect.flip(dated("lone", { ...prompt(1), max_tokens: 1 })))
      const malformed = yield* over(openChat("lone", { ...prompt(1), max_tokens: 1, stream: false }))

      assert.strictEqual(truncated._tag === "ResponseError" ? truncated.reason : "", "Decode")
      const text = yield* malformed.text
      assert.doesNotThrow(() => JSON.parse(`${text}}`) as unknown)
    }).pipe(Effect.provide(faulty({ fault: "truncate", times: 1 }, { fault: "malformed" })))
  )
})

describe("a configuration of faults", () => {
  it.effect("names every problem with its path", () =>
    Effect.gen(function* () {
      const { problems } = yield* Effect.flip(
        EmulatorConfig.decode({
          deployments: [ptu],
          faults: [{ fault: "status", status: 200 }, { fault: "explode" }, { fault: "delay", probability: 2 }]
        })
      )
      assert.deepStrictEqual(
        problems.map(({ message, path }) => `${path}: ${message}`),
        [
          "faults[0].status: must be a whole number from 400 to 599",
          'faults[1].fault: expected one of "status", "delay", "truncate", "reset", "refuse", "silence", "malformed", "filter", got a string',
          "faults[2].probability: must be a number from 0 to 1"
        ]
      )
      const unknown = yield* Effect.flip(
        EmulatorConfig.decode({ deployments: [ptu], faults: [{ fault: "refuse", deployment: "std" }] })
      )
      assert.strictEqual(unknown.message, 'faults[0].deployment: no deployment is named "std"')
    })
  )
})
