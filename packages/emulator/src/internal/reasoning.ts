// What models that think first are asked, and what they refuse.
import type * as Model from "../Model.js"
import type * as Wire from "../Wire.js"
import * as InvalidRequest from "./invalidRequest.js"

const tokens: Readonly<Record<string, number>> = {
  none: 0,
  minimal: 0,
  low: 32,
  medium: 64,
  high: 128,
  xhigh: 256
}

/** Tokens of thought at an effort; a model that does not think has none. */
export const tokensOf = (model: Model.Model, effort: string | null | undefined): number =>
  model.reasoning ? (tokens[effort ?? "medium"] ?? 0) : 0

/** Parameters of sampling, of which a reasoning model has none but the default. */
export interface Sampling {
  readonly temperature?: number | null | undefined
  readonly top_p?: number | null | undefined
  readonly presence_penalty?: number | null | undefined
  readonly frequency_penalty?: number | null | undefined
}

const defaults = [
  ["temperature", 1],
  ["top_p", 1],
  ["presence_penalty", 0],
  ["frequency_penalty", 0]
] as const

/** The reply that refuses what the model does not have; `unsupported` are further parameters of the request that no reasoning model has. */
export const refusal = (
  model: Model.Model,
  effort: { readonly param: string; readonly value: string | null | undefined },
  sampling: Sampling,
  unsupported: ReadonlyArray<string> = []
): Wire.Reply | undefined => {
  const asked = effort.value ?? undefined
  if (!model.reasoning) return asked === undefined ? undefined : InvalidRequest.unrecognizedArgument(effort.param)
  if (asked !== undefined && !(asked in tokens)) {
    return InvalidRequest.invalidValue(effort.param, `expected one of ${Object.keys(tokens).join(", ")}.`)
  }
  const [first] = unsupported
  if (first !== undefined) return InvalidRequest.unsupportedParameter(first)
  for (const [param, only] of defaults) {
    const value = sampling[param] ?? only
    if (value !== only) return InvalidRequest.unsupportedValue(param, value, only)
  }
  return undefined
}
