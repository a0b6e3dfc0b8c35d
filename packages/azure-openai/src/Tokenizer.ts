/**
 * Exact token counts for admission, by the tokenizer of OpenAI's models. Optional: it needs the package `gpt-tokenizer`,
 * and is imported by itself, from `@spillway/azure-openai/Tokenizer`. Its table takes about 70 MB of memory.
 *
 * Worth it where prompts differ in kind (code, prose, other scripts), so that one learned ratio does not fit them all.
 *
 * @since 0.1.0
 */
import type { Call } from "@spillway/core"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"

// A word takes time with the square of its length: 100 000 letters without a space took half a minute. What a cut through
// a word adds, at most a token in 1024 characters, is learned with the rest.
const longest = 1024

// A prompt may well quote a special token, which then is text like any other.
const options = { disallowedSpecial: new Set<string>() }

/**
 * How many tokens a text has in the encoding `o200k_base`: gpt-4o, gpt-4.1, gpt-5 and the o-series. Counts about a million
 * characters in a second, in the caller's turn of the event loop.
 *
 * @since 0.1.0
 * @category estimates
 * @example
 * ```ts
 * import { Admission } from "@spillway/azure-openai"
 * import { o200k } from "@spillway/azure-openai/Tokenizer"
 *
 * export const Paced = Admission.layer({ ptus: 100, countTokens: o200k })
 * ```
 */
export const o200k: Call.CountTokens = (text) => {
  let tokens = 0
  for (let start = 0; start < text.length; start += longest) {
    tokens += countTokens(text.slice(start, start + longest), options)
  }
  return tokens
}
