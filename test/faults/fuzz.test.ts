import { HttpClient } from "@effect/platform"
import { AzureOpenAI, ChatStream, Deployment, Reply, Sse } from "@spillway/azure-openai"
import { CallSettings, RetryAfter } from "@spillway/core"
import { Cause, Duration, Effect, Exit, Layer, Logger, LogLevel, Option, Redacted, Stream } from "effect"
import * as fc from "fast-check"
import { afterAll, assert, describe, it } from "vitest"
import type * as Server from "./support/server.js"
import { serve } from "./support/server.js"
import { World } from "./support/world.js"

// `FUZZ_RUNS`: how many inputs in all; the tests of every day take the same few. `FUZZ_SEED` repeats a run, as its output says.
const inputs = Number(process.env["FUZZ_RUNS"] ?? 1000)
const seed = Number(process.env["FUZZ_SEED"] ?? (process.env["FUZZ_RUNS"] === undefined ? 1 : Date.now() % 2 ** 31))
const share = (part: number): { readonly numRuns: number; readonly seed: number } => ({
  numRuns: Math.ceil(inputs * part),
  seed
})

let played = 0
const unhandled: Array<unknown> = []
const note = (reason: unknown): void => void unhandled.push(reason)
process.on("unhandledRejection", note)
afterAll(() => {
  process.off("unhandledRejection", note)
  process.stdout.write(`fuzz: ${played} inputs, FUZZ_SEED=${seed}, ${unhandled.length} unhandled rejections\n`)
  assert.deepStrictEqual(unhandled, [])
})

const now = Date.UTC(2026, 10, 22, 12)

/** Written as servers write it, and what is left of it by RFC 9110: milliseconds, or nothing. */
interface Hint {
  readonly value: string
  /** A date's own instant, in milliseconds from `now`: what is left of it becomes less. */
  readonly until?: number
  readonly millis: number | undefined
}
const amounts = (unit: number): fc.Arbitrary<Hint> =>
  fc.oneof(
    fc.integer({ min: 1, max: 6000 }).map((n) => ({ value: String(n), millis: n * unit })),
    fc.tuple(fc.nat(5000), fc.integer({ min: 1, max: 999 })).map(([whole, part]) => {
      const thousandths = whole * 1000 + part
      return { value: `${whole}.${String(part).padStart(3, "0")}`, millis: Math.ceil((thousandths * unit) / 1000) }
    }),
    fc
      .tuple(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 5000 }))
      .map(([a, b]) => ({ value: `${a}, ${b}`, millis: Math.max(a, b) * unit })),
    fc.constantFrom("1".padEnd(300, "0"), "9".repeat(20)).map((value) => ({ value, millis: Infinity })),
    fc
      .constantFrom(
        "0",
        "-1",
        "-0.5",
        "NaN",
        "Infinity",
        "",
        " ",
        "soon",
        "1e3",
        "0x10",
        "1_000",
        "+5",
        "5ms",
        "0.0",
        "١",
        "1 2"
      )
      .map((value) => ({ value, millis: undefined })),
    fc
      .string({ maxLength: 12 })
      .filter((text) => !/[0-9]/.test(text))
      .map((value) => ({ value, millis: undefined }))
  )
const dates: fc.Arbitrary<Hint> = fc.integer({ min: -3600, max: 3600 }).map((seconds) => ({
  value: new Date(now + seconds * 1000).toUTCString(),
  until: seconds * 1000,
  millis: seconds > 0 ? seconds * 1000 : undefined
}))
const hints = fc.record(
  { "retry-after-ms": amounts(1), "x-ms-retry-after-ms": amounts(1), "retry-after": fc.oneof(amounts(1000), dates) },
  { requiredKeys: [] }
)
type Hints = typeof hints extends fc.Arbitrary<infer A> ? A : never

const names = ["retry-after-ms", "x-ms-retry-after-ms", "retry-after"] as const
const expectedHint = (all: Hints, at = 0): number | undefined => {
  for (const name of names) {
    const hint = all[name]
    const left = hint?.until === undefined ? hint?.millis : hint.until - at
    const millis = left === undefined || left > 0 ? left : undefined
    if (millis !== undefined) return millis
  }
  return undefined
}
const textOf = (all: Hints): Record<string, string> =>
  Object.fromEntries(Object.entries(all).map(([name, hint]) => [name, hint.value]))

