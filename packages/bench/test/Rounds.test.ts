import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Effect } from "effect"
import * as Rounds from "../src/Rounds.js"

const names = ["a", "b", "c", "d"]

/** Contestants that write down each turn, and whose samples count up. */
const recording = () => {
  const turns: Array<string> = []
  const contestants = names.map((name) => {
    let round = 0
    return { name, round: Effect.sync(() => (turns.push(name), ++round)) }
  })
  return { contestants, turns }
}

const rounds = (turns: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> =>
  Array.from({ length: turns.length / names.length }, (_, n) => turns.slice(n * names.length, (n + 1) * names.length))

describe("Rounds", () => {
  it.effect("each takes its turn once in every round, and those to warm up do not count", () =>
    Effect.gen(function* () {
      const { contestants, turns } = recording()
      const samples = yield* Rounds.run(contestants, { rounds: 20, warmUp: 2 })

      assert.strictEqual(turns.length, 22 * names.length)
      for (const round of rounds(turns)) assert.deepStrictEqual(round.toSorted(), names)
      for (const name of names) {
        assert.deepStrictEqual(
          samples.get(name),
          Arr.makeBy(20, (n) => n + 3)
        )
      }
    })
  )

  it.effect("the order changes from round to round, and is the same in every run", () =>
    Effect.gen(function* () {
      const [first, second] = [recording(), recording()]
      yield* Rounds.run(first.contestants, { rounds: 20, warmUp: 0 })
      yield* Rounds.run(second.contestants, { rounds: 20, warmUp: 0 })

      assert.deepStrictEqual(first.turns, second.turns)
      const firstOfRound = new Set(rounds(first.turns).map(([name]) => name))
      assert.deepStrictEqual([...firstOfRound].toSorted(), names)
    })
  )

  it.effect("a turn that fails ends it", () =>
    Effect.gen(function* () {
      const { contestants, turns } = recording()
      const failing = { name: "failing", round: Effect.fail("no answer") }
      const error = yield* Effect.flip(Rounds.run([...contestants, failing], { rounds: 5, warmUp: 0 }))

      assert.strictEqual(error, "no answer")
      assert.isAtMost(turns.length, names.length)
    })
  )
})
