// Calls that begin together, in a process that has room for few of their bodies: node --max-old-space-size=64 memory.mjs CLIENT
// PTU STD CALLS. Prints what came of them, and what was left open, as JSON. Ends by itself once nothing is.
import { AzureOpenAI, Deployment } from "@spillway/azure-openai"
import { RetryAfter } from "@spillway/core"
import { Cause, Effect, Exit, Layer, Logger, LogLevel, ManagedRuntime, Metric, Option, Redacted } from "effect"

const [client, ptu, std, calls] = process.argv.slice(2)
const clients = {
  "platform's undici": async () => (await import("@effect/platform-node/NodeHttpClient")).layerUndici,
  UndiciHttpClient: async () => (await import("@spillway/azure-openai/UndiciHttpClient")).layer,
  fetch: async () => (await import("@effect/platform/FetchHttpClient")).layer
}
const at = (deployment, endpoint) => ({
  deployment,
  endpoint,
  apiKey: Redacted.make("key"),
  timeout: "20 seconds",
  bodyLimit: 8 * 1024 * 1024
})
const runtime = ManagedRuntime.make(
  Deployment.provisioned(at("ptu", ptu)).pipe(
    Deployment.retry(RetryAfter.within("1 second")),
    Deployment.orElse(Deployment.standard(at("std", std))),
    Layer.provide(await clients[client]()),
    Layer.provideMerge(Logger.minimumLogLevel(LogLevel.None))
  )
)
const call = Effect.map(
  AzureOpenAI.chat({ messages: [{ role: "user", content: "Hi" }] }),
  ({ served, text }) => `${served.deployment}: ${text.length} characters`
)

// Counts itself.
const fibers = async () => Number((await Effect.runPromise(Metric.value(Metric.fiberActive))).count)
const fibersBefore = await fibers()
const outcomes = {}
let longestMs = 0
await Promise.all(
  Array.from({ length: Number(calls) }, async () => {
    const began = performance.now()
    const exit = await runtime.runPromiseExit(call)
    longestMs = Math.max(longestMs, performance.now() - began)
    const outcome = Exit.match(exit, {
      onSuccess: (answered) => answered,
      onFailure: (cause) =>
        Option.match(Cause.failureOption(cause), { onNone: () => Cause.pretty(cause), onSome: ({ _tag }) => _tag })
    })
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  })
)
await runtime.dispose()
process.stdout.write(JSON.stringify({ outcomes, longestMs, fibers: (await fibers()) - fibersBefore }))
