/**
 * The leaky bucket that decides whether a provisioned deployment takes a call.
 *
 * Accepting a call pours its estimated cost in, the deployment drains what it was bought for, and a call is accepted while the bucket
 * is less than full, *whatever the size of that call*: so one call may overfill it, and the next is told how long the excess takes to drain.
 * When an answer is finished the estimate is corrected to what it really took, in either direction.
 *
 * Pure: time is a number of whole milliseconds handed in by the caller.
 *
 * Source: Azure docs, "Provisioned throughput" (how utilization is enforced). The bucket's depth is not documented.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { dual } from "effect/Function"

/**
 * A bucket at one moment. Tokens are input-token equivalents: an output token counts as many as the model's output weight.
 *
 * @since 0.1.0
 * @category models
 */
export interface Bucket {
  /** What drains in a minute, in tokens: PTUs x the model's input tokens per minute per PTU. */
  readonly drainPerMinute: number
  /** The level, in tokens, that is 100 % utilization. */
  readonly capacity: number
  /** The level at `at`, in sixty-thousandths of a token: what drains in one millisecond is then a whole number, and no time is off by rounding. */
  readonly fill: number
  /** When `fill` was true, in milliseconds. */
  readonly at: number
}

const scale = 60_000

/**
 * Makes an empty bucket. `windowSeconds` is its depth, as seconds of drain.
 *
 * @example
 * ```ts
 * import { Bucket } from "@spillway/emulator"
 *
 * // 15 PTUs of gpt-4o, ten seconds deep
 * const bucket = Bucket.make({ drainPerMinute: 15 * 2500, windowSeconds: 10 })
 * bucket.capacity // => 6250
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: { readonly drainPerMinute: number; readonly windowSeconds: number }): Bucket => ({
  drainPerMinute: options.drainPerMinute,
  capacity: (options.drainPerMinute * options.windowSeconds) / 60,
  fill: 0,
  at: 0
})

// A clock that steps back must not refill the bucket.
const fillAt = (self: Bucket, now: number): number =>
  Math.max(0, self.fill - Math.max(0, now - self.at) * self.drainPerMinute)

const settleAt = (self: Bucket, now: number, fill: number): Bucket => ({
  ...self,
  fill: Math.max(0, fill),
  at: Math.max(self.at, now)
})

/**
 * What is in the bucket at `now`, in tokens.
 *
 * @example
 * ```ts
 * import { Bucket } from "@spillway/emulator"
 * import { Either } from "effect"
 *
 * const bucket = Bucket.make({ drainPerMinute: 60_000, windowSeconds: 1 })
 * const busy = Either.getOrThrow(Bucket.admit(bucket, 0, 700))
 * Bucket.level(busy, 100) // => 600
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const level: {
  (now: number): (self: Bucket) => number
  (self: Bucket, now: number): number
} = dual(2, (self: Bucket, now: number): number => fillAt(self, now) / scale)

/**
 * The level as a share of capacity at `now`: 1 is 100 %, and one large call can take it above.
 *
 * @example
 * ```ts
 * import { Bucket } from "@spillway/emulator"
 *
 * Bucket.utilization(Bucket.make({ drainPerMinute: 60_000, windowSeconds: 1 }), 0) // => 0
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const utilization: {
  (now: number): (self: Bucket) => number
  (self: Bucket, now: number): number
} = dual(2, (self: Bucket, now: number): number => level(self, now) / self.capacity)

/**
 * Pours `charge` tokens in, if the bucket is below its capacity at `now`. Otherwise nothing is poured, and the left side is the
 * smallest whole number of milliseconds after which it is below.
 *
 * @example
 * ```ts
 * import { Bucket } from "@spillway/emulator"
 * import { Either } from "effect"
 *
 * const bucket = Bucket.make({ drainPerMinute: 60_000, windowSeconds: 1 })
 * const full = Either.getOrThrow(Bucket.admit(bucket, 0, 1500))
 * Bucket.admit(full, 0, 1) // => Either.left(501)
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const admit: {
  (now: number, charge: number): (self: Bucket) => Either.Either<Bucket, number>
  (self: Bucket, now: number, charge: number): Either.Either<Bucket, number>
} = dual(3, (self: Bucket, now: number, charge: number): Either.Either<Bucket, number> => {
  const fill = fillAt(self, now)
  // Capacity may be a fraction of a token, but is whole in these units: rounding takes out what division left behind.
  const excess = fill - Math.round(self.capacity * scale)
  return excess < 0
    ? Either.right(settleAt(self, now, fill + charge * scale))
    : Either.left(Math.floor(excess / self.drainPerMinute) + 1)
})

/**
 * Corrects an estimate when the cost is known: adds `difference` tokens (actual minus estimate, either sign). The level never goes below zero.
 *
 * @example
 * ```ts
 * import { Bucket } from "@spillway/emulator"
 * import { Either } from "effect"
 *
 * const bucket = Bucket.make({ drainPerMinute: 60_000, windowSeconds: 1 })
 * const busy = Either.getOrThrow(Bucket.admit(bucket, 0, 700))
 * Bucket.level(Bucket.correct(busy, 0, -200), 0) // => 500
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const correct: {
  (now: number, difference: number): (self: Bucket) => Bucket
  (self: Bucket, now: number, difference: number): Bucket
} = dual(3, (self: Bucket, now: number, difference: number): Bucket =>
  settleAt(self, now, fillAt(self, now) + difference * scale)
)
