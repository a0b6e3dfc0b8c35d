// Bursts of calls over sockets against an emulator that is full and faulty, for SOAK_MINUTES (default 30). Ends with an error
// when a call has no known outcome, when heap, sockets or fibers grow, or when something is left once all is over.
//
// SOAK_BURST (32): calls that begin together. SOAK_RATE (200): calls a second, unless the machine is slower. SOAK_SEED (1): of
// what is drawn here and at the emulator.
import { AzureOpenAI, Admission, Deployment } from "@spillway/azure-openai"
import * as UndiciHttpClient from "@spillway/azure-openai/UndiciHttpClient"
import { CallSettings, RetryAfter } from "@spillway/core"
import { Cause, Effect, Exit, Layer, Logger, LogLevel, ManagedRuntime, Metric, Option, Redacted, Stream } from "effect"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

const number = (name, standard) => {
  const value = Number(process.env[name] ?? standard)
  if (!(value > 0)) throw new Error(`${name}: expected a number above 0`)
  return value
}
const minutes = number("SOAK_MINUTES", 30)
const burst = number("SOAK_BURST", 32)
const perSecond = number("SOAK_RATE", 200)
const seed = number("SOAK_SEED", 1)
if (globalThis.gc === undefined) throw new Error("expected node --expose-gc")

const print = (line) => process.stdout.write(`${line}\n`)
const wrong = []
for (const event of ["unhandledRejection", "uncaughtException"]) {
  process.on(event, (error) => wrong.push(`${event}: ${error instanceof Error ? error.stack : String(error)}`))
}

// Everything that can go wrong with a reply, and often.
const faultsOf = (deployment, rate) => {
  const at = (fault, share) => ({ deployment, ...fault, probability: share * rate })
  return [
    at({ fault: "status", status: 503 }, 0.03),
    at({ fault: "status", status: 500 }, 0.02),
    at({ fault: "status", status: 408 }, 0.01),
    at({ fault: "status", status: 429, retryAfterMs: 60 }, 0.05),
    at({ fault: "status", status: 429, headers: { "retry-after": "-1" } }, 0.02),
    at({ fault: "status", status: 502, body: "<html>" }, 0.02),
    at({ fault: "filter", of: "prompt" }, 0.01),
    at({ fault: "refuse" }, 0.03),
    at({ fault: "reset" }, 0.03),
    at({ fault: "reset", afterBytes: 0 }, 0.02),
    at({ fault: "truncate" }, 0.03),
    at({ fault: "malformed" }, 0.02),
    at({ fault: "silence" }, 0.01),
    at({ fault: "silence", afterBytes: 100 }, 0.01),
    at({ fault: "delay", delayMs: 80 }, 0.05)
  ]
}
const latency = { firstTokenMs: 15, tokensPerSecond: 2000, jitter: 0.8 }
const folder = mkdtempSync(join(tmpdir(), "soak-"))
const config = join(folder, "emulator.json")
writeFileSync(
  config,
  JSON.stringify({
    seed,
    recordedRequests: 100,
    deployments: [
      { name: "ptu", kind: "provisioned", model: "gpt-4o", ptus: 1000, windowSeconds: 1, latency },
      { name: "std", kind: "standard", model: "gpt-4o", tokensPerMinute: 30_000_000, latency },
      { name: "embed", kind: "standard", model: "text-embedding-3-small", tokensPerMinute: 30_000_000, latency }
    ],
    faults: [...faultsOf("ptu", 1), ...faultsOf("std", 0.5), ...faultsOf("embed", 1)]
  })
)
const bin = fileURLToPath(new URL("../../../packages/cli/dist/bin.js", import.meta.url))
const server = spawn(process.execPath, [bin, "emulate", "--config", config], { stdio: ["ignore", "pipe", "inherit"] })
const endpoint = await new Promise((resolve, reject) => {
  createInterface({ input: server.stdout }).once("line", resolve)
  server.once("exit", (code) => reject(new Error(`the emulator ended with ${code}`)))
})

const at = (deployment, model) => ({
  deployment,
  model,
  endpoint,
  apiKey: Redacted.make("key"),
  timeout: "2 seconds",
  idleTimeout: "1 second"
})
const chain = Deployment.provisioned(at("ptu", "gpt-4o")).pipe(
  // Less than the emulator has, so that calls wait.
  Layer.provide(Admission.layer({ ptus: 800, burstMs: 1000, size: "exact" })),
  Deployment.retry(RetryAfter.within("1 second")),
  Deployment.orElse(Deployment.standard(at("std", "gpt-4o")).pipe(Deployment.retry(RetryAfter.retries(1))))
)
const embedder = Deployment.standard(at("embed", "text-embedding-3-small")).pipe(
  Deployment.retry(RetryAfter.retries(1))
)
const [runtime, embeddings] = [chain, embedder].map((layer) =>
  ManagedRuntime.make(
    Layer.provide(layer, UndiciHttpClient.layer).pipe(Layer.provideMerge(Logger.minimumLogLevel(LogLevel.Error)))
  )
)

