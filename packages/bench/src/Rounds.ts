/**
 * Rounds: everything that is compared takes its turn in each of them, in an order that changes from round to round. What
 * disturbs the machine for a second or two so disturbs all alike, and what one leaves behind does not meet always the same
 * one. Ratios and differences are taken within a round, and the median over the rounds is what counts.
 */
import type * as Arr from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/** The samples of one contestant, in the order of the rounds. */
export type Samples<A> = Arr.NonEmptyReadonlyArray<A>

export interface Contestant<A, E = never, R = never> {
  readonly name: string
  readonly round: Effect.Effect<A, E, R>
}

export interface Options {
  /** How many rounds count. */
  readonly rounds: number
  /** How many come before them, to let the machine code settle. */
  readonly warmUp: number
  /** Told before each contestant's turn. */
  readonly onTurn?: ((round: number, name: string) => Effect.Effect<void>) | undefined
}

/** Runs the rounds. The order of turns is random, and the same in every run. */
export const run = <A, E, R>(
  contestants: ReadonlyArray<Contestant<A, E, R>>,
  options: Options
): Effect.Effect<ReadonlyMap<string, Samples<A>>, E, R> =>
  Effect.gen(function* () {
    const samples = new Map<string, [A, ...Array<A>]>()
    for (let round = -options.warmUp; round < options.rounds; round++) {
      for (const { name, round: turn } of Chunk.toReadonlyArray(yield* Random.shuffle(contestants))) {
        if (options.onTurn !== undefined) yield* options.onTurn(round, name)
        const sample = yield* turn
        if (round < 0) continue
        const known = samples.get(name)
        if (known === undefined) samples.set(name, [sample])
        else known.push(sample)
      }
    }
    return samples
  }).pipe(Effect.withRandom(Random.make("bench")))
