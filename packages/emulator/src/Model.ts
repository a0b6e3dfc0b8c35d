/**
 * The models the emulator knows: what a PTU of each is worth, how long a prompt and an answer may be, how fast it answers.
 *
 * Source: Azure docs, "Provisioned throughput units sizing" (May 2026) for tokens per minute per PTU, output weight, minimum PTUs and speed
 * targets; Azure docs, "Models" for context windows; quota ratios from "Manage quota". `gpt-5.5`'s context window is a guess.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Record from "effect/Record"

/**
 * What the emulator knows of a model.
 *
 * @since 0.1.0
 * @category models
 */
export interface Model {
  /** The name Azure gives it. */
  readonly name: string
  /** The operation it serves. */
  readonly operation: "chat" | "embeddings"
  /** Input tokens per minute that one PTU processes; undefined where the docs list none, so it cannot be provisioned without saying one. */
  readonly inputTokensPerMinutePerPtu: number | undefined
  /** How many input tokens one output token counts as against a PTU's utilization. */
  readonly outputWeight: number
  /** The fewest PTUs a global deployment can have. */
  readonly minimumPtus: number
  /** The longest prompt, in tokens. */
  readonly contextWindow: number
  /** The longest answer, in tokens. */
  readonly maxOutputTokens: number
  /** The longest prompt a provisioned deployment takes, in tokens, where that is less than the context window. */
  readonly provisionedPromptLimit: number | undefined
  /** Tokens generated in a second: the docs' speed target. */
  readonly tokensPerSecond: number
  /** Requests per minute that come with 1000 tokens per minute of Standard quota. */
  readonly requestsPerThousandTokens: number
  /** Whether the model thinks first; such models refuse `max_tokens`. */
  readonly reasoning: boolean
  /** Whether Standard's estimate counts the prompt. */
  readonly chargesPrompt: boolean
  /** What the estimate takes for `max_tokens` when a request names none, in tokens. */
  readonly defaultMaxTokens: number
}

const chat: Omit<Model, "name"> = {
  operation: "chat",
  inputTokensPerMinutePerPtu: undefined,
  outputWeight: 4,
  minimumPtus: 15,
  contextWindow: 128_000,
  maxOutputTokens: 16_384,
  provisionedPromptLimit: undefined,
  tokensPerSecond: 50,
  requestsPerThousandTokens: 6,
  reasoning: false,
  chargesPrompt: true,
  defaultMaxTokens: 640
}

const gpt5: Omit<Model, "name"> = {
  ...chat,
  outputWeight: 8,
  contextWindow: 272_000,
  maxOutputTokens: 128_000,
  requestsPerThousandTokens: 10,
  reasoning: true
}

const gpt41: Omit<Model, "name"> = {
  ...chat,
  contextWindow: 1_047_576,
  maxOutputTokens: 32_768,
  provisionedPromptLimit: 128_000
}

const oSeries: Omit<Model, "name"> = {
  ...chat,
  contextWindow: 200_000,
  maxOutputTokens: 100_000,
  reasoning: true
}

const embedding: Omit<Model, "name"> = { ...chat, operation: "embeddings", contextWindow: 8192, maxOutputTokens: 1 }

const open: Omit<Model, "name"> = {
  ...chat,
  inputTokensPerMinutePerPtu: 4000,
  minimumPtus: 100,
  requestsPerThousandTokens: 1
}

