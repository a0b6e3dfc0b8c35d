// What an application does: two calls, one answered by PTU after a wait, one by Standard.
import type { HttpClient } from "@effect/platform"
import type { CallError } from "@spillway/azure-openai"
import { AzureOpenAI, Deployment } from "@spillway/azure-openai"
import { CallSettings, RetryAfter } from "@spillway/core"
import { Emulator, Script } from "@spillway/emulator"
import { Console, Effect, Layer, Logger, LogLevel, Redacted } from "effect"

const at = (deployment: string): Deployment.Options => ({
  deployment,
  model: "gpt-4o",
  endpoint: "https://contoso.openai.azure.com",
  apiKey: Redacted.make("a-key")
})

const Chat = Deployment.provisioned(at("gpt-4o-ptu")).pipe(
  Deployment.retry(RetryAfter.within("4 seconds")),
  Deployment.orElse(Deployment.standard(at("gpt-4o")).pipe(Deployment.retry(RetryAfter.retries(2))))
)

const ask: Effect.Effect<AzureOpenAI.ChatAnswer, CallError.CallError, Deployment.Deployment> = AzureOpenAI.chat({
  messages: [{ role: "user", content: "Hi" }]
})

// @ts-expect-error the types are there: a question is no number
AzureOpenAI.chat({ messages: 1 })

// @ts-expect-error and a call without a deployment does not run
const unprovided: Effect.Effect<unknown, unknown> = ask
void unprovided

const Emulated: Layer.Layer<HttpClient.HttpClient> = Emulator.layerClient.pipe(
  Layer.provide(
    Emulator.layerScripted(
      Script.make({
        "gpt-4o-ptu": [
          Script.throttled({ retryAfterMs: 20 }),
          Script.answer({ text: "from PTU" }),
          Script.throttled({ retryAfterMs: 60_000 })
        ],
        "gpt-4o": [Script.answer({ text: "from Standard" })]
      })
    )
  )
)

const program = Effect.gen(function* () {
  const first = yield* ask
  const second = yield* ask.pipe(CallSettings.withMaxWait("1 second"))
  for (const { served, text } of [first, second]) {
    yield* Console.log(`${text}: ${served.outcome} after ${served.attempts.length}`)
  }
}).pipe(Effect.provide(Layer.orDie(Layer.provide(Chat, Emulated))), Logger.withMinimumLogLevel(LogLevel.Warning))

export const main: Promise<void> = Effect.runPromise(program)
