/**
 * Server-sent events as Azure OpenAI writes them: one line of JSON each, under the name that the JSON itself carries, if it does.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"

/**
 * Writes one event. A value with a string under `type`, as every event of the Responses API has, is named by it; a chunk of a chat is not named. A
 * string is sent as the data itself, which need not be JSON.
 *
 * Source: Azure docs, "Data plane inference" (data-only events of chat completions), and the event types of OpenAI's Responses API.
 *
 * @example
 * ```ts
 * import { ServerSentEvent } from "@spillway/emulator"
 *
 * ServerSentEvent.encode({ choices: [] }) // => 'data: {"choices":[]}\n\n'
 * ServerSentEvent.encode({ type: "error", sequence_number: 2 })
 * // => 'event: error\ndata: {"type":"error","sequence_number":2}\n\n'
 * ServerSentEvent.encode("{ not JSON") // => 'data: { not JSON\n\n'
 * ```
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (value: unknown): string => {
  if (Predicate.isString(value)) return `data: ${value}\n\n`
  const data = `data: ${JSON.stringify(value)}\n\n`
  return Predicate.hasProperty(value, "type") && Predicate.isString(value.type) ? `event: ${value.type}\n${data}` : data
}

/**
 * What ends a streamed chat: `data: [DONE]`. The Responses API sends none.
 *
 * @example
 * ```ts
 * import { ServerSentEvent } from "@spillway/emulator"
 *
 * ServerSentEvent.done // => "data: [DONE]\n\n"
 * ```
 *
 * @since 0.1.0
 * @category constants
 */
export const done: string = encode("[DONE]")
