/** What is asked and answered in every row: a request of some 300 bytes, a chat completion of some 500. */
import * as Schema from "effect/Schema"

export const model = "gpt-4o"

export const request = {
  messages: [
    {
      role: "system",
      content:
        "You answer questions of customers of a bookshop. Answer in one sentence, kindly, and say where to look next."
    },
    {
      role: "user",
      content:
        "Do you have the second edition of the atlas of clouds, and what would it cost to have it sent to Norway?"
    }
  ],
  max_completion_tokens: 60
} as const

/** What every row must have read, whichever way. */
export const answer =
  "Yes, two copies of the second edition are here, and sending one to Norway costs 14 euros; the page on shipping has the details."

export const totalTokens = 79

export const completion = {
  id: "chatcmpl-C7Xq2mWb0aPzE5sVd1u9",
  object: "chat.completion",
  created: 1_760_000_000,
  model: "gpt-4o-2024-11-20",
  system_fingerprint: "fp_ee1d74bde0",
  choices: [
    { index: 0, message: { role: "assistant", content: answer, refusal: null }, finish_reason: "stop", logprobs: null }
  ],
  usage: { prompt_tokens: 48, completion_tokens: 31, total_tokens: totalTokens }
}

/** The completion as it comes over the wire. */
export const completionJson = JSON.stringify(completion)

/** What a client that has no types of its own reads from an answer. */
export const Answered = Schema.Struct({
  choices: Schema.NonEmptyArray(Schema.Struct({ message: Schema.Struct({ content: Schema.String }) })),
  usage: Schema.Struct({ total_tokens: Schema.Number })
})

/** The answer in pieces, as a model streams it: some four characters each. */
export const pieces: ReadonlyArray<string> = answer.match(/.{1,4}/gs) ?? []

const chunk = (choices: ReadonlyArray<object>, usage: object | null = null): string => {
  const { created, id, model, system_fingerprint } = completion
  const json = { id, object: "chat.completion.chunk", created, model, system_fingerprint, choices, usage }
  return `data: ${JSON.stringify(json)}\n\n`
}

/** The stream as it comes over the wire, event by event. */
export const events: ReadonlyArray<string> = [
  chunk([{ index: 0, delta: { role: "assistant", content: "", refusal: null }, finish_reason: null }]),
  ...pieces.map((content) => chunk([{ index: 0, delta: { content }, finish_reason: null }])),
  chunk([{ index: 0, delta: {}, finish_reason: "stop" }]),
  chunk([], completion.usage),
  "data: [DONE]\n\n"
]
