import type { ChatCompletion, ChatRequest } from "../ChatCompletion.js"

type Message = ChatRequest["messages"][number]

type Part = Readonly<Record<string, unknown>>

const textPart = (content: string): Part => ({ type: "text", content })

const partsOf = ({ content, tool_call_id: id, tool_calls: calls }: Message): ReadonlyArray<Part> => {
  if (id !== undefined) return [{ type: "tool_call_response", id, response: content ?? null }]
  const said =
    typeof content === "string"
      ? [textPart(content)]
      : (content ?? []).map((part) =>
          part.type === "text" && typeof part["text"] === "string" ? textPart(part["text"]) : part
        )
  return [...said, ...toolParts(calls)]
}

const toolParts = (calls: Message["tool_calls"] | null): ReadonlyArray<Part> =>
  (calls ?? []).map((call) => ({
    type: "tool_call",
    id: call.id,
    name: call.function?.name,
    arguments: call.function?.arguments
  }))

/** Messages as the GenAI conventions write them: roles and parts, as JSON. @internal */
export const input = (messages: ReadonlyArray<Message>): string =>
  JSON.stringify(messages.map((message) => ({ role: message.role, parts: partsOf(message) })))

/** The answers of a completion, in the same form. @internal */
export const output = ({ choices }: ChatCompletion): string =>
  JSON.stringify(
    choices.map(({ finish_reason: finish, message }) => ({
      role: message.role,
      parts: [
        ...(typeof message.content === "string" ? [textPart(message.content)] : []),
        ...toolParts(message.tool_calls)
      ],
      finish_reason: finish ?? "unknown"
    }))
  )

/** The text of a stream, in the same form. @internal */
export const outputText = (text: string, finish: unknown): string =>
  JSON.stringify([{ role: "assistant", parts: [textPart(text)], finish_reason: finish ?? "unknown" }])
