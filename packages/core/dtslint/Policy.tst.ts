import type { Call, CallSettings, Recovery, Runner } from "@spillway/core"
import { Fallback, CallSettings as Settings, RetryAfter, Runner as R } from "@spillway/core"
import type { Duration } from "effect"
import { Effect, pipe, Schedule } from "effect"
import { describe, expect, test } from "tstyche"

interface Throttled extends Recovery.Retryable {
  readonly _tag: "Throttled"
}
interface TooLong extends Recovery.Recoverable {
  readonly _tag: "TooLong"
}
interface Rejected {
  readonly _tag: "Rejected"
}
interface Service {
  readonly service: unique symbol
}

declare const ask: Effect.Effect<string, Throttled | TooLong | Rejected, Service>
declare const elsewhere: Effect.Effect<number, "no luck", Call.Call>
declare const first: Runner.Runner<"target", "failure", Throttled | TooLong | Rejected>
declare const second: Runner.Runner<"target", "failure", Throttled | TooLong | Rejected>

describe("Schedules", () => {
  test("take any input and give the wait", () => {
    expect(RetryAfter.within("4 seconds")).type.toBe<Schedule.Schedule<Duration.Duration>>()
    expect(RetryAfter.retries(2)).type.toBe<Schedule.Schedule<Duration.Duration>>()
    expect(RetryAfter.retries(2, { cap: "1 minute" })).type.toBe<Schedule.Schedule<Duration.Duration>>()
  })

  test("compose unannotated", () => {
    const composed = RetryAfter.within("4 seconds", Schedule.exponential("10 millis")).pipe(
      Schedule.intersect(Schedule.recurs(3)),
      Schedule.whileInput((error: Throttled) => error.throttled),
      RetryAfter.floor
    )
    expect(composed).type.toBe<Schedule.Schedule<[Duration.Duration, number], Throttled>>()
  })

  test("under Effect.retry leave A, E and R alone", () => {
    expect(Effect.retry(ask, RetryAfter.within("4 seconds"))).type.toBe<
      Effect.Effect<string, Throttled | TooLong | Rejected, Service>
    >()
  })
})

describe("Fallback.orElse", () => {
  test("removes what is recoverable, keeps the rest, sees the exact union", () => {
    const dataLast = ask.pipe(
      Fallback.orElse((error) => {
        expect(error).type.toBe<Throttled | TooLong>()
        return elsewhere
      })
    )
    expect(dataLast).type.toBe<Effect.Effect<string | number, Rejected | "no luck", Service | Call.Call>>()
    expect(Fallback.orElse(ask, () => elsewhere)).type.toBe<
      Effect.Effect<string | number, Rejected | "no luck", Service | Call.Call>
    >()
  })
})

describe("Runner", () => {
  test("retry, both ways, sees only what may be retried", () => {
    expect(R.retry(first, RetryAfter.within("4 seconds"))).type.toBe<typeof first>()
    expect(pipe(first, R.retry(RetryAfter.within("4 seconds")))).type.toBe<typeof first>()
    const onThrottle = Schedule.forever.pipe(Schedule.whileInput((error: Throttled) => error.throttled))
    expect(R.retry(first, onThrottle)).type.toBe<typeof first>()
    const onReject = Schedule.forever.pipe(Schedule.whileInput((error: Rejected) => error._tag === "Rejected"))
    expect(R.retry).type.not.toBeCallableWith(first, onReject)
  })

  test("orElse, both ways", () => {
    expect(R.orElse(first, second)).type.toBe<typeof first>()
    expect(pipe(first, R.orElse(second, { when: (error) => error._tag === "Rejected" }))).type.toBe<typeof first>()
  })

  test("needs a Call, and no Scope: an attempt brings its own", () => {
    const use = (_: "target"): Effect.Effect<boolean, "failure", Service> => Effect.succeed(true)
    expect(first.execute(use)).type.toBe<Effect.Effect<boolean, Throttled | TooLong | Rejected, Service | Call.Call>>()
  })
})

describe("CallSettings", () => {
  test("withMaxWait and withDeadline, both ways, leave A, E and R alone", () => {
    expect(ask.pipe(Settings.withMaxWait("1 second"))).type.toBe<typeof ask>()
    expect(Settings.withMaxWait(ask, "1 second")).type.toBe<typeof ask>()
    expect(ask.pipe(Settings.withDeadline("1 second"))).type.toBe<typeof ask>()
    expect(Settings.withDeadline(ask, "1 second")).type.toBe<typeof ask>()
  })

  test("need not be provided", () => {
    expect(Settings.CallSettings).type.toBeAssignableTo<Effect.Effect<CallSettings.Settings>>()
  })
})
