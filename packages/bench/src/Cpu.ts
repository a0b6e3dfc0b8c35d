/** How much processor time this process takes, garbage collection and its threads included. */
import * as Effect from "effect/Effect"

export interface Spent {
  readonly cpuUs: number
  readonly wallUs: number
}

/** Processor and wall time of `self`. */
export const measure = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<readonly [A, Spent], E, R> =>
  Effect.suspend(() => {
    const cpu = process.cpuUsage()
    const began = performance.now()
    return Effect.map(self, (value) => {
      const wallUs = (performance.now() - began) * 1000
      const { system, user } = process.cpuUsage(cpu)
      return [value, { cpuUs: user + system, wallUs }] as const
    })
  })