// A draw that is the same in every run (mulberry32), so that a seed stands for a sequence of calls.
let state = seed
const draw = () => {
  state = (state + 0x6d2b79f5) | 0
  let bits = Math.imul(state ^ (state >>> 15), 1 | state)
  bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
  return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
}

const messages = () => [{ role: "user", content: "word ".repeat(1 + Math.floor(draw() * 300)) }]
const chat = () => AzureOpenAI.chat({ messages: messages(), max_tokens: 60 })
const stream = () => AzureOpenAI.chatStream({ messages: messages(), max_tokens: 60 })
const kinds = [
  ["chat", chat],
  ["chat stream", () => Stream.runDrain(stream())],
  ["chat stream left early", () => Stream.runDrain(Stream.take(stream(), 2))],
  ["response", () => AzureOpenAI.createResponse({ input: "Hi", store: false })],
  ["response stream", () => Stream.runDrain(AzureOpenAI.responseStream({ input: "Hi", store: false }))],
  ["embeddings", () => AzureOpenAI.embed("a text"), embeddings],
  // Given up by the caller at some moment.
  ["chat, interrupted", chat, runtime, 200],
  ["chat stream, interrupted", () => Stream.runDrain(stream()), runtime, 200]
]
const tags = new Set(
  [
    "RateLimited Unavailable Saturated OutcomeUnknown PromptTooLong Malformed ContentFiltered",
    "Unauthorized NotFound BadRequest DeadlineExceeded StreamBroken"
  ].flatMap((some) => some.split(" "))
)

let started = 0
let longestMs = 0
const answered = new Map(kinds.map(([kind]) => [kind, 0]))
const failed = new Map()
const interrupted = new Map()
const add = (map, key) => map.set(key, (map.get(key) ?? 0) + 1)
const total = (map) => [...map.values()].reduce((sum, n) => sum + n, 0)

const account = (kind, exit, mayBeInterrupted) => {
  if (Exit.isSuccess(exit)) return add(answered, kind)
  const tag = Option.getOrUndefined(Cause.failureOption(exit.cause))?._tag
  if (tags.has(tag)) return add(failed, tag)
  if (mayBeInterrupted && Cause.isInterruptedOnly(exit.cause)) return add(interrupted, kind)
  wrong.push(`${kind}: ${Cause.pretty(exit.cause)}`)
}

// Longer than anything a call may do by its settings: two deployments, twice each, at two seconds and a backoff of 0.5 s; and a machine that is
// busy with something else.
const hangMs = 120_000
const call = async () => {
  const [kind, make, on = runtime, hasty] = kinds[Math.floor(draw() * kinds.length)]
  const priority = ["interactive", 5, "batch"][Math.floor(draw() * 3)]
  const after = hasty === undefined ? undefined : draw() * hasty
  const began = performance.now()
  started++
  const fiber = on.runFork(
    CallSettings.withPriority(make(), priority).pipe((self) =>
      draw() < 0.2 ? CallSettings.withDeadline(self, "1500 millis") : self
    )
  )
  const timer = after === undefined ? undefined : setTimeout(() => fiber.unsafeInterruptAsFork(fiber.id()), after)
  const exit = await new Promise((resolve) => {
    const hang = setTimeout(() => resolve(undefined), hangMs)
    fiber.addObserver((exit) => {
      clearTimeout(hang)
      resolve(exit)
    })
  })
  clearTimeout(timer)
  longestMs = Math.max(longestMs, performance.now() - began)
  if (exit === undefined) wrong.push(`${kind}: not ended after ${hangMs} ms`)
  else account(kind, exit, after !== undefined)
}

