/**
 * A sliding window: how much was counted in the last so many milliseconds, and whether more fits.
 *
 * A Standard deployment has two: tokens over 60 seconds, and requests over 10 seconds. What was counted is never given back; it leaves
 * the window when it has become as old as the window is long.
 *
 * Pure: time is a number of whole milliseconds handed in by the caller.
 *
 * Source: observed on the live service in 2024 (microsoft/aoai-api-simulator's measurements). The docs speak of a count reset each minute.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { dual } from "effect/Function"

/**
 * A window at one moment.
 *
 * @since 0.1.0
 * @category models
 */
export interface RateWindow {
  /** How much fits in the window. */
  readonly limit: number
  /** Length of the window, in milliseconds. */
  readonly windowMs: number
  /** What was counted, oldest first; entries that have left the window may still be listed. */
  readonly entries: ReadonlyArray<Entry>
}

/**
 * One thing counted.
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  /** When, in milliseconds. */
  readonly at: number
  /** How much. */
  readonly amount: number
}

/**
 * Makes an empty window.
 *
 * @example
 * ```ts
 * import { RateWindow } from "@spillway/emulator"
 *
 * const tokens = RateWindow.make({ limit: 10_000, windowMs: 60_000 })
 * RateWindow.remaining(tokens, 0) // => 10000
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: { readonly limit: number; readonly windowMs: number }): RateWindow => ({
  limit: options.limit,
  windowMs: options.windowMs,
  entries: []
})

const current = (self: RateWindow, now: number): ReadonlyArray<Entry> =>
  self.entries.filter((entry) => now - entry.at < self.windowMs)

const sum = (entries: ReadonlyArray<Entry>): number => entries.reduce((total, entry) => total + entry.amount, 0)

/**
 * How much was counted in the window that ends at `now`.
 *
 * @example
 * ```ts
 * import { RateWindow } from "@spillway/emulator"
 *
 * const requests = RateWindow.record(RateWindow.make({ limit: 10, windowMs: 10_000 }), 0, 1)
 * RateWindow.used(requests, 9_999) // => 1
 * RateWindow.used(requests, 10_000) // => 0
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const used: {
  (now: number): (self: RateWindow) => number
  (self: RateWindow, now: number): number
} = dual(2, (self: RateWindow, now: number): number => sum(current(self, now)))

/**
 * How much still fits at `now`; never below zero.
 *
 * @example
 * ```ts
 * import { RateWindow } from "@spillway/emulator"
 *
 * RateWindow.remaining(RateWindow.make({ limit: 10, windowMs: 10_000 }), 0) // => 10
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const remaining: {
  (now: number): (self: RateWindow) => number
  (self: RateWindow, now: number): number
} = dual(2, (self: RateWindow, now: number): number => Math.max(0, self.limit - used(self, now)))

/**
 * Milliseconds from `now` until `amount` fits, if nothing else is counted meanwhile: 0 if it fits already. What is larger than the whole
 * limit never fits; it is told to wait until the window is empty, and a whole window when it is empty already.
 *
 * @example
 * ```ts
 * import { RateWindow } from "@spillway/emulator"
 *
 * const full = RateWindow.record(RateWindow.make({ limit: 1, windowMs: 10_000 }), 0, 1)
 * RateWindow.waitFor(full, 4_000, 1) // => 6000
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const waitFor: {
  (now: number, amount: number): (self: RateWindow) => number
  (self: RateWindow, now: number, amount: number): number
} = dual(3, (self: RateWindow, now: number, amount: number): number => {
  const entries = current(self, now)
  let excess = sum(entries) + amount - self.limit
  if (excess <= 0) return 0
  let leaves = now + self.windowMs
  for (const entry of entries) {
    leaves = entry.at + self.windowMs
    excess -= entry.amount
    if (excess <= 0) break
  }
  return leaves - now
})

/**
 * Counts `amount` at `now`, whether or not it fits.
 *
 * @example
 * ```ts
 * import { RateWindow } from "@spillway/emulator"
 *
 * const window = RateWindow.record(RateWindow.make({ limit: 1, windowMs: 10_000 }), 0, 3)
 * RateWindow.used(window, 0) // => 3
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const record: {
  (now: number, amount: number): (self: RateWindow) => RateWindow
  (self: RateWindow, now: number, amount: number): RateWindow
} = dual(3, (self: RateWindow, now: number, amount: number): RateWindow => ({
  ...self,
  entries: [...current(self, now), { at: now, amount }]
}))

/**
 * Counts `amount` at `now` if it fits. Otherwise nothing is counted, and the left side is how many milliseconds to wait (see {@link waitFor}).
 *
 * @example
 * ```ts
 * import { RateWindow } from "@spillway/emulator"
 * import { Either } from "effect"
 *
 * const window = RateWindow.record(RateWindow.make({ limit: 1000, windowMs: 60_000 }), 0, 928)
 * RateWindow.admit(window, 20_000, 100) // => Either.left(40000)
 * Either.isRight(RateWindow.admit(window, 60_000, 100)) // => true
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const admit: {
  (now: number, amount: number): (self: RateWindow) => Either.Either<RateWindow, number>
  (self: RateWindow, now: number, amount: number): Either.Either<RateWindow, number>
} = dual(3, (self: RateWindow, now: number, amount: number): Either.Either<RateWindow, number> => {
  const wait = waitFor(self, now, amount)
  return wait === 0 ? Either.right(record(self, now, amount)) : Either.left(wait)
})
