// What the content filter says of prompts and answers. It never looks at them: it says what a deployment or a test wants it to say.

/**
 * How a deployment filters what it streams. `default`: pieces are held back until they are vetted. `asynchronous`: tokens leave at once and what the filter
 * says of them follows. `unavailable`: the filter itself failed.
 */
export type Mode = "default" | "asynchronous" | "unavailable"

const safe = { filtered: false, severity: "safe" }

/** Nothing found. */
export const clean = { hate: safe, self_harm: safe, sexual: safe, violence: safe }

/** What stops an answer. */
export const stopped = { ...clean, violence: { filtered: true, severity: "medium" } }

const failed = {
  content_filter_result: { error: { code: "content_filter_error", message: "The contents are not filtered" } }
}

/** What stands in a choice, or in what is said of a prompt. The key of a failure is in the singular, as it was seen. */
export const annotation = (mode: Mode, results: object): object =>
  mode === "unavailable" ? failed : { content_filter_results: results }

/** What is said of a prompt that passed. */
export const prompt = (mode: Mode): ReadonlyArray<object> => [
  { prompt_index: 0, ...annotation(mode, { ...clean, jailbreak: { filtered: false, detected: false } }) }
]
