import { assert, describe, it } from "@effect/vitest"
import { Deadline } from "@spillway/core"
import type { Duration } from "effect"
import {
  Array,
  Cause,
  Clock,
  Effect,
  Exit,
  FastCheck,
  Fiber,
  FiberRef,
  Option,
  Order,
  Ref,
  Scheduler,
  TestClock
} from "effect"
import { Alarm, Entry } from "../src/internal/alarm.js"

const millis = (n: number): bigint => BigInt(n) * 1_000_000n

/** Runs with a clock that knows how many sleep. */
const watched = <A, E, R>(self: (sleeping: () => number) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.clockWith((clock) => {
    let sleeping = 0
    const counting: Clock.Clock = Object.create(clock, {
      sleep: {
        value: (duration: Duration.Duration) =>
          Effect.suspend(() => {
            sleeping++
            return Effect.ensuring(
              clock.sleep(duration),
              Effect.sync(() => sleeping--)
            )
          })
      }
    })
    return Effect.withClock(
      self(() => sleeping),
      counting
    )
  })

const at = Effect.map(Clock.currentTimeNanos, (now) => Number(now / 1_000_000n))

describe("Deadline.failAt", () => {
  it.effect("ends what has not ended at the instant, then and not before", () =>
    Effect.gen(function* () {
      const released = yield* Ref.make<number | undefined>(undefined)
      const slow = Effect.onInterrupt(Effect.never, () => Effect.flatMap(at, (now) => Ref.set(released, now)))
      const fiber = yield* Effect.fork(Effect.exit(Deadline.failAt(slow, millis(1000), () => "passed")))
      yield* TestClock.adjust("999 millis")
      assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* TestClock.adjust("1 millis")

      assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.fail("passed"))
      assert.strictEqual(yield* Ref.get(released), 1000)
    })
  )

  it.effect("leaves alone what ends before: a value, a failure, a defect, and what it changed", () =>
    Effect.gen(function* () {
      const ref = FiberRef.unsafeMake("before")
      const within = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.exit(Deadline.failAt(effect, millis(1000), () => "passed"))
      const outcomes = yield* Effect.fork(
        Effect.all([
          within(Effect.zipRight(Effect.sleep(10), Effect.zipRight(FiberRef.set(ref, "after"), Effect.succeed(1)))),
          within(Effect.fail("failed")),
          within(Effect.zipRight(Effect.sleep(10), Effect.die("died"))),
          FiberRef.get(ref)
        ])
      )
      yield* TestClock.adjust("20 millis")

      assert.deepStrictEqual(yield* Fiber.join(outcomes), [
        Exit.succeed(1),
        Exit.fail("failed"),
        Exit.die("died"),
        "after"
      ])
    })
  )

  it.effect("ends it where the caller may not be interrupted, and waits for what cannot be interrupted itself", () =>
    Effect.gen(function* () {
      const cut = yield* Effect.fork(
        Effect.uninterruptible(Effect.exit(Deadline.failAt(Effect.never, millis(50), () => "passed")))
      )
      const held = yield* Effect.fork(
        Effect.exit(Deadline.failAt(Effect.uninterruptible(Effect.sleep(80)), millis(50), () => "passed"))
      )
      yield* TestClock.adjust("79 millis")
      const early = yield* Fiber.poll(held)
      yield* TestClock.adjust("1 millis")

      assert.deepStrictEqual(yield* Fiber.join(cut), Exit.fail("passed"))
      assert.isTrue(Option.isNone(early))
      assert.deepStrictEqual(yield* Fiber.join(held), Exit.fail("passed"))
    })
  )

  it.effect("is interrupted with its caller, waits for what it ran, and leaves no timer behind", () =>
    watched((sleeping) =>
      Effect.gen(function* () {
        const released = yield* Ref.make(false)
        const slow = Effect.onInterrupt(Effect.never, () => Ref.set(released, true))
        const fiber = yield* Effect.fork(Deadline.failAt(slow, millis(1000), () => "passed"))
        yield* TestClock.adjust("1 millis")
        const before = sleeping()
        const exit = yield* Fiber.interrupt(fiber)
        yield* TestClock.adjust("1 millis")

        assert.isTrue(Exit.isInterrupted(exit))
        assert.isTrue(yield* Ref.get(released))
        assert.deepStrictEqual([before, sleeping()], [1, 0])
      })
    )
  )

  it.effect("begins nothing for a caller that was interrupted before", () =>
    Effect.gen(function* () {
      const begun = yield* Ref.make(false)
      const exit = yield* Effect.exit(
        Effect.zipRight(
          Effect.uninterruptible(
            Effect.withFiberRuntime((fiber) => Effect.sync(() => fiber.unsafeInterruptAsFork(fiber.id())))
          ),
          Deadline.failAt(Ref.set(begun, true), millis(1000), () => "passed")
        )
      ).pipe(Effect.fork, Effect.flatMap(Fiber.await))

      assert.isTrue(Exit.isInterrupted(exit))
      assert.isFalse(yield* Ref.get(begun))
    })
  )

  it.effect("tells of what broke while it was released, when its caller is interrupted", () =>
    Effect.gen(function* () {
      const breaking = Effect.onInterrupt(Effect.never, () => Effect.die("release broke"))
      const fiber = yield* Effect.fork(Deadline.failAt(breaking, millis(1000), () => "passed"))
      yield* TestClock.adjust("10 millis")
      const exit = yield* Fiber.interrupt(fiber)

      assert.isTrue(Exit.isInterrupted(exit))
      assert.deepStrictEqual(Exit.isFailure(exit) ? [...Cause.defects(exit.cause)] : [], ["release broke"])
    })
  )

  it.effect("shares one timer among all, also when a later one is due first", () =>
    watched((sleeping) =>
      Effect.gen(function* () {
        const ended = yield* Ref.make<ReadonlyArray<string>>([])
        const waiting = (ms: number) =>
          Deadline.failAt(Effect.never, millis(ms), () => ms).pipe(
            Effect.catchAll(() => Effect.flatMap(at, (now) => Ref.update(ended, (all) => [...all, `${ms} at ${now}`]))),
            Effect.fork
          )
        const fibers = yield* Effect.forEach([300, 100, 200, 100], waiting)
        yield* TestClock.adjust("1 millis")
        const timers = sleeping()
        yield* TestClock.adjust("299 millis")
        yield* Effect.forEach(fibers, Fiber.join)

        assert.strictEqual(timers, 1)
        assert.deepStrictEqual(yield* Ref.get(ended), ["100 at 100", "100 at 100", "200 at 200", "300 at 300"])
        assert.strictEqual(sleeping(), 0)
      })
    )
  )
})

