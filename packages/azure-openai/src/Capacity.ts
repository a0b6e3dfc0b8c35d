/**
 * What a unit of provisioned throughput (PTU) is worth, by model.
 *
 * Source: Azure OpenAI documentation, "Provisioned throughput units sizing" (May 2026): input tokens per minute per PTU, and
 * how many input tokens an output token counts as. Deployments drain at these rates; cached input tokens count nothing.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"

/**
 * What one PTU of a model processes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Capacity {
  /** Input tokens that one PTU processes in a minute. */
  readonly inputTokensPerMinutePerPtu: number
  /** How many input tokens one output token counts as. */
  readonly outputWeight: number
}

const of = (inputTokensPerMinutePerPtu: number, outputWeight: number): Capacity => ({
  inputTokensPerMinutePerPtu,
  outputWeight
})

/**
 * The documented figures, by name of the model.
 *
 * @since 0.1.0
 * @category constants
 */
export const documented: Readonly<Record<string, Capacity>> = {
  "gpt-5.5": of(1200, 6),
  "gpt-5.4": of(2400, 6),
  "gpt-5.3-codex": of(3400, 8),
  "gpt-5.2": of(3400, 8),
  "gpt-5.2-codex": of(3400, 8),
  "gpt-5.1": of(4750, 8),
  "gpt-5.1-codex": of(4750, 8),
  "gpt-5": of(4750, 8),
  "gpt-5-mini": of(23_750, 8),
  "gpt-4.1": of(3000, 4),
  "gpt-4.1-mini": of(14_900, 4),
  "gpt-4.1-nano": of(59_400, 4),
  o3: of(3000, 4),
  "o4-mini": of(5400, 4),
  "gpt-4o": of(2500, 4),
  "gpt-4o-mini": of(37_000, 4),
  "o3-mini": of(2500, 4),
  o1: of(230, 4),
  "Llama-3.3-70B-Instruct": of(8450, 4),
  "DeepSeek-R1": of(4000, 4),
  "DeepSeek-V3-0324": of(4000, 4)
}

/**
 * The figures of a model. A version at the end of the name, as in `gpt-4o-2024-11-20`, is passed over. Embedding models
 * and models that are not sold as provisioned throughput have none.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { Capacity } from "@spillway/azure-openai"
 *
 * Capacity.find("gpt-4o-2024-11-20") // => Option.some({ inputTokensPerMinutePerPtu: 2500, outputWeight: 4 })
 * Capacity.find("my-fine-tune") // => Option.none()
 * ```
 */
export const find = (model: string): Option.Option<Capacity> => {
  const name = model.replace(/-\d{4}-\d{2}-\d{2}$/, "")
  return Object.hasOwn(documented, name) ? Option.fromNullable(documented[name]) : Option.none()
}

/**
 * How much so many PTUs process in a second, in input tokens.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { Capacity } from "@spillway/azure-openai"
 *
 * Capacity.tokensPerSecond({ inputTokensPerMinutePerPtu: 2500, outputWeight: 4 }, 60) // => 2500
 * ```
 */
export const tokensPerSecond = (capacity: Capacity, ptus: number): number =>
  (ptus * capacity.inputTokensPerMinutePerPtu) / 60
