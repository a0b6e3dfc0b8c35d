// What tracing costs: CPU time per call with spans off, with Effect's own tracer, and exported by the OpenTelemetry SDK; and
// what the metrics of a call cost by themselves. Rounds are interleaved, the first is dropped, and the median is shown.
import { HttpClient, HttpClientResponse } from "@effect/platform"
import { AzureOpenAI, Deployment } from "@spillway/azure-openai"
import { Metrics } from "@spillway/core"
import { NodeTelemetry } from "@spillway/opentelemetry"
import { Effect, Layer, ManagedRuntime, Redacted } from "effect"
import { createServer } from "node:http"

const calls = 500
const rounds = 10
const body = JSON.stringify({
  id: "chatcmpl-1",
  model: "gpt-4o",
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hi" } }],
  usage: { prompt_tokens: 9, completion_tokens: 1, total_tokens: 10 }
})

const headers = { "content-type": "application/json", "content-length": String(body.length) }

const chat = Layer.orDie(
  Deployment.provisioned({
    deployment: "ptu",
    model: "gpt-4o",
    endpoint: "http://emulator.local",
    apiKey: Redacted.make("key")
  })
).pipe(
  // Answers at once, without a socket or a server: what is left is the client's own work.
  Layer.provide(
    Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make((request) =>
        Effect.sync(() => HttpClientResponse.fromWeb(request, new Response(body, { headers })))
      )
    )
  )
)

const collector = createServer((request, response) => {
  request.resume().on("end", () => response.end("{}"))
})
await new Promise((resolve) => collector.listen(0, "127.0.0.1", resolve))
const otlp = { endpoint: `http://127.0.0.1:${collector.address().port}` }

const ask = AzureOpenAI.chat({ messages: [{ role: "user", content: "Hi" }] })
const round = Effect.repeatN(ask, calls - 1)

const variants = [
  ["spans off", Layer.empty, Effect.withTracerEnabled(false)],
  ["Effect's own tracer", Layer.empty, (effect) => effect],
  ["OpenTelemetry SDK, exported", NodeTelemetry.layer({ serviceName: "cost", otlp }), (effect) => effect]
]
const runtimes = variants.map(([, telemetry]) => ManagedRuntime.make(Layer.provideMerge(chat, telemetry)))
const times = variants.map(() => [])
for (let index = 0; index < rounds; index++) {
  for (const [which, [, , wrap]] of variants.entries()) {
    globalThis.gc?.()
    const before = process.cpuUsage()
    await runtimes[which].runPromise(wrap(round))
    const { system, user } = process.cpuUsage(before)
    if (index > 0) times[which].push((user + system) / calls)
  }
}
await Promise.all(runtimes.map((runtime) => runtime.dispose()))
collector.close()

const deployment = Metrics.deployment({ deployment: "cost", kind: "provisioned" })
const ended = Metrics.calls({ labels: { model: "cost" } })
const attempt = {
  number: 1,
  deployment: "cost",
  kind: "provisioned",
  outcome: "answered",
  status: 200,
  startedMs: 0,
  durationMs: 120
}
const count = () => {
  deployment.sent([])
  deployment.attempt(attempt, undefined, [])
  deployment.tokens({ inputTokens: 100, cachedTokens: 0, outputTokens: 50 }, [])
  deployment.ended([])
  ended.ended({ outcome: "served", errorType: undefined, waitedMs: 0, totalMs: 120 }, [])
}
for (let index = 0; index < 20_000; index++) count()
const before = process.cpuUsage()
for (let index = 0; index < 100_000; index++) count()
const used = process.cpuUsage(before)
const perCall = (used.user + used.system) / 100_000

const print = (line) => process.stdout.write(`${line}\n`)
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
const medians = times.map(median)
print(`\nCPU per call, ${calls} calls a round, median of ${rounds - 1} rounds (a transport that answers at once):`)
variants.forEach(([name], index) => {
  const more = index === 0 ? "" : `  +${(medians[index] - medians[0]).toFixed(0)} µs`
  print(`  ${name.padEnd(28)} ${medians[index].toFixed(0).padStart(6)} µs${more}`)
})
print(`  all metrics of a call         ${perCall.toFixed(2).padStart(5)} µs`)
