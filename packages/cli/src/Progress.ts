/** How work goes on, told on standard error while it does: a line that changes on a terminal, a line now and then elsewhere. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

const clearLine = "\r\u001b[2K"

/** Shows `line` while `self` runs. On a terminal nothing is left of it afterwards. */
export const show =
  (line: () => string) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const { stderr } = process
    const live = stderr.isTTY
    const write = Effect.sync(() => {
      stderr.write(live ? clearLine + line().slice(0, Math.max(20, stderr.columns - 1)) : `${line()}\n`)
    })
    const clear = Effect.sync(() => {
      if (live) stderr.write(clearLine)
    })
    const interval = live ? Duration.millis(100) : Duration.seconds(2)
    const ticking = Effect.forever(Effect.delay(write, interval))
    return Effect.raceFirst(self, ticking).pipe(Effect.ensuring(clear))
  }
