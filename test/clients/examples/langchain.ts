/** LangChain.js over the policy. Its own retries are set to 0: retries have one owner. */
import { ChatOpenAI } from "@langchain/openai"
import { FetchBridge } from "@spillway/azure-openai"
import { Effect } from "effect"

export const program = Effect.gen(function* () {
  const fetch = yield* FetchBridge.make
  const model = new ChatOpenAI({
    model: "unused",
    apiKey: "unused",
    maxRetries: 0,
    configuration: { baseURL: "https://unused.example/v1", fetch }
  })
  return yield* Effect.tryPromise(async (signal) => (await model.invoke("Why is the sky blue?", { signal })).text)
})