describe("Alarm", () => {
  it.effect.prop(
    "rings for what was not taken back, in the order of the instants",
    [FastCheck.array(FastCheck.tuple(FastCheck.integer({ min: 1, max: 30 }), FastCheck.boolean()), { maxLength: 60 })],
    ([asked]) =>
      Effect.gen(function* () {
        const clock = yield* Effect.clock
        const begun = clock.unsafeCurrentTimeNanos()
        const alarm = new Alarm(clock)
        const rung: globalThis.Array<number> = []
        const entries = asked.map(([ms]) => new Entry(begun + millis(ms), () => void rung.push(ms)))
        for (const entry of entries) alarm.set(entry, Scheduler.defaultScheduler)
        asked.forEach(([, kept], index) => {
          const entry = entries[index]
          if (!kept && entry !== undefined) alarm.clear(entry, Scheduler.defaultScheduler)
        })
        yield* TestClock.adjust("1 second")

        assert.deepStrictEqual(
          rung,
          Array.sortBy(Order.mapInput(Order.number, ([ms]: readonly [number, boolean]) => ms))(asked).flatMap(
            ([ms, kept]) => (kept ? [ms] : [])
          )
        )
      }),
    { fastCheck: { numRuns: 30 } }
  )

  it.effect("that breaks breaks no other", () =>
    Effect.gen(function* () {
      const clock = yield* Effect.clock
      const alarm = new Alarm(clock)
      const rung: globalThis.Array<number> = []
      const set = (ms: number, ring: () => void) =>
        alarm.set(new Entry(clock.unsafeCurrentTimeNanos() + millis(ms), ring), Scheduler.defaultScheduler)
      set(10, () => {
        throw new Error("expected: an alarm that breaks")
      })
      set(10, () => void rung.push(10))
      set(20, () => void rung.push(20))
      yield* TestClock.adjust("15 millis")
      set(1, () => void rung.push(16))
      yield* TestClock.adjust("1 second")

      assert.deepStrictEqual(rung, [10, 16, 20])
    })
  )
})
