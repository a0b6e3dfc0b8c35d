import { HttpClient } from "@effect/platform"
import { Admission, AzureOpenAI, Deployment } from "@spillway/azure-openai"
import type { Gate } from "@spillway/core"
import { RetryAfter } from "@spillway/core"
import { Deferred, Effect, Exit, FiberId, Layer, Logger, LogLevel, Redacted, Stream } from "effect"
import type { Fiber } from "effect"
import { assert, describe, it } from "vitest"
import { recorder } from "../support/spans.js"
import type { Reply } from "./support/server.js"
import { events, json, serve, throttled } from "./support/server.js"
import { World } from "./support/world.js"

const options = (deployment: string): Deployment.Options => ({
  deployment,
  model: "gpt-4o",
  endpoint: "http://memory.local",
  apiKey: Redacted.make("key"),
  timeout: "2 seconds"
})

const answer = {
  id: "1",
  choices: [{ index: 0, message: { role: "assistant", content: "hi" } }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
}
const chunk = (delta: Record<string, unknown>, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: "1", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
const chunks = [
  chunk({ role: "assistant" }),
  chunk({ content: "h" }),
  chunk({ content: "i" }),
  chunk({}, "stop"),
  "data: [DONE]\n\n"
]
const response = {
  id: "r",
  object: "response",
  status: "completed",
  model: "gpt-4o",
  output: [],
  usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2 }
}
const named = (type: string, more: Record<string, unknown>): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
const throttledInStream = events([
  named("error", { error: { type: "too_many_requests", code: "rate_limit_exceeded" } })
])
const responseEvents = [
  named("response.created", { response: { ...response, status: "in_progress" } }),
  named("response.output_text.delta", { item_id: "m", output_index: 0, content_index: 0, delta: "hi" }),
  named("response.completed", { response })
]

const messages = [{ role: "user" as const, content: "victim" }]
interface Operation {
  readonly name: string
  readonly run: Effect.Effect<unknown, unknown, Deployment.Deployment>
  readonly answers: Reply
  readonly ptu: ReadonlyArray<Reply>
}
const operations: ReadonlyArray<Operation> = [
  {
    name: "chat",
    run: AzureOpenAI.chat({ messages, max_tokens: 20 }),
    answers: json(200, answer),
    ptu: [throttled(60), throttled(5000)]
  },
  {
    name: "chatStream",
    run: Stream.runDrain(AzureOpenAI.chatStream({ messages, max_tokens: 20 })),
    answers: events(chunks),
    ptu: [throttled(60), events([chunk({ role: "assistant" })])]
  },
  {
    name: "createResponse",
    run: AzureOpenAI.createResponse({ input: "victim", store: false, max_output_tokens: 20 }),
    answers: json(200, response),
    ptu: [throttled(60), throttled(5000)]
  },
  {
    name: "responseStream",
    run: Stream.runDrain(AzureOpenAI.responseStream({ input: "victim", store: false, max_output_tokens: 20 })),
    answers: events(responseEvents),
    ptu: [throttledInStream, throttled(5000)]
  }
]

/** A call whose request is in flight when the other arrives. */
const holding = AzureOpenAI.chat({ messages: [{ role: "user", content: "holder" }], max_tokens: 20 })

const policy = Deployment.provisioned(options("ptu")).pipe(
  Deployment.retry(RetryAfter.within("1 second")),
  Deployment.orElse(Deployment.standard(options("std")).pipe(Deployment.retry(RetryAfter.retries(2))))
)
const admission = Admission.layer({ ptus: 1, inputTokensPerMinutePerPtu: 60_000, burstMs: 0, size: "exact" })

/**
 * A call that waits for its turn at the gate, is throttled, waits, fails again, falls back, waits there and is answered;
 * interrupted before operation `at` of all fibers, counted from its arrival, if it lasts that long. The whole world is made anew for it.
 */
const play = async ({ answers, ptu, run }: Operation, at: number) => {
  const world = new World()
  const { client, open, received } = serve(world, {
    ptu: [json(200, answer), ...ptu, json(200, answer)],
    std: [json(503, {}), answers]
  })
  const { layer: tracer, spans } = await Effect.runPromise(recorder)
  const started = await Effect.runPromise(Deferred.make<Started>())
  const main = world.fork(
    Effect.gen(function* () {
      const gates = yield* Admission.Admission
      const gate = yield* gates.admit({ endpoint: new URL("http://memory.local"), deployment: "ptu", model: "gpt-4o" })
      const holder = yield* Effect.fork(Effect.exit(holding))
      yield* Effect.sleep(1)
      const victim = yield* Effect.fork(run)
      yield* Deferred.succeed(started, { holder, victim, gate: gate.controller.snapshot })
      return yield* Effect.never
    }).pipe(
      Effect.provide(
        Layer.orDie(Layer.provideMerge(policy, admission)).pipe(
          Layer.provide(Layer.succeed(HttpClient.HttpClient, client)),
          Layer.provideMerge(tracer),
          Layer.provideMerge(Logger.minimumLogLevel(LogLevel.None))
        )
      )
    )
  )
  let found: Started | undefined
  const finding = world.fork(
    Effect.map(Deferred.await(started), (all) => {
      found = all
      all.victim.addObserver(() => (endedAt = world.now))
    })
  )
  let steps = 0
  let interruptedAt: number | undefined
  let endedAt: number | undefined
  let sentAtInterruption = 0
  let late = 0
  world.onOperation = () => {
    if (found === undefined || endedAt !== undefined) return
    if (steps++ !== at) return
    interruptedAt = world.now
    sentAtInterruption = received.length
    found.victim.unsafeInterruptAsFork(FiberId.none)
  }
  await world.until(finding)
  assert.isDefined(found)
  const { gate, holder, victim } = found
  const exit = await world.until(victim)
  const total = steps
  const held = await world.until(holder)
  await world.settle()
  const where = `${at} of ${total}`

  assert.isDefined(exit, `${where}: the call ended`)
  assert.isTrue(
    held !== undefined && Exit.isSuccess(held) && Exit.isSuccess(held.value),
    `${where}: the other call is answered`
  )
  assert.deepStrictEqual([...open], [], `${where}: no request in flight`)
  assert.strictEqual(world.timers.size, 0, `${where}: no timer left`)
  const snapshot = await Effect.runPromise(Effect.withClock(gate, world))
  assert.deepStrictEqual([snapshot.waiting, snapshot.inFlight], [0, 0], `${where}: no place in line, no turn taken`)
  assert.deepStrictEqual(
    spans.filter(({ end }) => end === undefined).map(({ name }) => name),
    [],
    `${where}: every span has ended`
  )
  if (interruptedAt === undefined) {
    assert.isTrue(Exit.isSuccess(exit), `${where}: answered`)
  } else {
    assert.strictEqual(endedAt, interruptedAt, `${where}: at once`)
    // One at the same instant may be: a turn that was taken is no longer given back. It was cancelled, for none is open.
    const mine = received.slice(sentAtInterruption).filter(({ body }) => body.includes("victim"))
    assert.isAtMost(mine.length, 1, `${where}: nothing is sent afterwards`)
    assert.isTrue(
      mine.every(({ at }) => at === interruptedAt),
      `${where}: nothing is sent afterwards`
    )
    if (mine.length > 0) late++
    // What is done is done: an interruption in the last steps finds the answer there.
    assert.isTrue(Exit.isSuccess(exit) || Exit.isInterrupted(exit), `${where}: ${String(exit)}`)
  }
  main.unsafeInterruptAsFork(FiberId.none)
  assert.isDefined(await world.until(main), `${where}: everything is released`)
  assert.strictEqual(world.timers.size, 0)
  return { total, exit, requests: received.length, late }
}

interface Started {
  readonly holder: Fiber.RuntimeFiber<Exit.Exit<unknown, unknown>>
  readonly victim: Fiber.RuntimeFiber<unknown, unknown>
  readonly gate: Effect.Effect<Gate.Snapshot>
}

// Every operation in the suite of faults; in the tests of every day some of them, a prime apart.
const stride = Number(process.env["INTERRUPTION_STRIDE"] ?? 499)

describe("interruption before every operation of a call leaves nothing behind", () => {
  for (const operation of operations) {
    it(operation.name, { timeout: 600_000 }, async () => {
      const whole = await play(operation, Infinity)
      assert.strictEqual(whole.requests, 5)
      let interrupted = 0
      let late = 0
      for (let at = 0; at < whole.total; at += stride) {
        const played = await play(operation, at)
        if (Exit.isInterrupted(played.exit)) interrupted++
        late += played.late
      }
      process.stdout.write(
        `interruption ${operation.name}: ${whole.total} operations, ${interrupted} of ${Math.ceil(whole.total / stride)} calls interrupted, in ${late} of them a request began at that instant and was cancelled\n`
      )
      assert.isAbove(interrupted, (0.9 * whole.total) / stride)
    })
  }
})
