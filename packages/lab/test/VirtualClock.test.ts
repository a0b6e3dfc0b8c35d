import { assert, describe, it } from "@effect/vitest"
import { VirtualClock } from "@spillway/lab"
import { Clock, Deferred, Effect, Exit, Fiber, Ref } from "effect"

describe("VirtualClock", () => {
  it.effect("lets fibers sleep side by side and wakes them in order of time, then of falling asleep", () =>
    Effect.gen(function* () {
      const log = yield* Ref.make<ReadonlyArray<readonly [string, number]>>([])
      const note = (name: string) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => Ref.update(log, (lines) => [...lines, [name, now] as const]))
      const worker = (name: string, delay: number) => Effect.zipRight(Effect.sleep(delay), note(name))

      yield* Effect.all([worker("late", 3_600_000), worker("b", 20), worker("c", 20), worker("a", 10.5)], {
        concurrency: "unbounded"
      }).pipe(VirtualClock.run)

      assert.deepStrictEqual(yield* Ref.get(log), [
        ["a", 10.5],
        ["b", 20],
        ["c", 20],
        ["late", 3_600_000]
      ])
    })
  )

  it.effect("reads milliseconds and nanoseconds from the same time", () =>
    Effect.gen(function* () {
      const [millis, nanos] = yield* Effect.sleep("1500 micros").pipe(
        Effect.zipRight(Effect.all([Clock.currentTimeMillis, Clock.currentTimeNanos])),
        VirtualClock.run
      )

      assert.strictEqual(millis, 1.5)
      assert.strictEqual(nanos, 1_500_000n)
    })
  )

  it.effect("calls off the timer of a sleeper that is interrupted", () =>
    Effect.gen(function* () {
      const now = yield* Effect.gen(function* () {
        const sleeper = yield* Effect.fork(Effect.sleep("1 day"))
        yield* Effect.sleep("1 second")
        yield* Fiber.interrupt(sleeper)
        yield* Effect.sleep("1 second")
        return yield* Clock.currentTimeMillis
      }).pipe(VirtualClock.run)

      assert.strictEqual(now, 2000)
    })
  )

  it.effect("passes failures on", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.sleep(5).pipe(Effect.zipRight(Effect.fail("no")), VirtualClock.run, Effect.exit)

      assert.deepStrictEqual(exit, Exit.fail("no"))
    })
  )

  it.effect("says so when nothing can go on, and runs the finalizers", () =>
    Effect.gen(function* () {
      const released = yield* Ref.make(false)
      const error = yield* Effect.gen(function* () {
        const never = yield* Deferred.make<void>()
        yield* Effect.sleep(7)
        yield* Deferred.await(never)
      }).pipe(Effect.ensuring(Ref.set(released, true)), VirtualClock.run, Effect.flip)

      assert.deepStrictEqual(error, new VirtualClock.Stalled({ atMs: 7 }))
      assert.isTrue(yield* Ref.get(released))
    })
  )

  it.live("is interrupted from outside, finalizers and all", () =>
    Effect.gen(function* () {
      const released = yield* Ref.make(false)
      const forever = Effect.forever(Effect.sleep(1)).pipe(Effect.ensuring(Ref.set(released, true)))

      const fiber = yield* Effect.fork(VirtualClock.run(forever))
      yield* Effect.sleep(20)
      const exit = yield* Fiber.interrupt(fiber)

      assert.isTrue(Exit.isInterrupted(exit))
      assert.isTrue(yield* Ref.get(released))
    })
  )
})
