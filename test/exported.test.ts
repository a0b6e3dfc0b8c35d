import { NodeHttpServer } from "@effect/platform-node"
import { HttpServer } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI } from "@spillway/azure-openai"
import { Emulator, Script } from "@spillway/emulator"
import { NodeTelemetry } from "@spillway/opentelemetry"
import { Effect, Layer, Ref } from "effect"
import { createServer } from "node:http"
import { createServer as createTcpServer } from "node:net"
import { asLayers, hello } from "./support/scenario.js"
import type { Behaviour } from "./support/telemetry/otlpReceiver.js"
import * as OtlpReceiver from "./support/telemetry/otlpReceiver.js"
import { assertTrace, tracesOf } from "./support/telemetry/traces.js"

const emulated = (script: Script.Script) =>
  Emulator.serve.pipe(
    Layer.provideMerge(Emulator.layerScripted(script)),
    Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
  )

const endpoint = Effect.map(HttpServer.HttpServer, ({ address }) =>
  address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : ""
)

const waited = [Script.throttled({ retryAfterMs: 120, after: 10 }), Script.answer({ after: 20 })]
const inVain = [Script.throttled({ retryAfterMs: 100, after: 10 }), Script.throttled({ retryAfterMs: 60_000 })]

/** Calls, one after the other, exported to `url` by a program that then ends. */
const exported = (url: string, script: Script.Script, calls: number, options?: Partial<NodeTelemetry.Options>) =>
  Effect.gen(function* () {
    const problems = yield* Ref.make<ReadonlyArray<string>>([])
    const chat = asLayers({}, yield* endpoint)
    const began = performance.now()
    let answered = 0
    yield* Effect.repeatN(AzureOpenAI.chat(hello), calls - 1).pipe(
      Effect.tap(() => Effect.sync(() => (answered = performance.now()))),
      Effect.provide(Layer.orDie(chat).pipe(Layer.provide(NodeHttpClient.layerUndici))),
      Effect.provide(
        NodeTelemetry.layer({
          serviceName: "test-of-exports",
          otlp: { endpoint: url },
          onProblem: (problem) => Ref.update(problems, (told) => [...told, problem]),
          ...options
        })
      )
    )
    return { problems: yield* problems, callsMs: answered - began }
  }).pipe(Effect.provide(emulated(script)), Effect.scoped)

const query = (url: string) =>
  Effect.promise(() => fetch(`${url}/api/v3/traces`).then((reply): Promise<unknown> => reply.json()))

describe("over OTLP/HTTP", () => {
  it.live("whole traces arrive: parents, kinds, statuses, attributes, waits, times that add up", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { url } = yield* OtlpReceiver.start()
        const script = Script.make({
          ptu: [Script.answer({ after: 30 }), ...waited, ...inVain],
          std: [Script.answer()]
        })
        const { problems } = yield* exported(url, script, 3)
        const traces = tracesOf(yield* query(url)).map((trace) => assertTrace(trace, "test-of-exports"))

        assert.deepStrictEqual(problems, [])
        assert.sameDeepMembers(traces, [
          { outcome: "served", servedBy: "provisioned", attempts: 1, rateLimited: 0, spans: 2 },
          { outcome: "served_after_wait", servedBy: "provisioned", attempts: 2, rateLimited: 1, spans: 4 },
          { outcome: "fallback", servedBy: "standard", attempts: 3, rateLimited: 2, spans: 5 }
        ])
      })
    )
  )

  it.live("metrics arrive too, with their units", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { bodies, url } = yield* OtlpReceiver.start()
        yield* exported(url, Script.make({ ptu: [Script.answer()] }), 1)
        const metrics = bodies.find((body) => body.includes("resourceMetrics")) ?? ""

        for (const name of ["spillway.calls", "spillway.wait.duration", "gen_ai.client.operation.duration"]) {
          assert.include(metrics, `"name":"${name}"`)
        }
        assert.include(metrics, `"unit":"s"`)
      })
    )
  )
})

describe("a collector that does not do its part", () => {
  const troubled = (url: string) =>
    exported(url, Script.make({ ptu: [Script.forever(Script.answer())] }), 20, { shutdownTimeout: "1 second" })

  // Something of the machine's own may take the port again, but hardly within a second.
  const deadPort = Effect.async<number>((resume) => {
    const server = createTcpServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
    })
  })

  const assertUnharmed = ({
    callsMs,
    problems
  }: {
    readonly callsMs: number
    readonly problems: ReadonlyArray<string>
  }) => {
    assert.isBelow(callsMs, 5000)
    assert.lengthOf(problems, 1)
  }

  it.live("is down: no call is late or fails, and it is told once", () =>
    Effect.gen(function* () {
      const result = yield* troubled(`http://127.0.0.1:${yield* deadPort}`)

      assertUnharmed(result)
      assert.match(result.problems[0] ?? "", /were not taken by http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/)
    })
  )

  it.live.each<readonly [string, Behaviour]>([
    ["answers 503", { status: 503 }],
    ["takes longer than the program waits", { delay: 20_000 }]
  ])("%s: no call is late or fails", ([, behaviour]) =>
    Effect.scoped(
      Effect.gen(function* () {
        const { url } = yield* OtlpReceiver.start(behaviour)
        const began = performance.now()
        const { callsMs, problems } = yield* troubled(url)

        assert.isBelow(callsMs, 5000)
        // The end waits no longer than `shutdownTimeout`, for spans and for metrics.
        assert.isBelow(performance.now() - began, callsMs + 8000)
        assert.isAtMost(problems.length, 1)
      })
    )
  )

  it.live("has no place for metrics: nothing to tell", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { url } = yield* OtlpReceiver.start()
        const only = yield* OtlpReceiver.start({ status: 404 })
        const { problems } = yield* exported(url, Script.make({ ptu: [Script.answer()] }), 1)
        const refused = yield* exported(only.url, Script.make({ ptu: [Script.answer()] }), 1)

        assert.deepStrictEqual(problems, [])
        // Spans that are refused are told of; metrics that are not wanted are not.
        assert.deepStrictEqual(
          refused.problems.map((problem) => problem.split(" ")[0]),
          ["spans"]
        )
      })
    )
  )
})
