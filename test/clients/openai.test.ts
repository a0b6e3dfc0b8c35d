import { Emulator, ErrorReply, InStreamThrottle, Script } from "@spillway/emulator"
import OpenAI, {
  APIConnectionError,
  APIConnectionTimeoutError,
  APIUserAbortError,
  AuthenticationError,
  AzureOpenAI,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError
} from "openai"
import { assert, describe, it } from "vitest"
import { ample, busyThen, eventually, full, key, play, rejection, serve, theirs } from "./support/server.js"
import type { Server } from "./support/server.js"

const messages = [{ role: "user" as const, content: "Hi" }]

const azure = ({ url }: Server, more: ConstructorParameters<typeof AzureOpenAI>[0] = {}) =>
  new AzureOpenAI({ endpoint: url, apiKey: theirs, apiVersion: "2025-04-01-preview", maxRetries: 0, ...more })

const v1 = ({ url }: Server, more: ConstructorParameters<typeof OpenAI>[0] = {}) =>
  new OpenAI({ baseURL: `${url}/openai/v1`, apiKey: theirs, maxRetries: 0, ...more })

const text = async (stream: AsyncIterable<OpenAI.ChatCompletionChunk>): Promise<string> => {
  let text = ""
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ""
  return text
}

// With and without the bridge, in both URL styles. Through it, client and deployments may differ in style.
const ways: ReadonlyArray<readonly [string, (server: Server) => OpenAI]> = [
  ["AzureOpenAI, directly", (server) => azure(server)],
  ["OpenAI under /openai/v1, directly", (server) => v1(server)],
  [
    "AzureOpenAI, through the bridge",
    (server) => azure(server, { fetch: server.fetch, endpoint: "https://unused.example" })
  ],
  ["OpenAI, through the bridge", (server) => v1(server, { fetch: server.fetch, baseURL: "https://unused.example/v1" })]
]

