// A program with every kind of traffic, for Prometheus to scrape at PORT until it is told to end: bursts through admission
// beyond what the PTUs take, a Standard deployment short of quota, streams, and calls that fail.
import { NodeRuntime } from "@effect/platform-node"
import { Admission, AzureOpenAI, Deployment } from "@spillway/azure-openai"
import { RetryAfter } from "@spillway/core"
import { Emulator, Script } from "@spillway/emulator"
import { NodeTelemetry } from "@spillway/opentelemetry"
import { Console, Effect, Layer, Redacted, Stream } from "effect"

const at = (deployment, more) => ({
  deployment,
  model: "gpt-4o",
  endpoint: "http://emulator.local",
  apiKey: Redacted.make("key"),
  ...more
})

const latency = { firstTokenMs: 100, tokensPerSecond: 200 }
const resource = Emulator.layerClient.pipe(
  Layer.provide(
    Emulator.layer({
      deployments: [
        { name: "ptu", kind: "provisioned", model: "gpt-4o", ptus: 15, windowSeconds: 5, latency },
        { name: "std", kind: "standard", model: "gpt-4o", requestsPerMinute: 60, latency }
      ]
    })
  )
)

const standard = Deployment.standard(at("std", { prices: { input: 2.5, cachedInput: 1.25, output: 10 } }))
const Chat = Deployment.provisioned(at("ptu")).pipe(
  // Told twice what there is, so that it errs now and then.
  Layer.provide(Admission.layer({ ptus: 30, burstMs: 5000, size: "exact" })),
  Deployment.retry(RetryAfter.within("2 seconds")),
  Deployment.orElse(standard.pipe(Deployment.retry(RetryAfter.retries(1)))),
  Layer.provide(resource)
)

const event = (delta, finish) =>
  `data: ${JSON.stringify({ id: "x", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
const scripted = Emulator.layerClient.pipe(
  Layer.provide(
    Emulator.layerScripted(
      Script.make({
        streams: [
          Script.forever(
            Script.reply({
              after: 120,
              headers: { "content-type": "text/event-stream" },
              body: `${event({ content: "hi" }, null)}${event({}, "stop")}data: [DONE]\n\n`
            })
          )
        ],
        fails: [Script.forever(Script.reply({ status: 400, body: { error: { code: "invalid_value" } } }))]
      })
    )
  )
)
const alone = (deployment) => Deployment.provisioned(at(deployment)).pipe(Layer.provide(scripted))

const messages = [{ role: "user", content: "Say something about the weather that nobody has said before.".repeat(4) }]
const burst = Effect.forEach(
  Array.from({ length: 20 }),
  () => Effect.either(AzureOpenAI.chat({ messages, max_tokens: 60 })),
  { concurrency: "unbounded" }
)
const streams = Effect.either(Stream.runDrain(AzureOpenAI.chatStream({ messages })))
const fails = Effect.either(AzureOpenAI.chat({ messages }))

Effect.all(
  [
    burst.pipe(Effect.forkDaemon, Effect.zipRight(Effect.sleep("1 second")), Effect.forever, Effect.provide(Chat)),
    streams.pipe(Effect.zipRight(Effect.sleep("300 millis")), Effect.forever, Effect.provide(alone("streams"))),
    fails.pipe(Effect.zipRight(Effect.sleep("500 millis")), Effect.forever, Effect.provide(alone("fails")))
  ],
  { concurrency: "unbounded" }
).pipe(
  Effect.zipLeft(Console.log("ended"), { concurrent: false }),
  Effect.provide(NodeTelemetry.layer({ serviceName: "traffic", prometheus: { port: Number(process.env.PORT) } })),
  NodeRuntime.runMain
)