describe("fuzz", () => {
  it("hints in headers are read as the RFC says", { timeout: 600_000 }, () => {
    fc.assert(
      fc.property(hints, (all) => {
        played++
        const read = Option.getOrUndefined(Option.map(RetryAfter.fromHeaders(textOf(all), now), Duration.toMillis))
        const expected = expectedHint(all)
        if (expected === Infinity) assert.isAbove(read ?? 0, 365 * 86_400_000)
        else assert.strictEqual(read, expected)
      }),
      share(0.3)
    )
  })

  it("any header whatever gives a hint above 0, or none", { timeout: 600_000 }, () => {
    const any = fc.dictionary(
      fc.constantFrom(...names),
      fc.oneof(fc.fullUnicodeString(), fc.double().map(String), fc.date().map(String))
    )
    fc.assert(
      fc.property(any, (headers) => {
        played++
        const hint = RetryAfter.fromHeaders(headers, now)
        assert.isTrue(
          Option.isNone(hint) ||
            (Number.isSafeInteger(Duration.toMillis(hint.value)) && Duration.toMillis(hint.value) > 0)
        )
      }),
      share(0.1)
    )
  })

  it("events are the same however their bytes are cut", { timeout: 600_000 }, () => {
    const lines = fc.array(
      fc.oneof(
        fc.constantFrom(
          "data: a",
          "data:b",
          "data",
          "event: x",
          "event:",
          ": comment",
          "id: 1",
          "retry: 5",
          "",
          "",
          "data: \u00e4\ud83d\ude00",
          "\ufeffdata: x"
        ),
        fc.fullUnicodeString({ maxLength: 8 }).map((text) => text.replace(/[\r\n]/g, ""))
      ),
      { maxLength: 30 }
    )
    fc.assert(
      fc.property(
        lines,
        fc.array(fc.constantFrom("\n", "\r", "\r\n"), { minLength: 30, maxLength: 30 }),
        fc.array(fc.nat(9), { maxLength: 20 }),
        fc.boolean(),
        (lines, ends, cuts, bom) => {
          played++
          const wire = (bom ? "\ufeff" : "") + lines.map((line, i) => line + (ends[i] ?? "\n")).join("")
          const bytes = new TextEncoder().encode(wire)
          const parser = Sse.parser(1e6)
          const read: Array<Sse.Event> = []
          let from = 0
          for (const cut of cuts) {
            read.push(...parser.feed(bytes.slice(from, from + cut)))
            from += cut
          }
          read.push(...parser.feed(bytes.slice(from)))
          assert.deepStrictEqual(read, eventsOf(wire.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n")))
        }
      ),
      share(0.25)
    )
  })

  it("refusals are what their status says, whatever their body", { timeout: 600_000 }, () => {
    const words = fc.constantFrom(
      "content_filter",
      "context_length_exceeded",
      "429",
      "DeploymentNotFound",
      "rate limit",
      null,
      1
    )
    const error = fc.record({
      code: words,
      type: words,
      message: words,
      param: words,
      innererror: fc.jsonValue(),
      headers: fc.jsonValue()
    })
    const body = fc.oneof(
      fc.string(),
      fc.json(),
      error.map((error) => JSON.stringify({ error })),
      error.map((error) => JSON.stringify(error).slice(0, -3))
    )
    fc.assert(
      fc.property(
        statuses,
        hints,
        body,
        fc.constantFrom("provisioned" as const, "standard" as const),
        (status, all, body, kind) => {
          played++
          const { _tag, retryAfter } = Reply.classify({
            status,
            headers: textOf(all),
            body,
            kind,
            model: "gpt-4o",
            now
          })
          if (status >= 300) assert.include(refusals(status), _tag)
          const read = Option.getOrUndefined(Option.map(retryAfter, Duration.toMillis))
          const expected = expectedHint(all)
          if (status === 429)
            assert.isTrue(expected === Infinity ? read !== undefined && read > 1e9 : read === expected)
        }
      ),
      share(0.29)
    )
  })

  it(
    "calls, whatever two servers reply: no defect, no hang, no wait too short or too long",
    { timeout: 1_200_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(reply(false), { minLength: 1, maxLength: 6 }),
          fc.array(reply(false), { minLength: 1, maxLength: 4 }),
          fc.constantFrom(0, 300, 2000),
          fc.option(fc.integer({ min: 1, max: 4000 }), { nil: undefined }),
          (ptu, std, maxWait, deadline) => playCall({ ptu, std, maxWait, deadline, stream: false })
        ),
        share(0.04)
      )
    }
  )

  it(
    "streams, whatever two servers reply: no text twice, nothing asked again once output began",
    { timeout: 1_200_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(reply(true), { minLength: 1, maxLength: 4 }),
          fc.array(reply(true), { minLength: 1, maxLength: 3 }),
          fc.constantFrom(0, 300, 2000),
          fc.option(fc.integer({ min: 1, max: 4000 }), { nil: undefined }),
          (ptu, std, maxWait, deadline) => playCall({ ptu, std, maxWait, deadline, stream: true })
        ),
        share(0.02)
      )
    }
  )
})