const known: Record<string, Omit<Model, "name">> = {
  "gpt-5.5": {
    ...gpt5,
    inputTokensPerMinutePerPtu: 1200,
    outputWeight: 6,
    contextWindow: 922_000,
    tokensPerSecond: 100
  },
  "gpt-5.4": {
    ...gpt5,
    inputTokensPerMinutePerPtu: 2400,
    outputWeight: 6,
    contextWindow: 922_000,
    provisionedPromptLimit: 128_000
  },
  "gpt-5.3-codex": { ...gpt5, inputTokensPerMinutePerPtu: 3400 },
  "gpt-5.2": { ...gpt5, inputTokensPerMinutePerPtu: 3400 },
  "gpt-5.2-codex": { ...gpt5, inputTokensPerMinutePerPtu: 3400 },
  "gpt-5.1": { ...gpt5, inputTokensPerMinutePerPtu: 4750 },
  "gpt-5.1-codex": { ...gpt5, inputTokensPerMinutePerPtu: 4750 },
  "gpt-5": { ...gpt5, inputTokensPerMinutePerPtu: 4750 },
  "gpt-5-mini": { ...gpt5, inputTokensPerMinutePerPtu: 23_750, tokensPerSecond: 80 },
  "gpt-4.1": { ...gpt41, inputTokensPerMinutePerPtu: 3000, tokensPerSecond: 80 },
  "gpt-4.1-mini": { ...gpt41, inputTokensPerMinutePerPtu: 14_900, tokensPerSecond: 90 },
  "gpt-4.1-nano": { ...gpt41, inputTokensPerMinutePerPtu: 59_400, tokensPerSecond: 100 },
  o3: { ...oSeries, inputTokensPerMinutePerPtu: 3000, tokensPerSecond: 80, requestsPerThousandTokens: 1 },
  "o4-mini": { ...oSeries, inputTokensPerMinutePerPtu: 5400, tokensPerSecond: 90, requestsPerThousandTokens: 1 },
  "o3-mini": { ...oSeries, inputTokensPerMinutePerPtu: 2500, tokensPerSecond: 66, requestsPerThousandTokens: 0.1 },
  o1: { ...oSeries, inputTokensPerMinutePerPtu: 230, tokensPerSecond: 25, requestsPerThousandTokens: 1 / 6 },
  "gpt-4o": { ...chat, inputTokensPerMinutePerPtu: 2500, tokensPerSecond: 25 },
  "gpt-4o-mini": { ...chat, inputTokensPerMinutePerPtu: 37_000, tokensPerSecond: 33 },
  "gpt-4": { ...chat, contextWindow: 8192, maxOutputTokens: 8192, tokensPerSecond: 25 },
  // Measured: its estimate is max_tokens alone, 16 when there is none.
  "gpt-35-turbo": {
    ...chat,
    contextWindow: 16_385,
    maxOutputTokens: 4096,
    chargesPrompt: false,
    defaultMaxTokens: 16
  },
  "Llama-3.3-70B-Instruct": { ...open, inputTokensPerMinutePerPtu: 8450 },
  "DeepSeek-R1": open,
  "DeepSeek-V3-0324": open,
  "text-embedding-3-small": embedding,
  "text-embedding-3-large": embedding,
  "text-embedding-ada-002": embedding
}

/**
 * Every model the emulator knows, by name.
 *
 * @example
 * ```ts
 * import { Model } from "@spillway/emulator"
 *
 * Model.catalogue["gpt-4o"]?.inputTokensPerMinutePerPtu // => 2500
 * ```
 *
 * @since 0.1.0
 * @category constants
 */
export const catalogue: Readonly<Record<string, Model>> = Record.map(known, (model, name) => ({ name, ...model }))

/**
 * The model of that name, if the emulator knows it.
 *
 * @example
 * ```ts
 * import { Model } from "@spillway/emulator"
 * import { Option } from "effect"
 *
 * Option.map(Model.find("gpt-4.1"), (model) => model.provisionedPromptLimit) // => Option.some(128000)
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const find = (name: string): Option.Option<Model> => Record.get(catalogue, name)

/**
 * The model of that name, or, if the emulator does not know it, a chat model of a common size (128 000 tokens in, 16 384 out) that
 * has no PTU figures.
 *
 * @example
 * ```ts
 * import { Model } from "@spillway/emulator"
 *
 * Model.findOrGeneric("my-fine-tune").contextWindow // => 128000
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const findOrGeneric = (name: string): Model => Option.getOrElse(find(name), () => ({ name, ...chat }))
