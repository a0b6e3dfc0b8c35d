/** `@effect/ai-openai` over the policy: the bridge takes the place of its HttpClient. */
import { LanguageModel } from "@effect/ai"
import { OpenAiClient, OpenAiLanguageModel } from "@effect/ai-openai"
import { HttpClientBridge } from "@spillway/azure-openai"
import { CallSettings } from "@spillway/core"
import { Effect, Layer } from "effect"

const Model = OpenAiLanguageModel.layer({ model: "unused" }).pipe(
  Layer.provide(OpenAiClient.layer({ apiUrl: "https://unused.example/v1" })),
  Layer.provide(HttpClientBridge.layer)
)

export const program = LanguageModel.generateText({ prompt: "Why is the sky blue?" }).pipe(
  Effect.map(({ text }) => text),
  CallSettings.withMaxWait("2 seconds"),
  Effect.provide(Model)
)
