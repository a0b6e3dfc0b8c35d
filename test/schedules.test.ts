import { assert, describe, it } from "@effect/vitest"
import { RetryAfter } from "@spillway/core"
import type { CallError } from "@spillway/azure-openai"
import { AzureOpenAI, Deployment } from "@spillway/azure-openai"
import { ErrorReply, Script } from "@spillway/emulator"
import { Context, Effect, Layer, Random, Ref, Schedule } from "effect"
import { at, hello, inProcess, inVirtualTime, sent } from "./support/scenario.js"

type Retried = CallError.RateLimited | CallError.Unavailable

const ptu = Layer.orDie(Deployment.provisioned(at("ptu")))

const chatWith = (schedule: Schedule.Schedule<unknown, Retried>) =>
  AzureOpenAI.chat(hello).pipe(Effect.provide(ptu.pipe(Deployment.retry(schedule))), Effect.either)

/** Schedules a user may write, unannotated, and the times of the requests they lead to. */
const schedules: ReadonlyArray<{
  readonly name: string
  readonly schedule: Schedule.Schedule<unknown, Retried>
  readonly times: ReadonlyArray<number>
}> = [
  { name: "recurs(2)", schedule: Schedule.recurs(2), times: [0, 300, 600] },
  {
    name: "spaced, shorter than the hint",
    schedule: Schedule.spaced("10 millis").pipe(Schedule.intersect(Schedule.recurs(2))),
    times: [0, 300, 600]
  },
  {
    name: "spaced, longer than the hint",
    schedule: Schedule.spaced("500 millis").pipe(Schedule.intersect(Schedule.recurs(2))),
    times: [0, 500, 1000]
  },
  {
    name: "exponential from below the hint to above it",
    schedule: Schedule.exponential("200 millis").pipe(Schedule.intersect(Schedule.recurs(3))),
    times: [0, 300, 700, 1500]
  },
  {
    name: "within, in union with a faster one",
    schedule: RetryAfter.within("1 second").pipe(
      Schedule.union(Schedule.spaced("1 millis")),
      Schedule.intersect(Schedule.recurs(3))
    ),
    times: [0, 300, 600, 900]
  },
  {
    name: "within, intersected with recurs",
    schedule: RetryAfter.within("10 seconds").pipe(Schedule.intersect(Schedule.recurs(1))),
    times: [0, 300]
  },
  {
    name: "whileInput on the exact errors",
    schedule: Schedule.forever.pipe(Schedule.whileInput((error: Retried) => error.attempts.length < 4)),
    times: [0, 300, 600, 900]
  },
  {
    name: "retries, then jittered: the floor stays",
    schedule: RetryAfter.retries(2).pipe(Schedule.jitteredWith({ min: 0.1, max: 0.5 })),
    times: [0, 300, 600]
  },
  {
    name: "within, with a base that is longer",
    schedule: RetryAfter.within("1 second", Schedule.spaced("400 millis")),
    times: [0, 400, 800]
  },
  {
    name: "within, with a base that ends",
    schedule: RetryAfter.within("10 seconds", Schedule.recurs(1)),
    times: [0, 300]
  }
]