for (const [way, client] of ways) {
  describe(way, () => {
    it("chats", async () => {
      const server = await ample()

      const completion = await client(server).chat.completions.create({ model: "gpt-4o-ptu", messages })

      assert.isNotEmpty(completion.choices[0]?.message.content)
      assert.isAbove(completion.usage?.total_tokens ?? 0, 0)
      assert.deepStrictEqual(await server.asked(), ["gpt-4o-ptu 200"])
    })

    it("streams a chat to the same text as the whole", async () => {
      const server = await ample()
      const request = { model: "gpt-4o-ptu", messages }

      const whole = await client(server).chat.completions.create(request)
      const stream = await client(server).chat.completions.create({
        ...request,
        stream: true,
        stream_options: { include_usage: true }
      })
      let streamed = ""
      let usage: OpenAI.CompletionUsage | null | undefined
      for await (const chunk of stream) {
        streamed += chunk.choices[0]?.delta.content ?? ""
        usage = chunk.usage ?? usage
      }

      assert.strictEqual(streamed, whole.choices[0]?.message.content)
      assert.strictEqual(usage?.total_tokens, whole.usage?.total_tokens)
    })

    it("calls tools, and reads structured output", async () => {
      const server = await ample()

      const { choices } = await client(server).chat.completions.create({
        model: "gpt-4o-ptu",
        messages,
        tool_choice: "required",
        tools: [
          {
            type: "function",
            function: {
              name: "add",
              parameters: { type: "object", properties: { a: { type: "number" } }, required: ["a"] }
            }
          }
        ]
      })
      const parsed = await client(server).chat.completions.parse({
        model: "gpt-4o-ptu",
        messages,
        response_format: {
          type: "json_schema",
          json_schema: {
            name: "person",
            strict: true,
            schema: {
              type: "object",
              properties: { name: { type: "string" } },
              required: ["name"],
              additionalProperties: false
            }
          }
        }
      })

      const [call] = choices[0]?.message.tool_calls ?? []
      assert.strictEqual(call?.type === "function" && call.function.name, "add")
      assert.isString(JSON.parse(parsed.choices[0]?.message.content ?? "").name)
    })

    it("creates, streams, gets and deletes responses", async () => {
      const server = await ample()
      const { responses } = client(server)

      const whole = await responses.create({ model: "gpt-4o-ptu", input: "Hi" })
      let streamed = ""
      let last: string | undefined
      for await (const event of await responses.create({ model: "gpt-4o-ptu", input: "Hi", stream: true })) {
        if (event.type === "response.output_text.delta") streamed += event.delta
        last = event.type
      }
      const got = await responses.retrieve(whole.id)
      await responses.delete(whole.id)
      const gone = await rejection(responses.retrieve(whole.id))

      assert.isNotEmpty(whole.output_text)
      assert.strictEqual(streamed, whole.output_text)
      assert.strictEqual(last, "response.completed")
      assert.strictEqual(got.id, whole.id)
      assert.instanceOf(gone, NotFoundError)
    })

    it("has its own error for each status", async () => {
      for (const [reply, type, code] of [
        [ErrorReply.contentFiltered, BadRequestError, "content_filter"],
        [ErrorReply.invalidKey, AuthenticationError, "401"],
        [ErrorReply.internalServerError, InternalServerError, undefined]
      ] as const) {
        const server = await play([Script.error(reply)], [Script.error(reply)])

        const error = await rejection(client(server).chat.completions.create({ model: "gpt-4o-ptu", messages }))

        assert.instanceOf(error, type)
        if (code !== undefined) assert.strictEqual((error as InstanceType<typeof type>).code, code)
        assert.isNotEmpty((error as InstanceType<typeof type>).message)
      }
    })

    it("sees a throttle as its RateLimitError, with the hint", async () => {
      const server = await full()

      const error = await rejection(client(server).chat.completions.create({ model: "gpt-4o-ptu", messages }))

      assert.instanceOf(error, RateLimitError)
      assert.match((error as RateLimitError).headers.get("retry-after-ms") ?? "", /^[36]0000$/)
    })

    it("has its own error for a dropped connection", async () => {
      const server = await play([Script.refuse()], [Script.refuse()])

      const error = await rejection(client(server).chat.completions.create({ model: "gpt-4o-ptu", messages }))

      // The bridge is a gateway: it answers.
      if (way.endsWith("bridge")) {
        assert.instanceOf(error, InternalServerError)
        assert.deepStrictEqual([error.status, error.code], [502, "Unavailable"])
      } else {
        assert.instanceOf(error, APIConnectionError)
      }
    })

    it("sees a deployment that does not answer in time as a timeout", async () => {
      const server = await play([Script.silent], [Script.silent])

      const error = await rejection(
        client(server).chat.completions.create({ model: "gpt-4o-ptu", messages }, { timeout: 200 })
      )

      assert.instanceOf(error, APIConnectionTimeoutError)
      await eventually(async () => (await server.inFlight()) === 0)
    })

    it("aborts a request, and a stream, and leaves nothing in flight", async () => {
      const before = await play([Script.silent])
      const controller = new AbortController()
      const pending = rejection(
        client(before).chat.completions.create({ model: "gpt-4o-ptu", messages }, { signal: controller.signal })
      )
      await eventually(async () => (await before.inFlight()) === 1)
      controller.abort()
      assert.instanceOf(await pending, APIUserAbortError)
      await eventually(async () => (await before.inFlight()) === 0)

      const during = await play([Script.answer({ text: "word ".repeat(200), every: "20 millis" })])
      const stream = await client(during).chat.completions.create({ model: "gpt-4o-ptu", messages, stream: true })
      let chunks = 0
      for await (const chunk of stream) {
        chunks += chunk.choices.length
        if (chunks === 5) stream.controller.abort()
      }
      assert.isBelow(chunks, 100)
      await eventually(async () => (await during.inFlight()) === 0)

      const left = await play([Script.answer({ text: "word ".repeat(200), every: "20 millis" })])
      for await (const _ of await client(left).chat.completions.create({ model: "gpt-4o-ptu", messages, stream: true }))
        break
      await eventually(async () => (await left.inFlight()) === 0)
    })
  })
}

