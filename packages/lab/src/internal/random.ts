import { PCGRandom } from "effect/Utils"

/**
 * A stream of random numbers of its own for every (seed, name, index): so whatever one policy draws changes nothing for
 * another, and a request is the same request under all of them.
 *
 * @internal
 */
export class Draws {
  private readonly source: PCGRandom
  private spare: number | undefined = undefined

  constructor(seed: number, stream: number, index = 0) {
    // The stream picks the generator's increment, seed and index its state: no two of them overlap.
    this.source = new PCGRandom(seed, index, stream, index)
  }

  /** From 0 to 1, 1 excluded. */
  uniform(): number {
    return this.source.number()
  }

  /** Mean 1. */
  exponential(): number {
    return -Math.log(1 - this.source.number())
  }

  /** Mean 0, deviation 1. By Box and Muller (1958), which makes two at a time. */
  normal(): number {
    if (this.spare !== undefined) {
      const { spare } = this
      this.spare = undefined
      return spare
    }
    const radius = Math.sqrt(2 * this.exponential())
    const angle = 2 * Math.PI * this.source.number()
    this.spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }

  logNormal(median: number, sigma: number): number {
    return median * Math.exp(sigma * this.normal())
  }
}

/** What the streams are for. @internal */
export const streams = { arrivals: 1, request: 2, tenants: 3, policy: 4 } as const
