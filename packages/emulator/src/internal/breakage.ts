// Bodies that end before their time.
import * as Stream from "effect/Stream"
import * as Wire from "../Wire.js"
import * as Timed from "./timed.js"

/** What becomes of a body that breaks off: its connection is closed in good order, or reset, or stays open without a word. */
export type End = "cut" | "reset" | "silent"

export const ending = (end: End): Stream.Stream<never, Wire.Broken> =>
  end === "silent" ? Stream.never : Stream.fail(new Wire.Broken({ how: end }))

/**
 * A reply whose body breaks off after so many bytes; by default, after half of a body that is all there at once, and after the first piece of one that is
 * not. The former still announces its whole length.
 */
export const breakOff = (reply: Wire.Reply, bytes: number | undefined, end: End): Wire.Reply => {
  if (typeof reply.body === "string") {
    const whole = Timed.encode(reply.body)
    const part = whole.subarray(0, bytes ?? Math.floor(whole.length / 2))
    return {
      ...reply,
      headers: { ...reply.headers, "content-length": String(whole.length) },
      body: Stream.concat(Stream.make(part), ending(end))
    }
  }
  const sent =
    bytes === undefined
      ? Stream.take(reply.body, 1)
      : reply.body.pipe(
          Stream.mapAccum(0, (before, piece) => [
            before + piece.length,
            { piece: piece.subarray(0, bytes - before), last: before + piece.length >= bytes }
          ]),
          Stream.takeUntil(({ last }) => last),
          Stream.map(({ piece }) => piece)
        )
  return { ...reply, body: Stream.concat(sent, ending(end)) }
}
