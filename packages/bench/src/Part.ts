/** A part of the benchmark: what it is given, and what it comes to. */
import type * as Effect from "effect/Effect"
import type { Definition } from "./clients/Client.js"
import type { Progress } from "./Progress.js"
import type { Table } from "./Table.js"

export interface Settings {
  /** A first look: fewer rounds, less time to settle. */
  readonly quick: boolean
  /** Which clients. */
  readonly clients: ReadonlyArray<Definition>
  /** At which numbers of requests at a time; undefined for the part's own. */
  readonly concurrency: ReadonlyArray<number> | undefined
  readonly progress: Progress
}

/** What was asked for, and what it is. */
export interface Goal {
  readonly what: string
  readonly limit: { readonly atLeast: number } | { readonly atMost: number }
  readonly unit: string
  readonly measured: number
}

export interface Result {
  readonly tables: ReadonlyArray<Table>
  readonly goals: ReadonlyArray<Goal>
}

export interface Part {
  readonly name: string
  readonly about: string
  readonly run: (settings: Settings) => Effect.Effect<Result, unknown>
}

export const met = ({ limit, measured }: Goal): boolean =>
  "atLeast" in limit ? measured >= limit.atLeast : measured <= limit.atMost