const refusals = (status: number): ReadonlyArray<string> => {
  if (status === 429) return ["RateLimited"]
  if (status === 408 || status === 409 || status >= 500) return ["Unavailable"]
  if (status === 401 || status === 403) return ["Unauthorized"]
  if (status === 404) return ["NotFound"]
  return status === 400 ? ["BadRequest", "ContentFiltered", "PromptTooLong"] : ["BadRequest"]
}

/** Server-sent events by the letter of the standard, of a whole text whose lines end with "\n". */
const eventsOf = (text: string): ReadonlyArray<Sse.Event> => {
  const events: Array<Sse.Event> = []
  let data: Array<string> = []
  let event = ""
  for (const line of text.split("\n").slice(0, -1)) {
    if (line === "") {
      if (data.length > 0) events.push({ event: event === "" ? undefined : event, data: data.join("\n") })
      data = []
      event = ""
      continue
    }
    const [, name = "", value = ""] = /^([^:]*)(?:: ?([^]*))?$/.exec(line) ?? []
    if (name === "data") data.push(value)
    if (name === "event") event = value
  }
  return events
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const good = JSON.stringify({ id: "1", choices: [{ index: 0, message: { role: "assistant", content: "hello" } }] })
const chunk = (delta: Record<string, unknown>, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: "1", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
const goodEvents = [
  chunk({ role: "assistant" }),
  chunk({ content: "he" }),
  chunk({ content: "llo" }),
  chunk({}, "stop"),
  "data: [DONE]\n\n"
]

const mutated = (text: string): fc.Arbitrary<Uint8Array> =>
  fc.tuple(fc.nat(text.length), fc.nat(20), fc.uint8Array({ maxLength: 8 })).map(([at, cut, put]) => {
    const bytes = encode(text)
    return new Uint8Array([...bytes.slice(0, at), ...put, ...bytes.slice(at + cut)])
  })
const after = fc.constantFrom(0, 1, 20, 400)
const bodies = (stream: boolean): fc.Arbitrary<Server.Reply["body"]> => {
  const pieces = fc.oneof(
    { weight: 3, arbitrary: fc.constant(stream ? goodEvents.map(encode) : [encode(good)]) },
    { weight: 2, arbitrary: mutated(stream ? goodEvents.join("") : good).map((bytes) => [bytes]) },
    { weight: 1, arbitrary: fc.json().map((text) => [encode(stream ? `data: ${text}\n\n` : text)]) },
    { weight: 1, arbitrary: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }) }
  )
  return fc.tuple(pieces, after).map(([pieces, after]) => pieces.map((bytes) => ({ after, bytes })))
}
const statuses = fc.oneof(
  { weight: 4, arbitrary: fc.constant(200) },
  { weight: 4, arbitrary: fc.constant(429) },
  { weight: 2, arbitrary: fc.constantFrom(201, 301, 400, 401, 403, 404, 408, 409, 422, 500, 502, 503, 504) },
  { weight: 1, arbitrary: fc.integer({ min: 205, max: 599 }).filter((status) => status !== 205 && status !== 304) }
)

interface Scripted extends Server.Reply {
  readonly hints: Hints
}
const reply = (stream: boolean): fc.Arbitrary<Scripted> =>
  fc
    .record({
      after,
      status: statuses,
      hints,
      body: bodies(stream),
      end: fc.constantFrom<Server.Reply["end"]>("close", "close", "close", "lost", "silent", "gone")
    })
    .map(({ hints, ...reply }) => {
      const headers = Object.entries(textOf(hints)).filter(([, value]) => /^[\x20-\x7e]*$/.test(value))
      const kept = Object.fromEntries(headers.map(([name]) => [name, hints[name as keyof Hints]])) as Hints
      return {
        ...reply,
        headers: [
          ["content-type", stream && reply.status === 200 ? "text/event-stream" : "application/json"],
          ...headers
        ],
        hints: kept
      }
    })