describe("embeddings", () => {
  it("are the same numbers with and without the bridge", async () => {
    const server = await ample()
    const body = { model: "embeddings", input: ["one", "two"] }

    const direct = await azure(server).embeddings.create(body)
    const floats = await v1(server).embeddings.create({ ...body, encoding_format: "float" })
    const bridged = await azure(server, { fetch: server.fetchEmbeddings }).embeddings.create(body)
    // The others are chat models, as the emulator says.
    const wrong = await rejection(azure(server, { fetch: server.fetch }).embeddings.create(body))

    assert.strictEqual(direct.data.length, 2)
    assert.deepStrictEqual(bridged.data, direct.data)
    assert.strictEqual(direct.data[0]?.embedding.length, 1536)
    assert.closeTo(direct.data[1]?.embedding[7] ?? Number.NaN, floats.data[1]?.embedding[7] ?? 0, 1e-6)
    assert.instanceOf(wrong, BadRequestError)
  })
})

describe("through the bridge, the policy", () => {
  for (const [style, client] of [
    ["AzureOpenAI", (server: Server) => azure(server, { fetch: server.fetch })],
    ["OpenAI", (server: Server) => v1(server, { fetch: server.fetch })]
  ] as const) {
    it(`waits for the PTUs: ${style}`, async () => {
      const server = await busyThen(
        Script.answer({ text: "hello" }),
        Script.throttled({ retryAfterMs: 50 }),
        Script.answer({ text: "streamed" })
      )

      const { choices } = await client(server).chat.completions.create({ model: "any", messages })
      const streamed = await text(
        await client(server).chat.completions.create({ model: "any", messages, stream: true })
      )

      assert.strictEqual(choices[0]?.message.content, "hello")
      assert.strictEqual(streamed, "streamed")
      assert.deepStrictEqual(await server.asked(), [
        "gpt-4o-ptu 429",
        "gpt-4o-ptu 200",
        "gpt-4o-ptu 429",
        "gpt-4o-ptu 200"
      ])
    })

    it(`goes to Standard, and says who served: ${style}`, async () => {
      const server = await play(
        [Script.forever(Script.throttled({ retryAfterMs: 5000 }))],
        [Script.forever(Script.answer({ text: "standard" }))]
      )

      const { data, response } = await client(server).chat.completions.create({ model: "any", messages }).withResponse()

      assert.strictEqual(data.choices[0]?.message.content, "standard")
      assert.deepStrictEqual(
        ["x-spillway-served-by", "x-spillway-outcome"].map((name) => response.headers.get(name)),
        ["standard", "fallback"]
      )
      assert.deepStrictEqual(await server.asked(), ["gpt-4o-ptu 429", "gpt-4o 200"])
    })

    it(`has one owner of retries, even where the client's are left on: ${style}`, async () => {
      const server = await full()

      const error = await rejection(
        client(server).chat.completions.create({ model: "any", messages }, { maxRetries: 5 })
      )

      assert.instanceOf(error, RateLimitError)
      assert.deepStrictEqual(await server.asked(), ["gpt-4o-ptu 429", "gpt-4o 429"])
    })

    it(`never lets a stream begin twice: ${style}`, async () => {
      const server = await play(
        [Script.truncated(Script.answer({ text: "from the first" }), { afterBytes: 300, end: "reset" })],
        [Script.answer({ text: "from the second" })]
      )

      const first = await text(await client(server).chat.completions.create({ model: "any", messages, stream: true }))

      assert.strictEqual(first, "from the second")
      assert.deepStrictEqual(await server.asked(), ["gpt-4o-ptu 200", "gpt-4o 200"])
    })
  }

  for (const [name, throttle] of Object.entries(InStreamThrottle.reported)) {
    it(`waits for a throttle inside a stream of responses: ${name}`, async () => {
      const hint =
        throttle.headers["retry-after-ms"] === undefined ? {} : { "retry-after-ms": "50", "retry-after": "1" }
      const server = await play([
        Script.stream({ ...throttle, headers: { ...throttle.headers, ...hint } }),
        Script.answer({ text: "hello" })
      ])

      let streamed = ""
      const created: Array<string> = []
      const stream = await azure(server, { fetch: server.fetch }).responses.create({
        model: "any",
        input: "Hi",
        stream: true
      })
      for await (const event of stream) {
        if (event.type === "response.created") created.push(event.response.id)
        if (event.type === "response.output_text.delta") streamed += event.delta
      }

      assert.strictEqual(streamed, "hello")
      assert.strictEqual(created.length, 1)
      assert.deepStrictEqual(await server.asked(), ["gpt-4o-ptu 200", "gpt-4o-ptu 200"])
    })
  }

  it("turns a throttle inside a stream that stays into a RateLimitError", async () => {
    const throttle = Script.stream(
      InStreamThrottle.make("failedThenError", InStreamThrottle.throughput, { retryAfterMs: 9000 })
    )
    const server = await play([throttle], [throttle])

    const error = await rejection(
      azure(server, { fetch: server.fetch }).responses.create({ model: "any", input: "Hi", stream: true })
    )

    assert.instanceOf(error, RateLimitError)
    assert.strictEqual((error as RateLimitError).headers.get("retry-after-ms"), "9000")
  })

  it("errors a stream that breaks later, and asks nobody again", async () => {
    const server = await play(
      [Script.truncated(Script.answer({ text: "word ".repeat(100) }), { afterBytes: 6000, end: "reset" })],
      [Script.answer()]
    )
    const stream = await azure(server, { fetch: server.fetch }).chat.completions.create({
      model: "any",
      messages,
      stream: true
    })

    const error = await rejection(text(stream))

    assert.instanceOf(error, Error)
    assert.deepStrictEqual(await server.asked(), ["gpt-4o-ptu 200"])
  })

  it("tells its own timeouts as a gateway's", async () => {
    const server = await play([Script.silent])
    const fetch = await server.fetchWithin("100 millis")

    const error = await rejection(azure(server, { fetch }).chat.completions.create({ model: "any", messages }))

    assert.instanceOf(error, InternalServerError)
    assert.deepStrictEqual([error.status, error.code], [504, "DeadlineExceeded"])
  })

  for (const [what, lost] of [
    ["its reply is lost", Script.refuse({ after: "20 millis" })],
    ["it fails", Script.error(ErrorReply.internalServerError)]
  ] as const) {
    it(`runs once what must not run twice, where ${what}, though the client's retries are left on`, async () => {
      const server = await play([Script.forever(lost)], [Script.forever(lost)])
      const { fetch } = server
      const model = "any"

      for (const { responses } of [
        new AzureOpenAI({ endpoint: server.url, apiKey: theirs, apiVersion: "2025-04-01-preview", fetch }),
        new OpenAI({ baseURL: `${server.url}/openai/v1`, apiKey: theirs, fetch })
      ]) {
        const before = (await server.asked()).length
        const error = await rejection(responses.create({ model, input: "Hi" }))

        assert.instanceOf(error, InternalServerError)
        assert.strictEqual((await server.asked()).length - before, 1)
      }
    })
  }

  it("keeps the clients' keys from the deployments", async () => {
    const server = await serve(
      Emulator.layer({
        apiKeys: [key],
        deployments: [{ name: "gpt-4o-ptu", kind: "provisioned", model: "gpt-4o" }]
      })
    )

    await azure(server, { fetch: server.fetch }).chat.completions.create({ model: "any", messages })
    const error = await rejection(azure(server).chat.completions.create({ model: "gpt-4o-ptu", messages }))

    assert.instanceOf(error, AuthenticationError)
    assert.deepStrictEqual(await server.asked(), ["gpt-4o-ptu 200", "gpt-4o-ptu 401"])
  })
})
