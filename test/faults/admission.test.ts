import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Context, Effect } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import type { Caller } from "./support/callers.js"
import { byHand, throughRunner } from "./support/callers.js"
import type { Ledger } from "./support/ledger.js"
import { Play } from "./support/perform.js"
import type { Command, Plan, Script } from "./support/script.js"
import { script } from "./support/script.js"
import { tally } from "./support/visit.js"

// `FUZZ_RUNS`: how many inputs in all, as for the other fuzz tests; a script takes as long as ten or twenty of them. The tests
// of every day take the same few. `FUZZ_SEED` repeats a run, as its output says.
const inputs = Number(process.env["FUZZ_RUNS"] ?? 4000)
const seed = Number(process.env["FUZZ_SEED"] ?? (process.env["FUZZ_RUNS"] === undefined ? 1 : Date.now() % 2 ** 31))

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const plan: Plan = {
  priority: 0,
  cost: 100,
  maxWait: 150_000,
  deadline: undefined,
  replies: [],
  streams: undefined,
  delay: 0,
  twice: false
}
const arrive = (more: Partial<Plan>): Command => ({
  do: "arrive",
  pause: 1,
  plan: { ...plan, ...more },
  interruptedAfter: undefined,
  together: false
})

/** The gate is shut for a minute. Two calls wait for it, and the first of them, for whom its timer runs, goes away. */
const shut: Script = {
  tokensPerSecond: 1000,
  burstMs: 0,
  size: "exact",
  maxWaiting: 100_000,
  maxWait: 4000,
  spaced: undefined,
  early: 0,
  patience: 2048,
  commands: [
    arrive({ maxWait: 0, replies: [{ after: 0, is: "throttled", share: 0, hint: 60_000 }] }),
    arrive({}),
    arrive({}),
    { do: "interrupt", pause: 1, which: 0, after: 0 }
  ]
}

class Own extends Context.Tag("test/Own")<Own, object>() {}

describe("whatever calls, servers and interruptions do, in whatever order", () => {
  for (const [name, caller, numRuns] of [
    ["a gate", byHand, Math.ceil(inputs / 10)],
    ["a runner with a gate", throughRunner, Math.ceil(inputs / 20)]
  ] as const) {
    it(
      `${name} loses no call, serves none twice, keeps their order and their budgets, and is empty in the end`,
      { timeout: 3_600_000 },
      async () => {
        const seen = tally()
        let played = 0
        await fc.assert(
          fc.asyncProperty(script, async (script) => {
            const play = new Play(script, caller, seen)
            play.end()
            play.newcomers()
            play.close()
            // Lets whoever runs the tests hear of them.
            if (++played % 100 === 0) await pause()
          }),
          { numRuns, seed }
        )
        process.stdout.write(`admission: ${name}, ${played} scripts, FUZZ_SEED=${seed}, ${JSON.stringify(seen)}\n`)
        for (const [what, times] of Object.entries(seen)) {
          // Whoever asks the gate itself comes back after every refusal.
          if (what !== "refused" || caller === throughRunner) assert.isAbove(times, numRuns / 20, what)
        }
      }
    )

    it(`${name} holds on to nobody who has left`, async () => {
      setFlagsFromString("--expose-gc")
      const collect: () => void = runInNewContext("gc")
      const calls: Array<ReadonlyArray<WeakRef<object>>> = []
      const known = (ledger: Ledger): Caller => {
        const self = caller(ledger)
        return {
          ...self,
          call: (visit) =>
            Effect.withFiberRuntime((fiber) => {
              const own = {}
              calls.push([new WeakRef(fiber), new WeakRef(own)])
              return Effect.provideService(self.call(visit), Own, own)
            })
        }
      }
      const gates = fc.sample(script, { seed: 1, numRuns: 60 }).map((script) => {
        const play = new Play(script, known, tally())
        play.end()
        return play
      })
      const last = new Play(shut, known, tally())
      const held = (): ReadonlyArray<number> =>
        calls.flatMap((refs, call) => (refs.every((ref) => ref.deref() === undefined) ? [] : [call]))
      for (let round = 0; round < 10 && held().length > 1; round++) {
        await pause()
        collect()
      }

      assert.isAbove(calls.length, 300)
      assert.deepStrictEqual(held(), [calls.length - 1], "but to the one that still waits")
      assert.strictEqual(last.ledger.live.length, 1)
      for (const play of [...gates, last]) play.close()
    })
  }
})
