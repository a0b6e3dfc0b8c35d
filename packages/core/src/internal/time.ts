import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** @internal */
export const nanosPerMilli = 1_000_000n

/** Milliseconds of a span of monotonic time, fractions kept. @internal */
export const toMillis = (nanos: bigint): number => Number(nanos) / 1e6

/** A time no clock reaches. @internal */
export const never = 1n << 80n

/** Nanoseconds of a duration; what is too long for them becomes {@link never}. @internal */
export const toNanos = (duration: Duration.Duration): bigint => {
  const nanos = Math.round(Duration.toMillis(duration) * 1e6)
  return Number.isFinite(nanos) ? BigInt(nanos) : never
}

// A timer of Node's holds at most 2^31 - 1 ms; beyond it fires at once.
const longestSleep = Duration.days(1)

/**
 * Sleeps until the monotonic clock has reached `instant`. The clock is read again after every sleep, because timers
 * fire up to 1 ms early and because a computer may sleep.
 *
 * @internal
 */
export const sleepUntil = (instant: bigint): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeNanos, (now) =>
    now >= instant
      ? Effect.void
      : Effect.zipRight(
          Effect.sleep(
            Duration.min(Duration.millis(Number((instant - now + nanosPerMilli - 1n) / nanosPerMilli)), longestSleep)
          ),
          sleepUntil(instant)
        )
  )
