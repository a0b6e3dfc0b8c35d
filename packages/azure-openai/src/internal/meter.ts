import type { Admission, Call } from "@spillway/core"
import * as Effect from "effect/Effect"

/** What a deployment's calls are charged by. @internal */
export interface Rates {
  readonly deployment: string
  readonly outputWeight: number
  /** Charged as the answer of a request that sets no bound, in tokens. */
  readonly defaultMaxTokens: number
}

// A mean over what came first, and over the last hundred or so from then on.
class Mean {
  value = 0
  private count = 0

  add(sample: number): void {
    this.count++
    this.value += Math.max(1 / this.count, 0.01) * (sample - this.value)
  }

  get known(): boolean {
    return this.count > 0
  }

  /** Whether it says more than a handful of chance. */
  get settled(): boolean {
    return this.count >= 20
  }
}

const generous = 4

/**
 * Charges calls as the server does, as far as can be told: input not in its cache, and the longest answer allowed. Learns
 * from each reply how far the count of input tokens is off, cached tokens included, and how long answers really are.
 *
 * @internal
 */
export const make = (rates: Rates): ((demand: Call.Demand | undefined) => Effect.Effect<Admission.Quote>) => {
  const { defaultMaxTokens, deployment, outputWeight } = rates
  const estimated = new Mean()
  const charged = new Mean()
  const answers = new Mean()
  const warned = new Set<string>()

  const warnOnce = (what: string, message: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (warned.has(what)) return Effect.void
      warned.add(what)
      return Effect.logWarning(`${deployment}: ${message}`)
    })

  const warning = (bound: number | undefined): Effect.Effect<void> => {
    if (bound === undefined) {
      return warnOnce(
        "missing",
        `a request without max_tokens: provisioned capacity is charged a guess for it (here ${defaultMaxTokens} tokens) until it is answered. Set max_completion_tokens near what you expect`
      )
    }
    return answers.settled && bound > generous * answers.value
      ? warnOnce(
          "large",
          `a request with max_tokens ${bound}, while answers take ${Math.ceil(answers.value)} on average: provisioned capacity is charged all of it until it is answered. Set max_completion_tokens near what you expect`
        )
      : Effect.void
  }

  return (demand) => {
    const counted = demand?.inputTokens ?? 0
    const ratio = estimated.value > 0 ? charged.value / estimated.value : 1
    const output = demand?.outputTokens ?? defaultMaxTokens
    const quote: Admission.Quote = {
      cost: counted * ratio + outputWeight * output,
      actual: ({ cachedTokens, inputTokens, outputTokens }) => {
        if (counted > 0) {
          estimated.add(counted)
          charged.add(inputTokens - cachedTokens)
        }
        answers.add(outputTokens)
        return inputTokens - cachedTokens + outputWeight * outputTokens
      }
    }
    return demand === undefined ? Effect.succeed(quote) : Effect.as(warning(demand.outputTokens), quote)
  }
}
