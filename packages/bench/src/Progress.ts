/** How far it is, on standard error: a line that changes on a terminal, a line every few seconds elsewhere. */
import * as Effect from "effect/Effect"

export type Progress = (text: string) => Effect.Effect<void>

const clearLine = "\r\u001b[2K"

export const make = (stream: NodeJS.WriteStream): Progress => {
  const began = performance.now()
  let last = -Infinity
  return (text) =>
    Effect.sync(() => {
      const now = performance.now()
      const line = `${((now - began) / 1000).toFixed(0).padStart(4)} s  ${text}`
      if (stream.isTTY) {
        stream.write(clearLine + line.slice(0, Math.max(20, stream.columns - 1)))
      } else if (now - last >= 5000) {
        last = now
        stream.write(`${line}\n`)
      }
    })
}

/** Leaves nothing of it on a terminal. */
export const clear = (stream: NodeJS.WriteStream): Effect.Effect<void> =>
  Effect.sync(() => {
    if (stream.isTTY) stream.write(clearLine)
  })
