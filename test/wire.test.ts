import { FetchHttpClient, HttpServer } from "@effect/platform"
import type { HttpClient } from "@effect/platform"
import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, Deployment } from "@spillway/azure-openai"
import * as UndiciHttpClient from "@spillway/azure-openai/UndiciHttpClient"
import { Emulator, Script } from "@spillway/emulator"
import { Effect, Exit, Fiber, Layer, Redacted, Schedule } from "effect"
import { createServer } from "node:http"
import { asLayers, at, hello, key, resultOf, sent, throughEffects, throughLayers } from "./support/scenario.js"
import { scenarios } from "./support/scenarios.js"

/** The client most users have, and our own. */
const clients: ReadonlyArray<readonly [string, Layer.Layer<HttpClient.HttpClient>]> = [
  ["platform's undici", NodeHttpClient.layerUndici],
  ["UndiciHttpClient", UndiciHttpClient.layer]
]

/** An emulator behind a real socket, and a client. */
const socketsFor = (client: Layer.Layer<HttpClient.HttpClient>) => (emulator: Layer.Layer<Emulator.Emulator>) =>
  Emulator.serve.pipe(
    Layer.provideMerge(emulator),
    Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
    Layer.merge(client)
  )

const endpoint = Effect.map(HttpServer.HttpServer, ({ address }) =>
  address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : "no address"
)

/** Waits for something real to happen, for at most two seconds. */
const eventually = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  condition.pipe(
    Effect.repeat({ until: (met) => met, schedule: Schedule.spaced("5 millis") }),
    Effect.timeout("2 seconds")
  )

// A client for each, because more calls at a time would measure the machine.
for (const [way, through, early, overSocket] of [
  ["as Layers, over UndiciHttpClient", throughLayers, 1, socketsFor(UndiciHttpClient.layer)],
  // Effect.retry trusts the timer, which may fire up to 1 ms early; the other millisecond is the rounding of both readings.
  [
    "by Effect.retry and Fallback.orElse, over platform's undici",
    throughEffects,
    2,
    socketsFor(NodeHttpClient.layerUndici)
  ]
] as const) {
  describe.concurrent(`the policy ${way}`, () => {
    it.live.each(scenarios.filter((scenario) => scenario.virtualOnly !== true))("$name", (scenario) =>
      Effect.gen(function* () {
        const reply = yield* through(scenario, yield* endpoint)
        const requests = yield* sent

        assert.deepStrictEqual(
          requests.map(([deployment]) => deployment),
          scenario.sent.map(([deployment]) => deployment)
        )
        assert.strictEqual(resultOf(reply), scenario.result)
        const first = requests[0]?.[1] ?? 0
        // A timeout runs from the sending of a request, which is before its arrival.
        const slack = scenario.ptu?.timeout === undefined ? early : 500
        for (const [i, [, planned]] of scenario.sent.entries()) {
          const after = (requests[i]?.[1] ?? 0) - first
          assert.isAtLeast(after, planned - slack, `request ${i + 1} came early`)
          assert.isAtMost(after, planned + 3000, `request ${i + 1} came late`)
        }
      }).pipe(Effect.provide(overSocket(Emulator.layerScripted(Script.make(scenario.script)))))
    )
  })
}

