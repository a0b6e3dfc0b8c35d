import type { BaseChatModel } from "@langchain/core/language_models/chat_models"
import { AzureChatOpenAI, AzureOpenAIEmbeddings, ChatOpenAI } from "@langchain/openai"
import { Script } from "@spillway/emulator"
import { assert, describe, it } from "vitest"
import { ample, busyThen, eventually, full, play, rejection, theirs } from "./support/server.js"
import type { Server } from "./support/server.js"

const azure = ({ url }: Server, fetch?: typeof globalThis.fetch) =>
  new AzureChatOpenAI({
    azureOpenAIApiKey: theirs,
    azureOpenAIEndpoint: url,
    azureOpenAIApiDeploymentName: "gpt-4o-ptu",
    azureOpenAIApiVersion: "2024-10-21",
    maxRetries: 0,
    ...(fetch === undefined ? {} : { configuration: { fetch } })
  })

const openai = (fetch: typeof globalThis.fetch, useResponsesApi: boolean) =>
  new ChatOpenAI({
    model: "gpt-4o",
    apiKey: theirs,
    maxRetries: 0,
    useResponsesApi,
    configuration: { baseURL: "https://unused.example/v1", fetch }
  })

const models = (server: Server): ReadonlyArray<readonly [string, BaseChatModel]> => [
  ["AzureChatOpenAI, directly", azure(server)],
  ["AzureChatOpenAI, through the bridge", azure(server, server.fetch)],
  ["ChatOpenAI, through the bridge", openai(server.fetch, false)],
  ["ChatOpenAI over the Responses API, through the bridge", openai(server.fetch, true)]
]

const streamed = async (model: BaseChatModel): Promise<string> => {
  let text = ""
  for await (const chunk of await model.stream("Hi")) text += chunk.text
  return text
}

describe("LangChain.js", () => {
  it("invokes and streams to the same text", async () => {
    const server = await ample()
    for (const [name, model] of models(server)) {
      const answer = await model.invoke("Hi")

      assert.isNotEmpty(answer.text, name)
      assert.isAbove(Object(answer).usage_metadata.output_tokens, 0, name)
      assert.strictEqual(await streamed(model), answer.text, name)
    }
  })

  it("embeds", async () => {
    const { url } = await ample()
    const model = new AzureOpenAIEmbeddings({
      azureOpenAIApiKey: theirs,
      azureOpenAIBasePath: `${url}/openai/deployments`,
      azureOpenAIApiDeploymentName: "embeddings",
      azureOpenAIApiVersion: "2024-10-21",
      maxRetries: 0
    })

    assert.deepStrictEqual(
      (await model.embedDocuments(["one", "two"])).map(({ length }) => length),
      [1536, 1536]
    )
  })

  it("waits for the PTUs and goes to Standard through the bridge", async () => {
    const waited = await busyThen(Script.answer({ text: "hello" }))
    assert.strictEqual((await azure(waited, waited.fetch).invoke("Hi")).text, "hello")
    assert.deepStrictEqual(await waited.asked(), ["gpt-4o-ptu 429", "gpt-4o-ptu 200"])

    const fellBack = await play([Script.throttled({ retryAfterMs: 5000 })], [Script.answer({ text: "standard" })])
    assert.strictEqual(await streamed(azure(fellBack, fellBack.fetch)), "standard")
    assert.deepStrictEqual(await fellBack.asked(), ["gpt-4o-ptu 429", "gpt-4o 200"])
  })

  it("sees a throttle as a RateLimitError, once", async () => {
    const server = await full()

    const error = await rejection(azure(server, server.fetch).invoke("Hi"))

    assert.strictEqual((error as { status?: unknown }).status, 429)
    assert.deepStrictEqual(await server.asked(), ["gpt-4o-ptu 429", "gpt-4o 429"])
  })

  it("aborts a stream, and leaves nothing in flight", async () => {
    const server = await play([Script.answer({ text: "word ".repeat(200), every: "20 millis" })])
    const controller = new AbortController()
    let chunks = 0
    await rejection(
      (async () => {
        for await (const _ of await azure(server, server.fetch).stream("Hi", { signal: controller.signal })) {
          if (++chunks === 5) controller.abort()
        }
      })()
    )

    assert.isBelow(chunks, 100)
    await eventually(async () => (await server.inFlight()) === 0)
  })
})
