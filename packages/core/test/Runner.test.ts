import { assert, describe, it } from "@effect/vitest"
import { Call, CallSettings, Recovery, RetryAfter, Runner } from "@spillway/core"
import type { Scope } from "effect"
import {
  Cause,
  Clock,
  Context,
  Data,
  Duration,
  Effect,
  Exit,
  Fiber,
  Option,
  pipe,
  Ref,
  Schedule,
  TestClock,
  Tracer
} from "effect"

interface Failure extends Runner.Failure {
  readonly recovery: Recovery.Recovery | undefined
}

class Refused extends Data.TaggedError("Refused")<{
  readonly name: string
  readonly recovery: Recovery.Recovery | undefined
  readonly retryAfter: Option.Option<Duration.Duration>
  readonly since: bigint
  readonly attempts: ReadonlyArray<string>
}> {
  readonly throttled = true
  get [Recovery.TypeId](): Recovery.Recovery | undefined {
    return this.recovery
  }
}

type Service = Runner.Runner<string, Failure, Refused>

const failure = (recovery?: Recovery.Recovery, retryAfter?: number): Failure => ({
  _tag: "Refused",
  errorType: "refused",
  retryAfter: Option.map(Option.fromNullable(retryAfter), Duration.millis),
  recovery
})

const leaf = (name: string, timeout: Duration.DurationInput = "1 minute"): Service =>
  Runner.make<string, Failure, Refused>({
    deployment: name,
    model: "model",
    kind: "provisioned",
    target: name,
    timeout: Duration.decode(timeout),
    attributes: {},
    cutOff: (cut) => ({ ...failure(cut === "timeout" ? "next" : undefined), _tag: cut }),
    toError: (failure, history) =>
      new Refused({
        name,
        recovery: failure.recovery,
        retryAfter: failure.retryAfter,
        since: history.since,
        attempts: history.attempts.map((attempt) => `${attempt.deployment} ${attempt.outcome}`)
      })
  })

/** Uses a runner as one call, and says how it went besides. */
const use = <A>(runner: Service, f: (target: string) => Effect.Effect<A, Failure, Scope.Scope>) =>
  runner.execute(f).pipe(Effect.zip(Call.served(runner.primary)), Call.run({ name: "call", attributes: {} }))

