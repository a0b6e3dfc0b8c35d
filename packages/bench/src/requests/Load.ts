/** A closed loop: so many callers, each asking again as soon as it has its answer. */

export interface Served {
  /** From asking to the answer read, in milliseconds, one for each request. */
  readonly latencies: Float64Array
  /** From the first request to the last answer. */
  readonly wallMs: number
}

export interface Options {
  readonly concurrency: number
  /** How much processor time the process spends before no more requests are made; each caller makes one at least. */
  readonly cpuMs?: number | undefined
  /** How many requests are made at least. */
  readonly requests?: number | undefined
  /** The answer that each request must come to. */
  readonly expected: string
}

/** An answer that is not the one expected: what was measured is something else. */
export class WrongAnswer extends Error {
  constructor(answer: string) {
    super(`expected the answer, got ${JSON.stringify(answer.slice(0, 80))}`)
  }
}

export const run = async (ask: () => Promise<string>, options: Options): Promise<Served> => {
  const { concurrency, cpuMs = 0, expected, requests = 0 } = options
  const latencies: Array<number> = []
  const before = process.cpuUsage()
  const turn = { over: false }
  const look = () => {
    const { system, user } = process.cpuUsage(before)
    turn.over = system + user >= cpuMs * 1000 && latencies.length >= requests
  }
  // Now and then: to look after each request would be a part of what it costs.
  const watch = setInterval(look, 20)
  const began = performance.now()
  const caller = async (): Promise<void> => {
    let now = performance.now()
    do {
      const answer = await ask()
      const then = performance.now()
      if (answer !== expected) throw new WrongAnswer(answer)
      // Timers wait for as long as answers come from memory.
      if (latencies.push(then - now) % 1000 === 0) look()
      now = then
    } while (!turn.over)
  }
  try {
    await Promise.all(Array.from({ length: concurrency }, caller))
  } finally {
    turn.over = true
    clearInterval(watch)
  }
  return { latencies: Float64Array.from(latencies), wallMs: performance.now() - began }
}