const tags = new Set(
  "RateLimited Unavailable Saturated OutcomeUnknown PromptTooLong Malformed ContentFiltered Unauthorized NotFound BadRequest DeadlineExceeded StreamBroken".split(
    " "
  )
)
const attemptTimeout = 1000

interface Game {
  readonly ptu: ReadonlyArray<Scripted>
  readonly std: ReadonlyArray<Scripted>
  readonly maxWait: number
  readonly deadline: number | undefined
  readonly stream: boolean
}

const playCall = async ({ deadline, maxWait, ptu, std, stream }: Game): Promise<void> => {
  played++
  const world = new World(now)
  const server = serve(world, { ptu, std })
  const at = (deployment: string): Deployment.Options => ({
    deployment,
    endpoint: "http://memory.local",
    apiKey: Redacted.make("key"),
    timeout: attemptTimeout,
    idleTimeout: attemptTimeout
  })
  const policy = Deployment.provisioned(at("ptu")).pipe(
    Deployment.retry(RetryAfter.within(maxWait)),
    Deployment.orElse(Deployment.standard(at("std")).pipe(Deployment.retry(RetryAfter.retries(2))))
  )
  const texts: Array<string> = []
  const messages = [{ role: "user" as const, content: "Hi" }]
  const call = stream
    ? Stream.runForEach(ChatStream.texts(AzureOpenAI.chatStream({ messages })), (text) =>
        Effect.sync(() => texts.push(text))
      )
    : AzureOpenAI.chat({ messages })
  const exit = await world.until(
    world.fork(
      (deadline === undefined ? call : CallSettings.withDeadline(call, deadline)).pipe(
        Effect.provide(
          Layer.orDie(policy).pipe(
            Layer.provide(Layer.succeed(HttpClient.HttpClient, server.client)),
            Layer.provideMerge(Logger.minimumLogLevel(LogLevel.None))
          )
        )
      )
    )
  )
  const elapsed = world.now
  assert.isDefined(exit, "ends")
  if (Exit.isFailure(exit)) {
    const failure = Option.getOrUndefined(Cause.failureOption(exit.cause))
    assert.isDefined(failure, Cause.pretty(exit.cause))
    assert.include([...tags], failure?._tag)
  }
  assert.strictEqual(server.open.size, 0, "nothing in flight")
  await world.settle()
  assert.strictEqual(world.timers.size, 0, "no timer")

  const toPtu = server.received.filter(({ deployment }) => deployment === "ptu")
  const toStd = server.received.filter(({ deployment }) => deployment === "std")
  assert.isAtLeast(toPtu.length, 1)
  assert.isAtMost(toStd.length, 3)
  for (const sent of [toPtu, toStd]) {
    for (const [n, { at }] of sent.entries()) {
      const before = sent[n - 1]
      if (before === undefined) continue
      const { headAt, reply } = before
      const { hints, status } = reply as Scripted
      // Without a head there was no hint; a throttle inside a stream may come with one, which counts from later on.
      const hint = expectedHint(hints, headAt)
      const heard = headAt !== undefined && status !== 200
      const least = heard ? (hint ?? (status === 429 ? 50 : 0)) : 0
      assert.isAtLeast(at - (headAt ?? before.at), least, "no wait shorter than the hint")
    }
  }
  // No retry begins later than the caller can wait, and no call lasts longer than its parts may.
  for (const { at } of toPtu.slice(1)) assert.isAtMost(at, maxWait + 0.001, "no wait longer than the budget")
  const firstBody = stream ? 60_000 : 0
  assert.isAtMost(toStd[0]?.at ?? 0, maxWait + attemptTimeout + 0.001, "goes elsewhere in time")
  // A stream whose events are complete waits up to 250 ms more for the end of its body, so that its connection can be used again.
  const drained = stream ? 250 : 0
  if (deadline !== undefined) assert.isAtMost(elapsed, deadline + drained + 0.001)
  assert.isAtMost(elapsed, drained + maxWait + 4 * attemptTimeout + 2 * 60_000 + firstBody)
  if (stream) assert.isAtMost(texts.join("").length, 5 + 400, "no text twice")
}
