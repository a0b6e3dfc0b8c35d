import { HttpClient, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, Credential, Deployment } from "@spillway/azure-openai"
import { CallSettings, RetryAfter } from "@spillway/core"
import { ErrorReply, Script } from "@spillway/emulator"
import { Clock, Context, Effect, Either, Layer, Redacted, Schedule } from "effect"
import { asLayers, at, hello, inProcess, inVirtualTime, resultOf, sent } from "./support/scenario.js"
import { recorder } from "./support/spans.js"

/** A client of web responses, and the hosts' deployments it was asked for. */
const answering = (reply: (deployment: string) => Response) => {
  const asked: Array<string> = []
  const client = HttpClient.make((request) =>
    Effect.sync(() => {
      const body = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : "{}"
      const deployment = String(JSON.parse(body).model)
      asked.push(deployment)
      return HttpClientResponse.fromWeb(request, reply(deployment))
    })
  )
  return { asked, layer: Layer.succeed(HttpClient.HttpClient, client), client }
}

const answer = JSON.stringify({ id: "x", choices: [{ index: 0, message: { role: "assistant", content: "hi" } }] })
const stalled = () => new ReadableStream({ start: () => undefined })
const call = Effect.either(AzureOpenAI.chat(hello))

describe("a hostile server", () => {
  it.effect.each([
    { status: 429, asked: ["ptu", "ptu", "ptu", "ptu", "std"], result: "std" },
    { status: 503, asked: ["ptu", "std"], result: "std" },
    { status: 400, asked: ["ptu"], result: "BadRequest ptu" },
    { status: 401, asked: ["ptu"], result: "Unauthorized ptu" }
  ])("a $status whose body never ends is what its status says, at once", ({ asked, result, status }) =>
    Effect.gen(function* () {
      const server = answering((deployment) =>
        deployment === "ptu"
          ? new Response(stalled(), { status, headers: { "retry-after-ms": "900" } })
          : new Response(answer)
      )
      const reply = yield* inVirtualTime(
        call.pipe(Effect.provide(Layer.orDie(asLayers({ maxWait: "5 seconds" }))), Effect.provide(server.layer)),
        "6 seconds"
      )

      assert.strictEqual(resultOf(reply), result)
      assert.deepStrictEqual(server.asked, asked)
    })
  )

  it.effect("a 200 whose body never ends is not asked for again here: it was billed", () =>
    Effect.gen(function* () {
      const server = answering((deployment) => new Response(deployment === "ptu" ? stalled() : answer))
      const chat = Deployment.provisioned(at("ptu", { timeout: "2 seconds" })).pipe(
        Deployment.retry(Schedule.recurs(3)),
        Deployment.orElse(Deployment.standard(at("std")))
      )
      const reply = yield* inVirtualTime(
        call.pipe(Effect.provide(Layer.orDie(chat)), Effect.provide(server.layer)),
        "3 seconds"
      )

      assert.strictEqual(resultOf(reply), "std")
      assert.deepStrictEqual(server.asked, ["ptu", "std"])
    })
  )

  it.effect("a refusal that is cut off before its body has come keeps its hint", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const client = HttpClient.make((request) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          sentAt.push(now)
          const refused = new Response(stalled(), { status: 429, headers: { "retry-after-ms": "1500" } })
          return HttpClientResponse.fromWeb(request, sentAt.length === 1 ? refused : new Response(answer))
        })
      )
      // The body of a refusal gets half a second, the attempt less.
      const chat = Deployment.provisioned(at("ptu", { timeout: "300 millis" })).pipe(
        Deployment.retry(Schedule.recurs(3))
      )
      const reply = yield* inVirtualTime(
        call.pipe(Effect.provide(Layer.orDie(chat)), Effect.provide(Layer.succeed(HttpClient.HttpClient, client))),
        "3 seconds"
      )

      assert.strictEqual(resultOf(reply), "ptu")
      assert.deepStrictEqual(sentAt, [0, 1800])
    })
  )

  it.effect("an answer nested 20,000 deep is malformed, not a defect", () =>
    Effect.gen(function* () {
      const server = answering(() => new Response(`{"id":${"[".repeat(20_000)}${"]".repeat(20_000)},"choices":[]}`))
      const error = yield* Effect.flip(
        AzureOpenAI.chat(hello).pipe(
          Effect.provide(Layer.orDie(Deployment.standard(at("std")))),
          Effect.provide(server.layer)
        )
      )

      assert.strictEqual(error._tag, "Malformed")
      assert.strictEqual(error._tag === "Malformed" && error.path, "id")
    })
  )

  it.effect("a request that is too large to be sent asks for no token", () =>
    Effect.gen(function* () {
      let asked = 0
      const token = Effect.suspend(() => {
        asked++
        return Effect.fail(new Credential.CredentialError({ reason: "unavailable" }))
      })
      const { apiKey: _, ...options } = at("std", { bodyLimit: 1000 })
      const credential = Layer.succeed(Credential.Credential, { token, rejected: () => Effect.void })
      const server = answering(() => new Response(answer))
      const error = yield* Effect.flip(
        AzureOpenAI.chat({ messages: [{ role: "user", content: "x".repeat(2000) }] }).pipe(
          Effect.provide(Layer.orDie(Deployment.standard({ ...options, credential }))),
          Effect.provide(server.layer)
        )
      )

      assert.strictEqual(error._tag, "BadRequest")
      assert.deepStrictEqual([asked, server.asked], [0, []])
    })
  )

  it.effect("a body that was unpacked on the way is counted unpacked, whatever length it had", () =>
    Effect.gen(function* () {
      // As fetch hands a packed reply on: the bytes unpacked, under the headers they came with.
      const headers = { "content-encoding": "gzip", "content-length": "70" }
      const server = answering(() => new Response(`{"id":"${"x".repeat(5000)}","choices":[]}`, { headers }))
      const error = yield* Effect.flip(
        AzureOpenAI.chat(hello).pipe(
          Effect.provide(Layer.orDie(Deployment.standard(at("std", { bodyLimit: 1000 })))),
          Effect.provide(server.layer)
        )
      )

      assert.strictEqual(error._tag === "Malformed" && error.path, "byte 1000, the limit of a body")
    })
  )

  it.effect("a hint longer than any clock ends the wait, whatever the Schedule", () =>
    Effect.gen(function* () {
      const server = answering((deployment) =>
        deployment === "ptu"
          ? new Response("", { status: 429, headers: { "retry-after-ms": `1${"0".repeat(305)}` } })
          : new Response(answer)
      )
      const reply = yield* inVirtualTime(
        call.pipe(Effect.provide(Layer.orDie(asLayers({}))), Effect.provide(server.layer))
      )

      assert.strictEqual(resultOf(reply), "std")
    })
  )

  it.effect("a hint sent twice is honoured", () =>
    Effect.gen(function* () {
      const server = answering(() => new Response("", { status: 429, headers: { "retry-after-ms": "3000, 2000" } }))
      const error = yield* inVirtualTime(
        Effect.flip(
          AzureOpenAI.chat(hello).pipe(
            Effect.provide(
              Layer.orDie(Deployment.provisioned(at("ptu")).pipe(Deployment.retry(RetryAfter.within("4 seconds"))))
            ),
            Effect.provide(server.layer)
          )
        )
      )

      assert.deepStrictEqual(
        error.attempts.map(({ startedMs }) => startedMs),
        [0, 3000]
      )
    })
  )
})

