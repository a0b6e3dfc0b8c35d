import * as Predicate from "effect/Predicate"
import type { ChatCompletion, ChatRequest } from "../ChatCompletion.js"
import type { Item, Response, ResponseRequest, ResponseStreamRequest } from "../Responses.js"
import { attributes } from "../Telemetry.js"

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

const itemParts = (item: Item): ReadonlyArray<Part> => {
  const { arguments: args, call_id: id, content, name, output, type } = item
  if (type === "function_call") return [{ type: "tool_call", id, name, arguments: args }]
  if (type === "function_call_output") return [{ type: "tool_call_response", id, response: output }]
  if (Predicate.isString(content)) return [textPart(content)]
  // A tool at work at the service, a reasoning: as they are.
  if (!Array.isArray(content)) return [item]
  return content.map((part: unknown) =>
    Predicate.isRecord(part) && Predicate.hasProperty(part, "text") && Predicate.isString(part.text)
      ? textPart(part.text)
      : { type: "unknown", content: part }
  )
}

const roleOf = ({ role, type }: Item): unknown =>
  role ?? (type === "function_call_output" ? "tool" : type === "message" ? "user" : "assistant")

/** What a response is asked for, in the same form. @internal */
export const prompt = ({ input, instructions }: ResponseRequest | ResponseStreamRequest): Record<string, unknown> => ({
  [attributes.inputMessages]: JSON.stringify(
    Predicate.isString(input)
      ? [{ role: "user", parts: [textPart(input)] }]
      : input.map((item) => ({ role: roleOf(item), parts: itemParts(item) }))
  ),
  [attributes.systemInstructions]: Predicate.isString(instructions)
    ? JSON.stringify([textPart(instructions)])
    : undefined
})

/** The output of a response, in the same form. @internal */
export const said = ({ output, status }: Response): string =>
  JSON.stringify([{ role: "assistant", parts: (output ?? []).flatMap(itemParts), finish_reason: status ?? "unknown" }])
