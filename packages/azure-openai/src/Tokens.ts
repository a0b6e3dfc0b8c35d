/**
 * What a request will take, in tokens, told before it is sent: good enough to be charged by, and set right afterwards by
 * what the reply says it took.
 *
 * @since 0.1.0
 */
import type { Call } from "@spillway/core"
import * as Predicate from "effect/Predicate"

/**
 * A quarter of the characters, rounded down: how Azure itself estimates a text before it is processed (as measured on
 * Standard deployments). For a tokenizer's exact count see `@spillway/azure-openai/Tokenizer`.
 *
 * @since 0.1.0
 * @category estimates
 * @example
 * ```ts
 * import { Tokens } from "@spillway/azure-openai"
 *
 * Tokens.quarterOfCharacters("Why is the sky blue?") // => 5
 * ```
 */
export const quarterOfCharacters: Call.CountTokens = (text) => Math.floor(text.length / 4)

// An image in high detail of 1024 x 1024 pixels: 85 + 4 x 170 (Azure OpenAI documentation, "Image tokens").
const imageTokens = 765

// Where the parts of a prompt are, over all operations.
const promptFields = ["messages", "input", "instructions", "tools", "functions", "response_format"]

const count = (value: unknown, countText: Call.CountTokens): number => {
  if (Predicate.isString(value)) return value.startsWith("data:") ? imageTokens : countText(value)
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + count(item, countText), 0)
  if (!Predicate.isRecord(value)) return 0
  if (Predicate.hasProperty(value, "image_url")) return imageTokens
  let sum = 0
  for (const [key, item] of Object.entries(value)) if (key !== "role" && key !== "type") sum += count(item, countText)
  return sum
}

const positive = (value: unknown): number | undefined => (Predicate.isNumber(value) && value > 0 ? value : undefined)

/**
 * What the body of a request will take: the texts of its prompt, one token more for every message, an image as one in high
 * detail; and the longest answer it allows, over all choices.
 *
 * @since 0.1.0
 * @category estimates
 * @example
 * ```ts
 * import { Tokens } from "@spillway/azure-openai"
 *
 * const body = { messages: [{ role: "user", content: "Why is the sky blue?" }], max_tokens: 100, n: 2 }
 *
 * Tokens.demand(body)(Tokens.quarterOfCharacters) // => { inputTokens: 6, outputTokens: 200 }
 * ```
 */
export const demand =
  (body: Readonly<Record<string, unknown>>) =>
  (countText: Call.CountTokens): Call.Demand => {
    let inputTokens = 0
    for (const field of promptFields) {
      const part = body[field]
      inputTokens += count(part, countText) + (Array.isArray(part) ? part.length : 0)
    }
    const longest =
      positive(body["max_completion_tokens"]) ?? positive(body["max_tokens"]) ?? positive(body["max_output_tokens"])
    return { inputTokens, outputTokens: longest === undefined ? undefined : longest * (positive(body["n"]) ?? 1) }
  }

/**
 * What a reply's `usage` says a request took, in the words of chat completions or of the Responses API; undefined where it
 * says nothing. Cached tokens are those of the prompt that cost a provisioned deployment nothing.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { Tokens } from "@spillway/azure-openai"
 *
 * Tokens.used({ prompt_tokens: 2000, completion_tokens: 100, prompt_tokens_details: { cached_tokens: 1024 } })
 * // => { inputTokens: 2000, cachedTokens: 1024, outputTokens: 100 }
 * ```
 */
export const used = (usage: unknown): Call.Usage | undefined => {
  if (!Predicate.isRecord(usage)) return undefined
  const input = usage["prompt_tokens"] ?? usage["input_tokens"]
  const output = usage["completion_tokens"] ?? usage["output_tokens"] ?? 0
  if (!Predicate.isNumber(input) || !Predicate.isNumber(output)) return undefined
  const details = usage["prompt_tokens_details"] ?? usage["input_tokens_details"]
  const cached = Predicate.isRecord(details) ? (positive(details["cached_tokens"]) ?? 0) : 0
  return { inputTokens: input, cachedTokens: Math.min(cached, input), outputTokens: output }
}
