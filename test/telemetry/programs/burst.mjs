// A program that makes CALLS calls at once, exports to OTLP_URL, and ends like any other.
import { NodeRuntime } from "@effect/platform-node"
import { AzureOpenAI, Deployment } from "@spillway/azure-openai"
import { Emulator, Script } from "@spillway/emulator"
import { NodeTelemetry } from "@spillway/opentelemetry"
import { Console, Effect, Layer, Redacted } from "effect"

const calls = Number(process.env.CALLS)

const chat = Deployment.provisioned({
  deployment: "ptu",
  model: "gpt-4o",
  endpoint: "http://emulator.local",
  apiKey: Redacted.make("key")
}).pipe(
  Layer.provide(Emulator.layerClient),
  Layer.provide(Emulator.layerScripted(Script.make({ ptu: [Script.forever(Script.answer({ text: "hi" }))] })))
)

Effect.forEach(Array.from({ length: calls }), () => AzureOpenAI.chat({ messages: [{ role: "user", content: "Hi" }] }), {
  concurrency: "unbounded"
}).pipe(
  Effect.tap((answers) => Console.log(JSON.stringify({ answered: answers.length }))),
  Effect.provide(Layer.orDie(chat)),
  Effect.provide(
    NodeTelemetry.layer({
      serviceName: process.env.SERVICE,
      otlp: { endpoint: process.env.OTLP_URL },
      onProblem: (problem) => Console.error(`PROBLEM ${problem}`)
    })
  ),
  NodeRuntime.runMain
)