// Sockets and all else that is open, idle or not.
const descriptors = () => (existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").length : Number.NaN)

const mib = (bytes) => bytes / 2 ** 20
const held = async () => {
  // What is read to its end, and what the collector frees in its own time.
  await sleep(300)
  for (let times = 0; times < 3; times++) {
    globalThis.gc()
    await sleep(10)
  }
  const { arrayBuffers, heapUsed, rss } = process.memoryUsage()
  const open = process.getActiveResourcesInfo()
  const fibers = await Effect.runPromise(Metric.value(Metric.fiberActive))
  return {
    heap: mib(heapUsed),
    buffers: mib(arrayBuffers),
    rss: mib(rss),
    open: descriptors(),
    sockets: open.filter((name) => name === "TCPSocketWrap").length,
    timers: open.filter((name) => name === "Timeout").length,
    fibers: Number(fibers.count)
  }
}

const columns = ["time", "calls", "calls/s", "answered", "failed", "left"].concat([
  "heap MiB",
  "buffers",
  "rss",
  "files",
  "sockets",
  "timers",
  "fibers"
])
const row = (cells) => print(cells.map((cell, i) => String(cell).padStart(Math.max(columns[i].length, 8))).join(" "))
const filesBefore = descriptors()
const began = performance.now()
const endsAt = began + minutes * 60_000
const everyMs = Math.min(30_000, (minutes * 60_000) / 8)
const samples = []
let callsBefore = 0
let sampledAt = began
const sample = async () => {
  const now = performance.now()
  const seconds = Math.round((now - began) / 1000)
  const figures = { seconds, ...(await held()) }
  samples.push(figures)
  const rate = Math.round(((started - callsBefore) * 1000) / (now - sampledAt))
  const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`
  const { buffers, fibers, heap, open, rss, sockets, timers } = figures
  const sums = [answered, failed, interrupted].map(total)
  row([
    time,
    started,
    rate,
    ...sums,
    heap.toFixed(2),
    buffers.toFixed(2),
    rss.toFixed(0),
    open,
    sockets,
    timers,
    fibers
  ])
  callsBefore = started
  sampledAt = performance.now()
}

print(`node ${process.version}, ${minutes} min, ${perSecond} calls/s in bursts of ${burst}, seed ${seed}`)
row(columns)
let mostUnderWay = 0
while (performance.now() < endsAt && wrong.length === 0) {
  const until = Math.min(performance.now() + everyMs, endsAt)
  const underWay = new Set()
  while (performance.now() < until) {
    for (let n = 0; n < burst; n++) {
      const one = call().then(() => underWay.delete(one))
      underWay.add(one)
    }
    mostUnderWay = Math.max(mostUnderWay, underWay.size)
    await sleep(((0.5 + draw()) * burst * 1000) / perSecond)
    // A machine that is too slow for the rate gets no longer and longer queue.
    while (underWay.size > 16 * burst) await sleep(10)
  }
  await Promise.all(underWay)
  await sample()
}
await Promise.all([runtime.dispose(), embeddings.dispose()])
const after = await held()
server.kill()
rmSync(folder, { recursive: true })

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
// The first quarter compiles, fills pools and caches.
const steady = samples.slice(Math.ceil(samples.length / 4))
const third = Math.max(1, Math.floor(steady.length / 3))
const [early, late] = [steady.slice(0, third), steady.slice(-third)].map((some) => ({
  heap: mean(some.map(({ buffers, heap }) => heap + buffers)),
  files: mean(some.map(({ open }) => open)),
  timers: mean(some.map(({ timers }) => timers)),
  fibers: mean(some.map(({ fibers }) => fibers))
}))
const expected = [
  [
    `heap and buffers: from ${early.heap.toFixed(2)} to ${late.heap.toFixed(2)} MiB`,
    late.heap <= early.heap * 1.05 + 2
  ],
  // Idle connections are kept for half a minute, as many as a busy moment needed.
  [
    `open files: from ${early.files.toFixed(1)} to ${late.files.toFixed(1)}`,
    !(late.files > early.files * 1.5 + mostUnderWay)
  ],
  [`timers: from ${early.timers.toFixed(1)} to ${late.timers.toFixed(1)}`, late.timers <= early.timers + 2],
  [`fibers: from ${early.fibers.toFixed(1)} to ${late.fibers.toFixed(1)}`, late.fibers <= early.fibers + 2],
  [
    `after all is released: ${after.sockets} sockets, ${after.open - filesBefore} more open files, ${after.timers} timers`,
    after.sockets === 0 && after.timers === 0 && !(after.open > filesBefore + 2)
  ],
  [
    `calls: ${started} = ${total(answered)} answered + ${total(failed)} typed failures + ${total(interrupted)} left by their caller`,
    started === total(answered) + total(failed) + total(interrupted)
  ],
  [
    `answered of every kind: ${[...answered].map(([kind, n]) => `${kind} ${n}`).join(", ")}`,
    kinds.every(([kind, , , hasty]) => hasty !== undefined || answered.get(kind) > 0)
  ],
  [`failures: ${[...failed].map(([tag, n]) => `${tag} ${n}`).join(", ")}`, failed.size > 2],
  [`longest call: ${Math.round(longestMs)} ms`, longestMs < hangMs]
]
print("")
for (const [what, holds] of expected) {
  print(`${holds ? "ok   " : "WRONG"} ${what}`)
  if (!holds) process.exitCode = 1
}
for (const line of wrong.slice(0, 20)) print(`WRONG ${line}`)
if (wrong.length > 0) process.exitCode = 1