describe("a Schedule of the user's own under Deployment.retry", () => {
  it.effect.each([...schedules])("$name: never before the hint", ({ schedule, times }) =>
    Effect.gen(function* () {
      yield* inVirtualTime(chatWith(schedule))

      assert.deepStrictEqual(
        (yield* sent).map(([, time]) => time),
        times
      )
    }).pipe(Effect.provide(inProcess(Script.make({ ptu: [Script.forever(Script.throttled({ retryAfterMs: 300 }))] }))))
  )

  it.effect("jitter above the hint is kept, below it is cut", () =>
    Effect.gen(function* () {
      const schedule = Schedule.spaced("300 millis").pipe(Schedule.jittered, Schedule.intersect(Schedule.recurs(20)))
      yield* inVirtualTime(chatWith(schedule).pipe(Effect.withRandom(Random.make("jitter"))))
      const times = (yield* sent).map(([, time]) => time)
      const waits = times.slice(1).map((time, i) => time - (times[i] ?? 0))

      assert.strictEqual(waits.length, 20)
      for (const wait of waits) assert.isTrue(wait >= 300 && wait <= 360, `${wait}`)
      assert.isTrue(waits.some((wait) => wait === 300) && waits.some((wait) => wait > 300))
    }).pipe(Effect.provide(inProcess(Script.make({ ptu: [Script.forever(Script.throttled({ retryAfterMs: 300 }))] }))))
  )

  it.effect.each([
    {
      name: "a bad request",
      step: Script.reply({ status: 400, body: { error: { code: "invalid_value", param: "messages" } } })
    },
    { name: "a wrong key", step: Script.error(ErrorReply.invalidKey) },
    { name: "a body that is not JSON", step: Script.reply({ body: "<html>" }) }
  ])("never retries $name, whatever the Schedule", ({ step }) =>
    Effect.gen(function* () {
      yield* inVirtualTime(chatWith(Schedule.forever))

      assert.strictEqual((yield* sent).length, 1)
    }).pipe(Effect.provide(inProcess(Script.make({ ptu: [Script.forever(step)] }))))
  )

  it.effect("a fault is retried as the Schedule says, without a floor", () =>
    Effect.gen(function* () {
      yield* inVirtualTime(chatWith(Schedule.recurs(2)))

      assert.deepStrictEqual(yield* sent, [
        ["ptu", 0],
        ["ptu", 0],
        ["ptu", 0]
      ])
    }).pipe(
      Effect.provide(inProcess(Script.make({ ptu: [Script.forever(Script.error(ErrorReply.internalServerError))] })))
    )
  )

  it.effect("one Schedule serves concurrent calls, each with a budget of its own", () =>
    Effect.gen(function* () {
      const chat = ptu.pipe(Deployment.retry(RetryAfter.within("1 second")))
      const calls = Effect.forEach(
        [0, 400, 800],
        (delay) => Effect.delay(Effect.flip(AzureOpenAI.chat(hello)), delay),
        {
          concurrency: "unbounded"
        }
      ).pipe(Effect.provide(chat))
      const errors = yield* inVirtualTime(calls)

      assert.deepStrictEqual(
        errors.map((error) => error.attempts.map((attempt) => attempt.startedMs)),
        [
          [0, 400, 800],
          [0, 400, 800],
          [0, 400, 800]
        ]
      )
    }).pipe(Effect.provide(inProcess(Script.make({ ptu: [Script.forever(Script.throttled({ retryAfterMs: 400 }))] }))))
  )

  it.effect("what the Schedule requires is provided when the Layer is built", () =>
    Effect.gen(function* () {
      class Allowed extends Context.Tag("Allowed")<Allowed, Ref.Ref<number>>() {}
      const schedule = Schedule.forever.pipe(
        Schedule.whileInputEffect((_: Retried) =>
          Effect.flatMap(Allowed, (allowed) => Ref.modify(allowed, (left) => [left > 0, left - 1]))
        )
      )
      const chat = ptu.pipe(Deployment.retry(schedule), Layer.provide(Layer.effect(Allowed, Ref.make(2))))
      yield* inVirtualTime(AzureOpenAI.chat(hello).pipe(Effect.provide(chat), Effect.either))

      assert.strictEqual((yield* sent).length, 3)
    }).pipe(Effect.provide(inProcess(Script.make({ ptu: [Script.forever(Script.throttled({ retryAfterMs: 10 }))] }))))
  )
})

