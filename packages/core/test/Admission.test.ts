import { assert, describe, it } from "@effect/vitest"
import { Admission, CallSettings, RetryAfter, Runner } from "@spillway/core"
import type { Clock } from "effect"
import {
  Cause,
  Chunk,
  Duration,
  Effect,
  Either,
  Exit,
  Fiber,
  Layer,
  Option,
  Schedule,
  Scope,
  TestClock,
  Tracer
} from "effect"
import { deployment, refused, strict } from "./support/paced.js"

const names = (n: number): ReadonlyArray<string> => Array.from({ length: n }, (_, i) => `c${i}`)

describe("admission", () => {
  it.scoped("sends a burst one by one, in order of arrival", () =>
    Effect.gen(function* () {
      const { ask, sent } = deployment(yield* strict())
      const fiber = yield* Effect.fork(Effect.forEach(names(4), ask, { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)

      // Each answer costs what calls usually do until one says more: a quarter of its charge.
      assert.deepStrictEqual(sent, [
        ["c0", 0],
        ["c1", 25],
        ["c2", 50],
        ["c3", 75]
      ])
    })
  )

  for (const [maxWait, fate] of [
    [99, "gave up, 0 requests"],
    [100, "sent at 100"],
    [101, "sent at 100"]
  ] as const) {
    it.scoped(`a call whose turn comes after 100 ms and may wait ${maxWait} ms: ${fate}`, () =>
      Effect.gen(function* () {
        const { ask, sent } = deployment(yield* strict(), () => Effect.never)
        yield* Effect.fork(ask("first"))
        const second = yield* Effect.fork(Effect.either(CallSettings.withMaxWait(ask("second"), maxWait)))
        yield* TestClock.adjust("1 second")

        if (fate === "sent at 100") return assert.deepStrictEqual(sent[1], ["second", 100])
        const error = yield* Effect.flatMap(Fiber.join(second), Either.flip)
        assert.deepStrictEqual(
          error._tag === "GaveUp" && [
            error.reason,
            Duration.toMillis(error.waited),
            Duration.toMillis(error.predicted),
            error.attempts
          ],
          ["late", 0, 100, 0]
        )
        assert.strictEqual(sent.length, 1)
      })
    )
  }

  it.scoped("a call that could not be foreseen to be late waits exactly as long as it may", () =>
    Effect.gen(function* () {
      const { ask, sent } = deployment(yield* strict(), () => Effect.never)
      yield* Effect.fork(ask("first"))
      yield* TestClock.adjust("50 millis")
      const batch = yield* Effect.fork(
        Effect.either(ask("batch").pipe(CallSettings.withPriority("batch"), CallSettings.withMaxWait("60 millis")))
      )
      yield* TestClock.adjust("40 millis")
      yield* Effect.fork(ask("interactive"))
      yield* TestClock.adjust("1 hour")

      const error = yield* Effect.flatMap(Fiber.join(batch), Either.flip)
      assert.strictEqual(error._tag === "GaveUp" ? Duration.toMillis(error.waited) : error._tag, 50)
      assert.deepStrictEqual(
        sent.map(([name]) => name),
        ["first", "interactive"]
      )
    })
  )

  it.scoped("has one timer, however many wait", () =>
    Effect.gen(function* () {
      const { ask, sent } = deployment(yield* strict({ maxWait: "1 hour" }), () => Effect.never)
      yield* Effect.fork(Effect.forEach(names(2000), ask, { concurrency: "unbounded", discard: true }))
      yield* TestClock.adjust(0)
      const sleeps = () =>
        Effect.map(TestClock.sleeps(), (all) =>
          // What is in flight has its timeout, a minute away; the rest is the gate's.
          Chunk.toReadonlyArray(all).filter((at) => at < 60_000)
        )

      assert.deepStrictEqual(yield* sleeps(), [100])
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(yield* sleeps(), [200])
      assert.strictEqual(sent.length, 2)
    })
  )

  it.scoped("wakes a call whose turn comes while its wait is being prepared", () =>
    Effect.gen(function* () {
      const controller = yield* strict()
      const request = { priority: 1, cost: 10, latest: 1n << 60n, notBefore: undefined }
      const turn = yield* controller.enter({ ...request, order: 1 }, (waiting) => waiting)
      const fiber = yield* Effect.fork(
        controller.enter({ ...request, order: 2 }, (waiting) => Effect.zipRight(turn.failed, waiting))
      )
      yield* TestClock.adjust("1 second")

      const exit = fiber.unsafePoll()
      yield* Fiber.interruptFork(fiber)
      assert.isTrue(exit !== null && Exit.isSuccess(exit))
    })
  )

  for (const span of ["attempt", "wait"]) {
    it.scoped(`has back the turn of a call that a tracer breaks at its ${span}`, () =>
      Effect.gen(function* () {
        const controller = yield* strict()
        const { ask } = deployment(controller, () => Effect.never)
        const tracer = yield* Effect.tracer
        const breaking = Tracer.make({
          context: (f, fiber) => tracer.context(f, fiber),
          span: (...args) => {
            if (args[0].startsWith(span)) throw new Error("broken")
            return tracer.span(...args)
          }
        })
        yield* Effect.fork(ask("first"))
        yield* TestClock.adjust(span === "wait" ? 0 : 100)
        const exit = yield* Effect.exit(Effect.withTracer(ask("second"), breaking))
        yield* TestClock.adjust("10 seconds")

        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
        const snapshot = yield* controller.snapshot
        assert.deepStrictEqual([snapshot.waiting, snapshot.inFlight], [0, 1])
      })
    )
  }

  it.scoped("a call that is refused has its place again; nobody comes back before the hint, and then one by one", () =>
    Effect.gen(function* () {
      const { ask, sent } = deployment(
        yield* strict(),
        (name, nth) =>
          name === "c0" && nth === 1 ? Effect.delay(Effect.fail(refused(500)), "20 millis") : Effect.succeed(name),
        (runner) => Runner.retry(runner, RetryAfter.within("10 seconds"))
      )
      const fiber = yield* Effect.fork(Effect.forEach(names(4), ask, { concurrency: "unbounded" }))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(fiber)

      // 520: the hint. Then a quarter of the charge of each, at nine tenths of the pace and a little more for each sent.
      assert.deepStrictEqual(
        sent.map(([name, at]) => [name, Math.floor(at)]),
        [
          ["c0", 0],
          ["c0", 520],
          ["c1", 548],
          ["c2", 576],
          ["c3", 604]
        ]
      )
    })
  )

  it.scoped("a Schedule that asks for more than the hint is obeyed, and others pass meanwhile", () =>
    Effect.gen(function* () {
      const { ask, sent } = deployment(
        yield* strict(),
        (name, nth) => (name === "c0" && nth === 1 ? Effect.fail(refused(100)) : Effect.succeed(name)),
        (runner) => Runner.retry(runner, RetryAfter.within("10 seconds", Schedule.spaced("300 millis")))
      )
      yield* Effect.fork(Effect.forEach(names(3), ask, { concurrency: "unbounded" }))
      yield* TestClock.adjust("5 seconds")

      assert.deepStrictEqual(
        sent.map(([name]) => name),
        ["c0", "c1", "c2", "c0"]
      )
      assert.deepStrictEqual(sent.at(-1), ["c0", 300])
    })
  )

  describe("how long a call may wait", () => {
    const cases: ReadonlyArray<
      readonly [
        name: string,
        settings: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>,
        schedule: Schedule.Schedule<Duration.Duration> | undefined,
        limit: number
      ]
    > = [
      ["the gate's own", (self) => self, undefined, 3000],
      ["the Schedule's before the gate's", (self) => self, RetryAfter.within("10 seconds"), 10_000],
      [
        "a limit given to another Schedule",
        (self) => self,
        RetryAfter.retries(2).pipe(RetryAfter.withLimit("7 seconds")),
        7000
      ],
      ["the gate's, where the Schedule has none", (self) => self, RetryAfter.retries(2), 3000],
      ["the call's before all", CallSettings.withMaxWait("1 second"), RetryAfter.within("10 seconds"), 1000],
      ["no longer than the deadline", CallSettings.withDeadline("2 seconds"), RetryAfter.within("10 seconds"), 2000],
      [
        "no longer than leaves the reserve before the deadline",
        (self) => self.pipe(CallSettings.withDeadline("5 seconds"), CallSettings.withFallbackReserve("3500 millis")),
        RetryAfter.within("10 seconds"),
        1500
      ]
    ]
    for (const [name, settings, schedule, limit] of cases) {
      it.scoped(`${name}: ${limit} ms`, () =>
        Effect.gen(function* () {
          for (const [hint, expected] of [
            [limit, "waits"],
            [limit + 1, "gives up"]
          ] as const) {
            const { ask, sent } = deployment(
              yield* strict({ maxWait: "3 seconds" }),
              (call) => (call === "first" ? Effect.fail(refused(hint)) : Effect.succeed(call)),
              schedule === undefined ? undefined : (runner) => Runner.retry(runner, schedule)
            )
            // Shuts the gate, and does not come back itself.
            yield* Effect.either(CallSettings.withMaxWait(ask("first"), 0))
            const second = yield* Effect.fork(settings(ask("second")))
            yield* TestClock.adjust(0)

            assert.strictEqual(Option.isNone(yield* Fiber.poll(second)) ? "waits" : "gives up", expected)
            yield* Fiber.interrupt(second)
            assert.strictEqual(sent.length, 1)
          }
        })
      )
    }
  })

  describe("interruption", () => {
    it.scoped("of a call that waits frees its place", () =>
      Effect.gen(function* () {
        const { ask, sent } = deployment(yield* strict(), () => Effect.never)
        yield* Effect.fork(ask("first"))
        const second = yield* Effect.fork(ask("second"))
        yield* Effect.fork(ask("third"))
        yield* TestClock.adjust("50 millis")
        const exit = yield* Fiber.interrupt(second)
        yield* TestClock.adjust("1 second")

        assert.isTrue(Exit.isInterrupted(exit))
        assert.deepStrictEqual(sent, [
          ["first", 0],
          ["third", 100]
        ])
      })
    )

    it.scoped("at the very moment of its turn passes the turn on", () =>
      Effect.gen(function* () {
        const gate = yield* strict()
        const request = { priority: 0, order: 0, cost: 100, latest: 10_000_000_000n }
        const enter = (order: number) =>
          Effect.uninterruptibleMask((restore) => gate.enter({ ...request, order }, (waiting) => restore(waiting)))
        const first = yield* enter(0)
        const second = yield* Effect.fork(enter(1))
        const third = yield* Effect.fork(enter(2))
        yield* TestClock.adjust(0)

        // The turn is given, and before the fiber that has it can go on, it is interrupted.
        yield* Effect.zipRight(first.failed, Fiber.interruptFork(second))
        yield* TestClock.adjust("1 second")

        assert.strictEqual((yield* gate.snapshot).waiting, 0)
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(third)))
        const seconds = yield* Fiber.await(second)
        const inFlight = Exit.isSuccess(seconds) ? 2 : 1
        assert.strictEqual((yield* gate.snapshot).inFlight, inFlight)
      })
    )

    it.scoped("of a request under way: what it would have cost stays charged, as calls usually cost", () =>
      Effect.gen(function* () {
        const gate = yield* strict()
        const { ask } = deployment(gate, () => Effect.never)
        const first = yield* Effect.fork(ask("first"))
        yield* TestClock.adjust(10)
        yield* Fiber.interrupt(first)

        assert.strictEqual((yield* gate.snapshot).inFlight, 0)
        assert.strictEqual((yield* gate.snapshot).fullForMs, 15)
      })
    )
  })

  it.effect("calls that wait when the Layer is released go elsewhere", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { ask } = deployment(yield* Scope.extend(strict(), scope), () => Effect.never)
      yield* Effect.fork(ask("first"))
      const second = yield* Effect.fork(Effect.flip(ask("second")))
      yield* TestClock.adjust("10 millis")
      yield* Scope.close(scope, Exit.void)
      const error = yield* Fiber.join(second)
      const third = yield* Effect.flip(ask("third"))

      assert.strictEqual(error._tag === "GaveUp" && error.reason, "closed")
      assert.strictEqual(third._tag === "GaveUp" && third.reason, "closed")
    })
  )

  it.effect("one gate for a key, and another for another", () =>
    Effect.gen(function* () {
      const { controller } = yield* Admission.Admission
      const [a, again, b] = yield* Effect.all([controller("a"), controller("a"), controller("b")])

      assert.strictEqual(a, again)
      assert.notStrictEqual(a, b)
      assert.deepStrictEqual(a.maxWait, Duration.seconds(4))
    }).pipe(Effect.provide(Admission.layer({ tokensPerSecond: 1000 })))
  )

  it.effect("says everything that is wrong with its options", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.scoped(
          Layer.build(Admission.layer({ tokensPerSecond: 0, burstMs: -1, maxWaiting: 1.5, maxWait: Duration.zero }))
        )
      )

      const text = String(error)
      for (const option of ["tokensPerSecond", "burstMs", "maxWaiting"]) assert.include(text, option)
      assert.notInclude(text, "maxWait:")
    })
  )

  // 251,576 and 267,201 ns come back from milliseconds one rounding below the instant at which a review is due.
  it.live.each([251_576n, 267_201n, 250_000n])(
    "a clock that stands still while code runs: the gate does not spin",
    (at) =>
      Effect.gen(function* () {
        let now = 0n
        let reads = 0
        const read = () => {
          reads++
          if (reads > 10_000) throw new Error("expected the clock to be read a few times")
          return now
        }
        const real = yield* Effect.clock
        const standing: Clock.Clock = Object.create(real, {
          unsafeCurrentTimeNanos: { value: read },
          unsafeCurrentTimeMillis: { value: () => Number(read()) / 1e6 },
          currentTimeNanos: { value: Effect.sync(read) },
          currentTimeMillis: { value: Effect.sync(() => Number(read()) / 1e6) },
          sleep: {
            value: (duration: Duration.Duration) =>
              Effect.flatMap(Effect.sync(read), (began) =>
                Effect.zipRight(
                  real.sleep(Duration.millis(1)),
                  Effect.sync(() => {
                    now = began + BigInt(Math.round(Duration.toMillis(duration) * 1e6))
                  })
                )
              )
          }
        })
        const waited = yield* Effect.gen(function* () {
          const gate = yield* Admission.make({ tokensPerSecond: 10, burstMs: 0, size: "exact" })
          const enter = (order: number, latest: bigint) =>
            gate.enter({ priority: 0, order, cost: 30, latest }, (waiting) => waiting)
          yield* enter(1, 0n)
          now = at
          return yield* Effect.exit(enter(2, at + 4_000_000_000n))
        }).pipe(Effect.scoped, Effect.withClock(standing), Effect.timeout("2 seconds"))

        assert.isTrue(Exit.isSuccess(waited))
        assert.isBelow(reads, 100)
      })
  )
})