describe("an odd client", () => {
  it.effect("one that takes refusals for its own errors changes nothing", () =>
    Effect.gen(function* () {
      const server = answering(() => new Response("{}", { status: 401 }))
      const reply = yield* call.pipe(
        Effect.provide(Layer.orDie(asLayers({}))),
        Effect.provide(Layer.succeed(HttpClient.HttpClient, HttpClient.filterStatusOk(server.client)))
      )

      assert.strictEqual(resultOf(reply), "Unauthorized ptu")
      assert.deepStrictEqual(server.asked, ["ptu"])
    })
  )
})

describe("an odd caller", () => {
  const odd: ReadonlyArray<{ readonly name: string; readonly request: unknown }> = [
    { name: "nothing", request: undefined },
    { name: "null", request: null },
    { name: "a bigint in an unknown field", request: { ...hello, x: 1n } },
    { name: "a circle", request: Object.assign({ ...hello }, { self: undefined as unknown }) },
    { name: "what writes itself as something else", request: { ...hello, toJSON: () => "x" } },
    {
      name: "a getter that throws",
      request: Object.defineProperty({}, "messages", {
        enumerable: true,
        get: () => {
          throw new Error("secret")
        }
      })
    }
  ]
  const circle = odd[3]?.request as { self: unknown }
  circle.self = circle

  it.effect.each([...odd])("$name is refused before anything is sent", ({ request }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        AzureOpenAI.chat(request as typeof hello).pipe(Effect.provide(Layer.orDie(Deployment.standard(at("std")))))
      )

      assert.strictEqual(error._tag, "BadRequest")
      assert.deepStrictEqual(error.attempts, [])
      assert.deepStrictEqual(yield* sent, [])
    }).pipe(Effect.provide(inProcess(Script.make({ std: [] }))))
  )

  it.effect("retries(NaN) is no endless loop", () =>
    Effect.gen(function* () {
      const chat = Deployment.standard(at("std")).pipe(Deployment.retry(RetryAfter.retries(Number("two"))))
      yield* inVirtualTime(call.pipe(Effect.provide(Layer.orDie(chat))))

      assert.strictEqual((yield* sent).length, 1)
    }).pipe(Effect.provide(inProcess(Script.make({ std: [Script.forever(Script.throttled({ retryAfterMs: 10 }))] }))))
  )

  it.effect.each([1999, 2000, 2001])("a wait of %i ms under a deadline of 2 s", (hint) =>
    Effect.gen(function* () {
      const reply = yield* inVirtualTime(
        call.pipe(CallSettings.withDeadline("2 seconds"), Effect.provide(Layer.orDie(asLayers({}))))
      )

      // No attempt can start at the deadline, so the wait that ends there is not begun.
      assert.strictEqual(resultOf(reply), hint < 2000 ? "ptu" : "std")
    }).pipe(
      Effect.provide(
        inProcess(
          Script.make({ ptu: [Script.throttled({ retryAfterMs: hint }), Script.answer()], std: [Script.answer()] })
        )
      )
    )
  )

  it.effect("a timeout holds for a caller that cannot be interrupted", () =>
    Effect.gen(function* () {
      const chat = Layer.orDie(Deployment.standard(at("std", { timeout: "1 second" })))
      const reply = yield* inVirtualTime(Effect.uninterruptible(call).pipe(Effect.provide(chat)), "2 seconds")

      assert.strictEqual(resultOf(reply), "Unavailable std")
    }).pipe(Effect.provide(inProcess(Script.make({ std: [Script.silent] }))))
  )

  it.effect("a Schedule sees the call's context, not the one its Layer was built in", () =>
    Effect.gen(function* () {
      class Tenant extends Context.Reference<Tenant>()("Tenant", { defaultValue: () => "nobody" }) {}
      const seen: Array<string> = []
      const schedule = Schedule.recurs(1).pipe(
        Schedule.tapInput(() => Effect.map(Tenant, (tenant) => void seen.push(tenant)))
      )
      const chat = Deployment.standard(at("std")).pipe(
        Deployment.retry(schedule),
        Layer.provide(Layer.succeed(Tenant, "build"))
      )
      yield* inVirtualTime(
        Effect.provideService(call, Tenant, "call").pipe(
          Effect.provide(Layer.orDie(chat)),
          Effect.provideService(Tenant, "outside")
        )
      )

      assert.deepStrictEqual(seen, ["call", "call"])
    }).pipe(Effect.provide(inProcess(Script.make({ std: [Script.forever(Script.throttled())] }))))
  )

  it.effect("a retry around a chain goes back to its start: the outcome says so", () =>
    Effect.gen(function* () {
      const { layer, spans } = yield* recorder
      const chain = Deployment.provisioned(at("ptu")).pipe(
        Deployment.orElse(Deployment.standard(at("std"))),
        Deployment.retry(Schedule.recurs(1))
      )
      const reply = yield* inVirtualTime(call.pipe(Effect.provide(Layer.orDie(chain)), Effect.provide(layer)))
      const served = Either.getOrThrow(reply).served

      assert.deepStrictEqual([served.deployment, served.outcome], ["ptu", "served_after_wait"])
      assert.deepStrictEqual(
        spans[0]?.events.map(({ attributes }) => attributes),
        [
          { "spillway.fallback.from": "ptu", "spillway.fallback.to": "std", "error.type": "RateLimited" },
          { "spillway.deployment": "ptu", "spillway.wait.planned_ms": 200 }
        ]
      )
    }).pipe(
      Effect.provide(
        inProcess(
          Script.make({
            ptu: [Script.throttled({ retryAfterMs: 100 }), Script.answer()],
            std: [Script.throttled({ retryAfterMs: 200 })]
          })
        )
      )
    )
  )
})

describe("options that can never work", () => {
  it.effect.each([
    { name: "timeout", options: { timeout: 0 } },
    { name: "timeout", options: { timeout: Number.NaN } },
    { name: "deployment", options: { deployment: ".." } },
    { name: "deployment", options: { deployment: "\ud800" } },
    { name: "apiKey", options: { apiKey: Redacted.make("a\nb") } }
  ])("$name: $options", ({ name, options }) =>
    Effect.gen(function* () {
      const problem = yield* Effect.flip(
        Effect.scoped(Layer.build(Deployment.provisioned({ ...at("ptu"), ...options })))
      )

      assert.include(String(problem), name)
    }).pipe(Effect.provide(inProcess(Script.make({ ptu: [Script.error(ErrorReply.timeout)] }))))
  )
})