/** What looks like the right word, compiles, and does something else. Each row of the README's table is one of these. */
describe("look-alikes", () => {
  const throttledOnce = inProcess(
    Script.make({ ptu: [Script.throttled({ retryAfterMs: 1000 }), Script.answer()], std: [Script.answer()] })
  )
  const std = Layer.orDie(Deployment.standard(at("std")))

  it.effect("Layer.retry retries building the Layer: a throttle is not retried", () =>
    Effect.gen(function* () {
      const chat = ptu.pipe(Layer.retry(RetryAfter.within("4 seconds")))
      const error = yield* inVirtualTime(Effect.flip(AzureOpenAI.chat(hello)).pipe(Effect.provide(chat)))

      assert.strictEqual(error._tag, "RateLimited")
      assert.strictEqual((yield* sent).length, 1)
    }).pipe(Effect.provide(throttledOnce))
  )

  it.effect("Layer.orElse is for a Layer that cannot be built: a throttle does not fall back", () =>
    Effect.gen(function* () {
      const chat = ptu.pipe(Layer.orElse(() => std))
      const error = yield* inVirtualTime(Effect.flip(AzureOpenAI.chat(hello)).pipe(Effect.provide(chat)))

      assert.strictEqual(error._tag, "RateLimited")
      assert.deepStrictEqual(yield* sent, [["ptu", 0]])
    }).pipe(Effect.provide(throttledOnce))
  )

  it.effect("Layer.merge keeps the last deployment only", () =>
    Effect.gen(function* () {
      const answer = yield* inVirtualTime(AzureOpenAI.chat(hello).pipe(Effect.provide(Layer.merge(ptu, std))))

      assert.strictEqual(answer.served.deployment, "std")
      assert.deepStrictEqual(yield* sent, [["std", 0]])
    }).pipe(Effect.provide(throttledOnce))
  )

  it.effect("Effect.retry(Schedule.recurs) comes back at once, however long the hint", () =>
    Effect.gen(function* () {
      yield* inVirtualTime(AzureOpenAI.chat(hello).pipe(Effect.provide(ptu), Effect.retry(Schedule.recurs(5))))

      assert.deepStrictEqual(yield* sent, [
        ["ptu", 0],
        ["ptu", 0]
      ])
    }).pipe(Effect.provide(throttledOnce))
  )

  it.effect("Effect.retry(Schedule.recurs) retries what can never succeed", () =>
    Effect.gen(function* () {
      const chat = AzureOpenAI.chat(hello).pipe(Effect.provide(ptu))
      yield* inVirtualTime(Effect.flip(Effect.retry(chat, Schedule.recurs(5))))

      assert.strictEqual((yield* sent).length, 6)
    }).pipe(Effect.provide(inProcess(Script.make({ ptu: [Script.forever(Script.error(ErrorReply.invalidKey))] }))))
  )

  it.effect("Effect.orElse sends a rejected request a second time, and pays for it", () =>
    Effect.gen(function* () {
      const ask = (deployment: Layer.Layer<Deployment.Deployment, never, never>) =>
        AzureOpenAI.chat(hello).pipe(Effect.provide(deployment))
      const client = yield* Effect.context<Layer.Layer.Context<typeof ptu>>()
      const on = (deployment: typeof ptu) => ask(Layer.provide(deployment, Layer.succeedContext(client)))
      yield* on(ptu).pipe(Effect.orElse(() => on(std)))

      assert.deepStrictEqual(yield* sent, [
        ["ptu", 0],
        ["std", 0]
      ])
    }).pipe(
      Effect.provide(
        inProcess(Script.make({ ptu: [Script.error(ErrorReply.contentFiltered)], std: [Script.answer()] }))
      )
    )
  )

  it.effect("jittered after within undercuts the hint under plain Effect.retry; floor, put last, repairs it", () =>
    Effect.gen(function* () {
      const jittered = RetryAfter.within("4 seconds").pipe(Schedule.jitteredWith({ min: 0.5, max: 0.5 }))
      const ask = AzureOpenAI.chat(hello).pipe(Effect.provide(ptu))
      const early = yield* inVirtualTime(Effect.zipRight(Effect.retry(ask, jittered), sent))

      assert.deepStrictEqual(early, [
        ["ptu", 0],
        ["ptu", 500]
      ])
    }).pipe(Effect.provide(throttledOnce))
  )

  it.effect("floor, put last under plain Effect.retry, waits the hint", () =>
    Effect.gen(function* () {
      const schedule = Schedule.spaced("10 millis").pipe(Schedule.jittered, RetryAfter.floor)
      yield* inVirtualTime(AzureOpenAI.chat(hello).pipe(Effect.provide(ptu), Effect.retry(schedule)))

      assert.deepStrictEqual(yield* sent, [
        ["ptu", 0],
        ["ptu", 1000]
      ])
    }).pipe(Effect.provide(throttledOnce))
  )

  it.effect("Schedule.upTo counts from the first failure: a slow first request overspends the budget", () =>
    Effect.gen(function* () {
      const schedule = Schedule.spaced("1 second").pipe(Schedule.upTo("2 seconds"))
      yield* inVirtualTime(Effect.either(AzureOpenAI.chat(hello).pipe(Effect.provide(ptu), Effect.retry(schedule))))
      const last = (yield* sent).at(-1)

      assert.isAbove(last?.[1] ?? 0, 2000)
    }).pipe(
      Effect.provide(
        inProcess(Script.make({ ptu: [Script.forever(Script.throttled({ retryAfterMs: 1000, after: 900 }))] }))
      )
    )
  )
})
