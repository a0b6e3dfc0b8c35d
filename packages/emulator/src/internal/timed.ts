// A body that comes over time.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Timeline } from "./capacity.js"

/** Bytes or text that leave together, `at` so many milliseconds after the beginning. */
export interface Write {
  readonly at: number
  readonly data: string | Uint8Array
}

const encoder = new TextEncoder()

/** The bytes of a text, and bytes as they are. */
export const encode = (data: string | Uint8Array): Uint8Array =>
  typeof data === "string" ? encoder.encode(data) : data

/** Waits; not at all for no time. */
export const pause = (time: Duration.DurationInput): Effect.Effect<void> =>
  Duration.toMillis(time) > 0 ? Effect.sleep(time) : Effect.void

/** Waits until `at` milliseconds after `began`; not at all when that is past. */
export const until = (time: Timeline, began: number, at: number): Effect.Effect<void> =>
  Effect.flatMap(time.now, (now) => (began + at > now ? Effect.sleep(began + at - now) : Effect.void))

/**
 * Each write at its time, or as soon as it is asked for when that is later: a reader that is slow holds up nothing but itself. `ended` runs before
 * the last write is handed over, for its reader may not ask whether there is another.
 */
export const play = (
  writes: ReadonlyArray<Write>,
  options: { readonly time: Timeline; readonly began: number; readonly ended: Effect.Effect<void> }
): Stream.Stream<Uint8Array> =>
  Stream.unfoldEffect(0, (index) => {
    const write = writes[index]
    if (write === undefined) return Effect.succeedNone
    const due = Effect.as(
      until(options.time, options.began, write.at),
      Option.some([encode(write.data), index + 1] as const)
    )
    return index === writes.length - 1 ? Effect.zipLeft(due, options.ended) : due
  })
