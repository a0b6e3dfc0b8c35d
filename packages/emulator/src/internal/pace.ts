import * as Effect from "effect/Effect"
import type * as Random from "effect/Random"
import type { Deployment } from "./deployment.js"

/** How long a deployment takes for one answer. */
export interface Pace {
  readonly firstTokenMs: number
  readonly msPerToken: number
}

/** The pace of one call: the deployment's, times what its jitter draws. */
export const draw = (deployment: Deployment, random: Random.Random): Effect.Effect<Pace> => {
  const { firstTokenMs, jitter, tokensPerSecond } = deployment.latency
  return Effect.map(jitter === 0 ? Effect.succeed(0.5) : random.next, (drawn) => {
    const factor = 1 + jitter * (2 * drawn - 1)
    return { firstTokenMs: firstTokenMs * factor, msPerToken: (1000 / tokensPerSecond) * factor }
  })
}

/** When so many tokens are out, in whole milliseconds since the call was taken on. */
export const timeOf = ({ firstTokenMs, msPerToken }: Pace, tokens: number): number =>
  Math.round(firstTokenMs + tokens * msPerToken)

/** How many tokens are out by then: the inverse of {@link timeOf}. */
export const tokensBy = ({ firstTokenMs, msPerToken }: Pace, elapsed: number): number => {
  const generating = elapsed + 0.5 - firstTokenMs
  if (generating < 0) return 0
  return msPerToken === 0 ? Number.POSITIVE_INFINITY : Math.floor(generating / msPerToken)
}
