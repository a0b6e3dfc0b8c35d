import { assert, describe, it } from "@effect/vitest"
import type { ChatCompletion } from "@spillway/azure-openai"
import { AzureOpenAI, ChatStream } from "@spillway/azure-openai"
import { Effect, Stream } from "effect"
import type { Prepared } from "./support/wire.js"
import { chatEvents, event, ptu, sse, wire } from "./support/wire.js"

const json = (body: unknown): Prepared => ({ pieces: [JSON.stringify(body)] })

const question: ChatCompletion.ChatRequest["messages"][number] = { role: "user", content: "What is the time?" }
const call = { id: "call_1", type: "function", function: { name: "clock", arguments: "{}" } }

describe("what was answered can be sent back", () => {
  it.effect.each([
    { said: "a text", message: { role: "assistant", content: "Noon", refusal: null, annotations: [] } },
    { said: "a call of a tool", message: { role: "assistant", content: null, tool_calls: [call] } },
    {
      said: "nulls, as some services write what is not there",
      message: { role: "assistant", content: "Noon", tool_calls: null }
    }
  ])("$said: as it came", ({ message }) =>
    Effect.gen(function* () {
      const { layer, sent } = wire([
        json({ id: "1", choices: [{ index: 0, message, finish_reason: "stop" }] }),
        json({ id: "2", choices: [] })
      ])
      yield* Effect.gen(function* () {
        const { completion } = yield* AzureOpenAI.chat({ messages: [question] })
        const history = completion.choices.map((choice) => choice.message)
        yield* AzureOpenAI.chat({ messages: [question, ...history] })
      }).pipe(Effect.provide(ptu()), Effect.provide(layer))

      assert.deepStrictEqual(sent[1]?.body?.["messages"], [question, message])
    })
  )

  it.effect("a stream that was put together", () =>
    Effect.gen(function* () {
      const chunk = (delta: unknown, finish_reason: string | null = null) =>
        event({ id: "1", choices: [{ index: 0, delta, finish_reason }] })
      const { layer, sent } = wire([
        {
          headers: sse,
          pieces: [
            chunk({ role: "assistant", content: null, tool_calls: [{ index: 0, ...call }] }),
            chunk({}, "tool_calls"),
            event("[DONE]")
          ]
        },
        json({ id: "2", choices: [] })
      ])
      yield* Effect.gen(function* () {
        const { choices } = yield* ChatStream.completion(AzureOpenAI.chatStream({ messages: [question], stream: null }))
        yield* AzureOpenAI.chat({
          messages: [
            question,
            ...choices.map((choice) => choice.message),
            { role: "tool", tool_call_id: "call_1", content: "noon" }
          ]
        })
      }).pipe(Effect.provide(ptu()), Effect.provide(layer))

      assert.deepStrictEqual(sent[1]?.body?.["messages"], [
        question,
        { role: "assistant", content: null, refusal: null, tool_calls: [call] },
        { role: "tool", tool_call_id: "call_1", content: "noon" }
      ])
    })
  )

  it.effect("the output of a response", () =>
    Effect.gen(function* () {
      const output = [
        { id: "rs_1", type: "reasoning", summary: [], encrypted_content: "…" },
        { id: "fc_1", type: "function_call", call_id: "call_1", name: "clock", arguments: "{}", status: "completed" }
      ]
      const { layer, sent } = wire([
        json({ id: "resp_1", status: "completed", output }),
        json({ id: "resp_2", status: "completed", output: [] })
      ])
      yield* Effect.gen(function* () {
        const { response } = yield* AzureOpenAI.createResponse({ input: "What is the time?", store: false })
        yield* AzureOpenAI.createResponse({
          input: [...(response.output ?? []), { type: "function_call_output", call_id: "call_1", output: "noon" }],
          store: false
        })
      }).pipe(Effect.provide(ptu()), Effect.provide(layer))

      assert.deepStrictEqual(sent[1]?.body?.["input"], [
        ...output,
        { type: "function_call_output", call_id: "call_1", output: "noon" }
      ])
    })
  )
})

describe("a parameter that is null is one that is not given: the service decides, and gets it as it is", () => {
  it.effect("in chat", () =>
    Effect.gen(function* () {
      const nulls = {
        max_tokens: null,
        max_completion_tokens: null,
        temperature: null,
        top_p: null,
        n: null,
        seed: null,
        stop: null,
        frequency_penalty: null,
        presence_penalty: null,
        tools: null,
        tool_choice: null,
        parallel_tool_calls: null,
        response_format: null,
        user: null
      }
      const { layer, sent } = wire([json({ id: "1", choices: [] }), { headers: sse, pieces: chatEvents("Hi") }])
      yield* Effect.gen(function* () {
        yield* AzureOpenAI.chat({ messages: [question], ...nulls, stream: null })
        yield* Stream.runDrain(AzureOpenAI.chatStream({ messages: [question], ...nulls, stream_options: null }))
      }).pipe(Effect.provide(ptu()), Effect.provide(layer))

      assert.deepInclude(sent[0]?.body, { ...nulls, stream: null })
      assert.deepInclude(sent[1]?.body, { ...nulls, stream: true })
    })
  )

  it.effect("in responses", () =>
    Effect.gen(function* () {
      const nulls = { tools: null, tool_choice: null, text: null, user: null, stream: null, max_output_tokens: null }
      const { layer, sent } = wire([json({ id: "resp_1", status: "completed", output: [] })])
      yield* AzureOpenAI.createResponse({ input: "Hi", store: false, ...nulls }).pipe(
        Effect.provide(ptu()),
        Effect.provide(layer)
      )

      assert.deepInclude(sent[0]?.body, nulls)
    })
  )
})
