import { createAzure } from "@ai-sdk/azure"
import { createOpenAI } from "@ai-sdk/openai"
import { ErrorReply, InStreamThrottle, Script } from "@spillway/emulator"
import { APICallError, embedMany, generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai"
import { assert, describe, it } from "vitest"
import { ample, busyThen, eventually, full, play, rejection, theirs } from "./support/server.js"
import type { Server } from "./support/server.js"

const azure = ({ url }: Server, fetch?: typeof globalThis.fetch) =>
  createAzure({ baseURL: `${url}/openai/v1`, apiKey: theirs, ...(fetch === undefined ? {} : { fetch }) })

const dated = ({ url }: Server, fetch: typeof globalThis.fetch) =>
  createAzure({
    baseURL: `${url}/openai`,
    apiKey: theirs,
    apiVersion: "2025-04-01-preview",
    useDeploymentBasedUrls: true,
    fetch
  })

const openai = (fetch: typeof globalThis.fetch) =>
  createOpenAI({ baseURL: "https://unused.example/v1", apiKey: theirs, fetch })

const options = { prompt: "Hi", maxRetries: 0 }

// The chat and the Responses API, of both providers, with and without the bridge.
const models = (server: Server) =>
  [
    ["@ai-sdk/azure, chat, directly", azure(server).chat("gpt-4o-ptu")],
    ["@ai-sdk/azure, responses, directly", azure(server).responses("gpt-4o-ptu")],
    ["@ai-sdk/azure, chat, through the bridge", azure(server, server.fetch).chat("gpt-4o-ptu")],
    ["@ai-sdk/azure, chat in dated URLs, through the bridge", dated(server, server.fetch).chat("gpt-4o-ptu")],
    ["@ai-sdk/azure, responses, through the bridge", azure(server, server.fetch).responses("gpt-4o-ptu")],
    ["@ai-sdk/openai, chat, through the bridge", openai(server.fetch).chat("gpt-4o-ptu")],
    ["@ai-sdk/openai, responses, through the bridge", openai(server.fetch).responses("gpt-4o-ptu")]
  ] as const

describe("the AI SDK", () => {
  it("generates and streams the same text, and counts the tokens", async () => {
    const server = await ample()
    for (const [name, model] of models(server)) {
      const whole = await generateText({ model, ...options })
      const stream = streamText({ model, ...options })
      let streamed = ""
      for await (const piece of stream.textStream) streamed += piece

      assert.isNotEmpty(whole.text, name)
      assert.strictEqual(streamed, whole.text, name)
      assert.isAbove(whole.usage.outputTokens ?? 0, 0, name)
      assert.strictEqual((await stream.usage).outputTokens, whole.usage.outputTokens, name)
    }
  })

  it("generates objects, and calls tools", async () => {
    const server = await ample()
    const schema = jsonSchema<{ name: string }>({
      type: "object",
      properties: { name: { type: "string" } },
      required: ["name"],
      additionalProperties: false
    })
    for (const [name, model] of models(server)) {
      const { object } = await generateObject({ model, schema, ...options })
      const { toolCalls } = await generateText({
        model,
        ...options,
        toolChoice: "required",
        stopWhen: stepCountIs(1),
        tools: { greet: tool({ inputSchema: schema }) }
      })

      assert.isString(object.name, name)
      assert.strictEqual(toolCalls[0]?.toolName, "greet", name)
    }
  })

  it("embeds", async () => {
    const server = await ample()

    const { embeddings } = await embedMany({
      model: azure(server).embedding("embeddings"),
      values: ["one", "two"],
      maxRetries: 0
    })

    assert.deepStrictEqual(
      embeddings.map(({ length }) => length),
      [1536, 1536]
    )
  })

  it("waits for the PTUs and goes to Standard through the bridge", async () => {
    const waited = await busyThen(Script.answer({ text: "hello" }))
    assert.strictEqual(
      (await generateText({ model: azure(waited, waited.fetch).chat("any"), ...options })).text,
      "hello"
    )
    assert.deepStrictEqual(await waited.asked(), ["gpt-4o-ptu 429", "gpt-4o-ptu 200"])

    const fellBack = await play([Script.throttled({ retryAfterMs: 5000 })], [Script.answer({ text: "standard" })])
    assert.strictEqual(
      await streamText({ model: azure(fellBack, fellBack.fetch).chat("any"), ...options }).text,
      "standard"
    )
    assert.deepStrictEqual(await fellBack.asked(), ["gpt-4o-ptu 429", "gpt-4o 200"])
  })

  it("waits for a throttle inside a stream of responses", async () => {
    const server = await play([
      Script.stream(InStreamThrottle.make("failedThenError", InStreamThrottle.quota, { retryAfterMs: 50 })),
      Script.answer({ text: "hello" })
    ])

    assert.strictEqual(
      await streamText({ model: azure(server, server.fetch).responses("any"), ...options }).text,
      "hello"
    )
    assert.deepStrictEqual(await server.asked(), ["gpt-4o-ptu 200", "gpt-4o-ptu 200"])
  })

  it("has its own error for each reply", async () => {
    const throttled = await full()
    const filtered = await play([Script.error(ErrorReply.contentFiltered)])
    const dropped = await play([Script.refuse()], [Script.refuse()])

    for (const [server, status, retryable] of [
      [throttled, 429, true],
      [filtered, 400, false],
      [dropped, 502, true]
    ] as const) {
      const error = await rejection(generateText({ model: azure(server, server.fetch).chat("any"), ...options }))
      assert.isTrue(APICallError.isInstance(error))
      assert.deepStrictEqual(APICallError.isInstance(error) && [error.statusCode, error.isRetryable], [
        status,
        retryable
      ])
    }
  })

  it("aborts a stream, and leaves nothing in flight", async () => {
    const server = await play([Script.answer({ text: "word ".repeat(200), every: "20 millis" })])
    const controller = new AbortController()
    const { textStream } = streamText({
      model: azure(server, server.fetch).chat("any"),
      ...options,
      abortSignal: controller.signal
    })

    let pieces = 0
    for await (const _ of textStream) if (++pieces === 5) controller.abort()

    assert.isBelow(pieces, 100)
    await eventually(async () => (await server.inFlight()) === 0)
  })
})
