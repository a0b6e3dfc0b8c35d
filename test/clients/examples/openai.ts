/** The `openai` package over the policy: whatever it was set up with, the request goes to the deployments provided. */
import { FetchBridge } from "@spillway/azure-openai"
import { Effect } from "effect"
import OpenAI from "openai"

export const program = Effect.gen(function* () {
  const fetch = yield* FetchBridge.make
  const client = new OpenAI({ fetch, maxRetries: 0, apiKey: "unused", baseURL: "https://unused.example/v1" })
  return yield* Effect.tryPromise(async (signal) => {
    const messages = [{ role: "user" as const, content: "Why is the sky blue?" }]
    const stream = await client.chat.completions.create({ model: "unused", messages, stream: true }, { signal })
    let text = ""
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ""
    return text
  })
})
