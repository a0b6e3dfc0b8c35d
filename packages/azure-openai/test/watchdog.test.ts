import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, FiberId, Scheduler, TestClock } from "effect"
import { Watchdog } from "../src/internal/watchdog.js"

/** Interrupts the first fiber it runs before that fiber's operation `at`, counted from 0. */
class Interrupting extends Scheduler.MixedScheduler {
  operations = 0
  private victim: Fiber.RuntimeFiber<unknown, unknown> | undefined

  constructor(private readonly at: number) {
    super(2048)
  }

  override shouldYield(fiber: Fiber.RuntimeFiber<unknown, unknown>): number | false {
    this.victim ??= fiber
    if (fiber === this.victim && this.operations++ === this.at) fiber.unsafeInterruptAsFork(FiberId.none)
    return super.shouldYield(fiber)
  }
}

/** A read that nothing comes of. */
const silence = () => {
  const reads = { begun: 0, given: 0 }
  const read = Effect.async<never>(() => {
    reads.begun++
    return Effect.sync(() => void reads.given++)
  })
  return { read, reads }
}

const watching = (idle: bigint) => Effect.tap(Effect.succeed(new Watchdog(idle, undefined)), ({ start }) => start)

describe("a read", () => {
  /** By a caller who is interrupted before its operation `at` or, at last, while it waits. */
  const interrupted = (at: number) =>
    Effect.gen(function* () {
      const watchdog = yield* watching(1_000_000_000n)
      const { read, reads } = silence()
      const scheduler = new Interrupting(at)
      const caller = yield* Effect.fork(
        Effect.withScheduler(
          watchdog.run(read, () => undefined),
          scheduler
        )
      )
      yield* TestClock.adjust("400 millis")
      const waited = caller.unsafePoll() === null
      if (waited) yield* Fiber.interrupt(caller)
      const exit = yield* Fiber.await(caller)
      const where = `by who was interrupted before operation ${at}`
      assert.isTrue(Exit.isInterrupted(exit), where)
      assert.strictEqual(reads.given, reads.begun, `reads left ${where}`)

      const next = yield* Effect.fork(watchdog.run(silence().read, (cut) => cut))
      yield* TestClock.adjust("999 millis")
      assert.isNull(next.unsafePoll())
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(next.unsafePoll(), Exit.succeed("timeout"), `the next one, ${where}`)
      return { begun: reads.begun, waited }
    })

  it.scoped("ends with its caller, whenever that is interrupted, and the stream's others are watched on", () =>
    Effect.gen(function* () {
      let begun = 0
      for (let at = 0, waited = false; !waited; at++) {
        const played = yield* interrupted(at)
        begun += played.begun
        waited = played.waited
      }
      // Some were interrupted before it began, and some after.
      assert.isAbove(begun, 1)
    })
  )
})
