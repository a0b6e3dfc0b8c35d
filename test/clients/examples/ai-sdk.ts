/** Vercel's AI SDK over the policy. Its own retries are set to 0: retries have one owner. */
import { createAzure } from "@ai-sdk/azure"
import { FetchBridge } from "@spillway/azure-openai"
import { generateText } from "ai"
import { Effect } from "effect"

export const program = Effect.gen(function* () {
  const fetch = yield* FetchBridge.make
  const azure = createAzure({ fetch, apiKey: "unused", baseURL: "https://unused.example/v1" })
  return yield* Effect.tryPromise(async (abortSignal) => {
    const { text } = await generateText({
      model: azure.chat("unused"),
      prompt: "Why is the sky blue?",
      maxRetries: 0,
      abortSignal
    })
    return text
  })
})