describe("Runner", () => {
  it.effect("what an attempt acquires is released before the wait, if it fails, and at the end, if it answers", () =>
    Effect.gen(function* () {
      const log = yield* Ref.make<ReadonlyArray<string>>([])
      const note = (text: string) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => Ref.update(log, (all) => [...all, `${now} ${text}`]))
      const attempts = yield* Ref.make(0)
      const runner = pipe(leaf("a"), Runner.retry(RetryAfter.within("4 seconds")))
      const fiber = yield* Effect.fork(
        use(runner, () =>
          Effect.gen(function* () {
            const n = yield* Ref.updateAndGet(attempts, (n) => n + 1)
            yield* Effect.acquireRelease(note(`open ${n}`), () => note(`close ${n}`))
            if (n === 1) yield* Effect.fail(failure("retry", 1000))
            return n
          })
        ).pipe(Effect.zipLeft(note("answered")))
      )
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(fiber)

      assert.deepStrictEqual(yield* Ref.get(log), [
        "0 open 1",
        "0 close 1",
        "1000 open 2",
        "1000 close 2",
        "1000 answered"
      ])
    })
  )

  it.effect("three deep: each is asked once, the last error surfaces with the attempts of all", () =>
    Effect.gen(function* () {
      const chain = pipe(leaf("a"), Runner.orElse(leaf("b")), Runner.orElse(leaf("c")))
      const error = yield* Effect.flip(use(chain, () => Effect.fail(failure("next"))))

      assert.strictEqual(error.name, "c")
      assert.deepStrictEqual(error.attempts, ["a Refused", "b Refused", "c Refused"])
    })
  )

  it.effect("an error without recovery ends the chain at once", () =>
    Effect.gen(function* () {
      const chain = Runner.orElse(leaf("a"), leaf("b"))
      const error = yield* Effect.flip(use(chain, () => Effect.fail(failure())))

      assert.deepStrictEqual([error.name, error.attempts], ["a", ["a Refused"]])
    })
  )

  it.effect("a retry around a whole chain walks it again, and waits with its first deployment", () =>
    Effect.gen(function* () {
      const chain = pipe(leaf("a"), Runner.orElse(leaf("b")), Runner.retry(Schedule.recurs(1)))
      const fiber = yield* Effect.fork(Effect.flip(use(chain, () => Effect.fail(failure("retry", 700)))))
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(fiber)

      assert.deepStrictEqual(error.attempts, ["a Refused", "b Refused", "a Refused", "b Refused"])
    })
  )

  it.effect("defects and interruptions pass through, and are recorded as what they are", () =>
    Effect.gen(function* () {
      const runner = Runner.orElse(Runner.retry(leaf("a"), Schedule.forever), leaf("b"))
      const exit = yield* Effect.exit(use(runner, () => Effect.die("broken")))

      assert.isTrue(Exit.isFailure(exit) && exit.cause._tag === "Die")
    })
  )

  it.effect("what a fiber that outlives its call is answered with is released at once", () =>
    Effect.gen(function* () {
      const released = yield* Ref.make<ReadonlyArray<string>>([])
      const attempt = leaf("ptu").execute(() =>
        Effect.zipRight(
          Effect.addFinalizer(() => Ref.update(released, (all) => [...all, "released"])),
          Effect.sleep("1 second")
        )
      )
      const late = yield* Effect.forkDaemon(attempt).pipe(Call.run({ name: "call", attributes: {} }))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(late)

      assert.deepStrictEqual(yield* Ref.get(released), ["released"])
    })
  )

  it.effect("an error that cannot be made keeps nothing open", () =>
    Effect.gen(function* () {
      const released = yield* Ref.make(false)
      const ended: Array<string> = []
      const tracer = yield* Effect.tracer
      const recording = Tracer.make({
        context: (f, fiber) => tracer.context(f, fiber),
        span: (...args) => {
          const span = tracer.span(...args)
          const end = span.end.bind(span)
          span.end = (time, exit) => {
            ended.push(span.name)
            end(time, exit)
          }
          return span
        }
      })
      const broken = Runner.make<string, Failure, Refused>({
        deployment: "ptu",
        model: "model",
        kind: "provisioned",
        target: "ptu",
        timeout: Duration.minutes(1),
        attributes: {},
        cutOff: () => failure(),
        toError: () => {
          throw new Error("broken")
        }
      })
      const exit = yield* use(broken, () =>
        Effect.zipRight(
          Effect.addFinalizer(() => Ref.set(released, true)),
          Effect.fail(failure())
        )
      ).pipe(Effect.withTracer(recording), Effect.exit)

      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      assert.isTrue(yield* Ref.get(released))
      assert.deepStrictEqual(ended, ["attempt provisioned", "call"])
    })
  )

  it.effect("an attempt is cut off at its timeout, and the fallback gets a timeout of its own", () =>
    Effect.gen(function* () {
      const chain = Runner.orElse(leaf("a", "1 second"), leaf("b", "2 seconds"))
      const fiber = yield* Effect.fork(
        use(chain, (name) => (name === "a" ? Effect.never : Effect.delay(Effect.succeed(name), "1999 millis")))
      )
      yield* TestClock.adjust("2999 millis")
      const [name, served] = yield* Fiber.join(fiber)

      assert.strictEqual(name, "b")
      assert.deepStrictEqual(
        served.attempts.map(({ durationMs, outcome, startedMs }) => [outcome, startedMs, durationMs]),
        [
          ["timeout", 0, 1000],
          ["answered", 1000, 1999]
        ]
      )
    })
  )

  it.effect("reads the clock again after a sleep: a timer that fires early sends nothing early", () =>
    Effect.gen(function* () {
      // A clock whose sleeps end 1 ms early, as Node's timers may.
      let now = 0n
      const sleeps: Array<number> = []
      const early: Clock.Clock = {
        ...(yield* Effect.clock),
        unsafeCurrentTimeMillis: () => Number(now / 1_000_000n),
        unsafeCurrentTimeNanos: () => now,
        currentTimeMillis: Effect.sync(() => Number(now / 1_000_000n)),
        currentTimeNanos: Effect.sync(() => now),
        sleep: (duration) =>
          Effect.sync(() => {
            const millis = Duration.toMillis(duration)
            sleeps.push(millis)
            now += BigInt(Math.max(1, millis - 1)) * 1_000_000n
          })
      }
      const attempts: Array<bigint> = []
      const runner = pipe(leaf("a", Duration.infinity), Runner.retry(RetryAfter.within("4 seconds")))
      yield* use(runner, () =>
        Effect.suspend(() => {
          attempts.push(now)
          return attempts.length === 1 ? Effect.fail(failure("retry", 1000)) : Effect.void
        })
      ).pipe(Effect.withClock(early))

      assert.deepStrictEqual(attempts, [0n, 1_000_000_000n])
      assert.deepStrictEqual(sleeps, [1000, 1])
    })
  )

  it.effect("the wall clock may jump: waits and budgets do not care", () =>
    Effect.gen(function* () {
      const clock = yield* Effect.clock
      let jump = 0
      const jumping: Clock.Clock = {
        ...clock,
        sleep: (duration) => clock.sleep(duration),
        unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis() + jump,
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
        currentTimeMillis: Effect.sync(() => clock.unsafeCurrentTimeMillis() + jump),
        currentTimeNanos: clock.currentTimeNanos
      }
      const runner = pipe(leaf("a"), Runner.retry(RetryAfter.within("4 seconds")))
      const fiber = yield* Effect.fork(
        Effect.flip(
          use(runner, () =>
            Effect.suspend(() => {
              jump = jump === 0 ? 3_600_000 : -3_600_000
              return Effect.fail(failure("retry", 1500))
            })
          )
        ).pipe(Effect.withClock(jumping))
      )
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(fiber)

      assert.strictEqual(error.attempts.length, 3)
    })
  )

  it.effect.each(["call", "attempt provisioned", "wait"])(
    "a call that is interrupted as the span %s begins ends all its spans",
    (name) =>
      Effect.gen(function* () {
        const spans: Array<Tracer.Span> = []
        const native = yield* Effect.tracer
        const hasty = Tracer.make({
          context: (f, fiber) => native.context(f, fiber),
          span: (...args) => {
            const span = native.span(...args)
            spans.push(span)
            if (args[0] === name) {
              const self = Option.getOrThrow(Fiber.getCurrentFiber())
              self.unsafeInterruptAsFork(self.id())
            }
            return span
          }
        })
        const runner = pipe(leaf("a"), Runner.retry(RetryAfter.within("4 seconds")))
        const fiber = yield* Effect.fork(
          use(runner, () => Effect.fail(failure("retry", 3000))).pipe(Effect.withTracer(hasty))
        )
        yield* TestClock.adjust("10 seconds")

        assert.isTrue(Exit.isInterrupted(yield* Fiber.await(fiber)))
        assert.isTrue(spans.some((span) => span.name === name))
        assert.deepStrictEqual(
          spans.filter(({ status }) => status._tag !== "Ended").map((span) => span.name),
          []
        )
      })
  )

  it.effect("a finalizer that throws keeps neither the others nor the caller's context from what they are due", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const log: Array<string> = []
      const native = yield* Effect.tracer
      const recording = Tracer.make({
        context: (f, fiber) => native.context(f, fiber),
        span: (...args) => {
          const span = native.span(...args)
          spans.push(span)
          return span
        }
      })
      const adding = Effect.flatMap(Call.Call, (call) =>
        Effect.zipRight(
          call.addFinalizer(() => Effect.sync(() => void log.push("other"))),
          call.addFinalizer(() => {
            throw new Error("broken")
          })
        )
      )
      const inside = yield* Call.run(adding, { name: "call", attributes: {} }).pipe(
        Effect.exit,
        Effect.zipRight(
          Effect.contextWith((context: Context.Context<never>) => Option.isSome(Context.getOption(context, Call.Call)))
        ),
        Effect.withTracer(recording)
      )

      assert.isFalse(inside)
      assert.deepStrictEqual(log, ["other"])
      assert.deepStrictEqual(
        spans.map(({ status }) => status._tag),
        ["Ended"]
      )
    })
  )

  it.effect("settings nest: the innermost wins, the others stay", () =>
    Effect.gen(function* () {
      const settings = Effect.map(CallSettings.CallSettings, ({ deadline, maxWait }) =>
        [maxWait, deadline].map((setting) => Option.getOrUndefined(Option.map(setting, Duration.toMillis)))
      )
      const found = yield* settings.pipe(
        CallSettings.withMaxWait("1 second"),
        CallSettings.withDeadline("5 seconds"),
        CallSettings.withMaxWait("9 seconds")
      )

      assert.deepStrictEqual(found, [1000, 5000])
      assert.deepStrictEqual(yield* settings, [undefined, undefined])
    })
  )
})