describe.each(clients)("a real socket, %s", (_, client) => {
  const overSocket = socketsFor(client)
  const answering = overSocket(Emulator.layerScripted(Script.make({ ptu: [Script.answer({ text: "hi" })] })))

  it.live("v1 style: the deployment is named in the body, the key in api-key", () =>
    Effect.gen(function* () {
      const base = yield* endpoint
      const ptu = Layer.orDie(Deployment.provisioned(at("ptu", { endpoint: base })))
      const answer = yield* AzureOpenAI.chat({ ...hello, temperature: 0.5, x_new: true }).pipe(Effect.provide(ptu))
      const [request] = yield* Effect.flatMap(Emulator.Emulator, (emulator) => emulator.requests)

      assert.strictEqual(answer.text, "hi")
      assert.strictEqual(answer.served.requestId?.length, 36)
      assert.strictEqual(request?.path, "/openai/v1/chat/completions")
      assert.strictEqual(request?.apiVersion, undefined)
      assert.strictEqual(request?.headers["api-key"], key)
      assert.deepStrictEqual(request?.body, { ...hello, temperature: 0.5, x_new: true, model: "ptu" })
      assert.notProperty(request?.headers, "traceparent")
      assert.notProperty(request?.headers, "b3")
    }).pipe(Effect.provide(answering))
  )

  it.live("dated style: the deployment is named in the path, with the API version", () =>
    Effect.gen(function* () {
      const base = yield* endpoint
      const ptu = Layer.orDie(Deployment.provisioned(at("ptu", { endpoint: base, apiVersion: "2024-10-21" })))
      yield* AzureOpenAI.chat(hello).pipe(Effect.provide(ptu))
      const [request] = yield* Effect.flatMap(Emulator.Emulator, (emulator) => emulator.requests)

      assert.strictEqual(request?.path, "/openai/deployments/ptu/chat/completions")
      assert.strictEqual(request?.apiVersion, "2024-10-21")
      assert.deepStrictEqual(request?.body, hello)
    }).pipe(Effect.provide(answering))
  )

  it.live("a port where nobody listens is refused, and Standard answers", () =>
    Effect.gen(function* () {
      const base = yield* endpoint
      const chat = Deployment.provisioned(at("gone", { endpoint: "http://127.0.0.1:1" })).pipe(
        Deployment.orElse(Deployment.standard(at("ptu", { endpoint: base })))
      )
      const answer = yield* AzureOpenAI.chat(hello).pipe(Effect.provide(Layer.orDie(chat)))

      assert.strictEqual(answer.served.outcome, "fallback")
      assert.deepStrictEqual(
        answer.served.attempts.map((attempt) => [attempt.deployment, attempt.outcome, attempt.status]),
        [
          ["gone", "Unavailable", undefined],
          ["ptu", "answered", 200]
        ]
      )
    }).pipe(Effect.provide(answering))
  )

  it.live("a host that does not exist is a failure of DNS", () =>
    Effect.gen(function* () {
      const chat = Layer.orDie(Deployment.provisioned(at("ptu", { endpoint: "http://no-such-host.invalid" })))
      const error = yield* Effect.flip(AzureOpenAI.chat(hello).pipe(Effect.provide(chat)))

      assert.strictEqual(error._tag, "Unavailable")
      assert.strictEqual(error._tag === "Unavailable" && error.reason, "dns")
    }).pipe(Effect.provide(answering))
  )

  it.live("interruption closes the request in flight, and sends no other", () =>
    Effect.gen(function* () {
      const base = yield* endpoint
      const emulator = yield* Emulator.Emulator
      const chat = Layer.orDie(asLayers({}, base))
      const fiber = yield* Effect.fork(AzureOpenAI.chat(hello).pipe(Effect.provide(chat)))
      yield* eventually(Effect.map(emulator.inFlight, (n) => n === 1))

      const exit = yield* Fiber.interrupt(fiber)
      yield* eventually(Effect.map(emulator.inFlight, (n) => n === 0))

      assert.isTrue(Exit.isInterrupted(exit))
      assert.strictEqual((yield* emulator.requests).length, 1)
      assert.isTrue((yield* emulator.requests)[0]?.interrupted)
    }).pipe(Effect.provide(overSocket(Emulator.layerScripted(Script.make({ ptu: [Script.silent], std: [] })))))
  )

  it.live("200 concurrent callers against real capacity: all are answered, none twice", () =>
    Effect.gen(function* () {
      const base = yield* endpoint
      const emulator = yield* Emulator.Emulator
      const answers = yield* Effect.forEach(
        Array.from({ length: 200 }, (_, i) => i),
        (i) => AzureOpenAI.chat({ messages: [{ role: "user", content: `question ${i}` }], max_tokens: 500 }),
        { concurrency: "unbounded" }
      ).pipe(Effect.provide(Layer.orDie(asLayers({ maxWait: "1 second" }, base))))
      const requests = yield* emulator.requests

      const total = answers.reduce((sum, answer) => sum + answer.served.attempts.length, 0)
      assert.strictEqual(answers.length, 200)
      assert.strictEqual(requests.length, total)
      assert.strictEqual(requests.filter((request) => request.status === 200).length, 200)
      assert.isAbove(answers.filter((answer) => answer.served.outcome === "fallback").length, 0)
      assert.isAbove(answers.filter((answer) => answer.served.servedBy === "provisioned").length, 0)
      // No answer is somebody else's: the emulator's text is a function of the question.
      assert.strictEqual(new Set(answers.map((answer) => answer.completion.id)).size, 200)
    }).pipe(
      Effect.provide(
        overSocket(
          Emulator.layer({
            deployments: [
              {
                name: "ptu",
                kind: "provisioned",
                model: "gpt-4o",
                ptus: 15,
                windowSeconds: 20,
                latency: { firstTokenMs: 5, tokensPerSecond: 2000 }
              },
              {
                name: "std",
                kind: "standard",
                model: "gpt-4o",
                tokensPerMinute: 10_000_000,
                requestsPerMinute: 100_000,
                latency: { firstTokenMs: 5, tokensPerSecond: 2000 }
              }
            ]
          })
        )
      )
    )
  )
})

describe.each([
  ...clients,
  // The one that follows redirects unless told not to.
  ["fetch", FetchHttpClient.layer]
] as const)("a redirect over %s", (_, client) => {
  it.live("is not followed: the key would go to another host", () =>
    Effect.gen(function* () {
      const seen: Array<string | undefined> = []
      const other = createServer((request, response) => {
        seen.push(request.headers["api-key"]?.toString())
        response.end("{}")
      })
      const server = createServer((_, response) => {
        const address = other.address()
        const port = typeof address === "object" ? address?.port : 0
        response.writeHead(307, { location: `http://127.0.0.1:${port}/` }).end()
      })
      const listen = (s: typeof server) =>
        Effect.acquireRelease(
          Effect.async<number>((resume) => {
            s.listen(0, "127.0.0.1", () => {
              const address = s.address()
              resume(Effect.succeed(typeof address === "object" ? (address?.port ?? 0) : 0))
            })
          }),
          () => Effect.sync(() => s.close())
        )
      yield* listen(other)
      const port = yield* listen(server)
      const error = yield* AzureOpenAI.chat(hello).pipe(
        Effect.provide(
          Layer.orDie(
            Deployment.provisioned({
              deployment: "ptu",
              endpoint: `http://127.0.0.1:${port}`,
              apiKey: Redacted.make(key)
            })
          )
        ),
        Effect.flip
      )

      assert.strictEqual(error._tag, "BadRequest")
      assert.strictEqual(error.status, 307)
      assert.deepStrictEqual(seen, [])
    }).pipe(Effect.scoped, Effect.provide(client))
  )
})
