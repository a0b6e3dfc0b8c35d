/** Streamed to a terminal, with what it took at the end. */
import { AzureOpenAI, ChatStream } from "@spillway/azure-openai"
import { Effect, Stream } from "effect"

export const program = (write: (text: string) => void) =>
  AzureOpenAI.chatStream({
    messages: [{ role: "user", content: "Tell me a story" }],
    stream_options: { include_usage: true }
  }).pipe(
    Stream.tap((chunk) => Effect.sync(() => write(chunk.choices[0]?.delta?.content ?? ""))),
    ChatStream.completion,
    Effect.map((completion) => completion.usage?.completion_tokens ?? 0)
  )
