import { FetchHttpClient, HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { AzureOpenAI, ChatStream, Deployment } from "@spillway/azure-openai"
import * as UndiciHttpClient from "@spillway/azure-openai/UndiciHttpClient"
import { CallSettings, Recovery, RetryAfter } from "@spillway/core"
import { Cause, Clock, Effect, Exit, Layer, Logger, LogLevel, ManagedRuntime, Metric, Option, Redacted } from "effect"
import { setTimeout as sleep } from "node:timers/promises"
import { Agent } from "undici"
import { afterAll, assert, describe, it } from "vitest"
import { selfSigned } from "./support/certificate.js"
import { measureLateness } from "./support/lateness.js"
import type { Raw } from "./support/raw.js"
import { listen } from "./support/raw.js"
import type { ClientName, Row } from "./support/rows.js"
import { answer, rows } from "./support/rows.js"

const clients: Record<ClientName, (ca: string | undefined) => Layer.Layer<HttpClient.HttpClient>> = {
  "platform's undici": (ca) =>
    Layer.scoped(
      HttpClient.HttpClient,
      Effect.acquireRelease(
        Effect.sync(() => new Agent(ca === undefined ? {} : { connect: { ca } })),
        (agent) => Effect.promise(() => agent.destroy())
      ).pipe(Effect.map(NodeHttpClient.makeUndici))
    ),
  UndiciHttpClient: (ca) =>
    ca === undefined ? UndiciHttpClient.layer : UndiciHttpClient.layerAgent({ connect: { ca } }),
  fetch: () => FetchHttpClient.layer
}

const describeError = (error: { readonly _tag: string }): string =>
  "reason" in error ? `${error._tag} ${error.reason}` : error._tag

const messages = [{ role: "user" as const, content: "Hi" }]

/** A clock whose time of day is off by `offset`; its other time goes on as ever. */
const jumping = (clock: Clock.Clock, offset: () => number): Clock.Clock => {
  const millis = () => clock.unsafeCurrentTimeMillis() + offset()
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: millis,
    unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanos: clock.currentTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
}

const eventually = async (condition: () => boolean): Promise<boolean> => {
  for (let times = 0; times < 200; times++) {
    if (condition()) return true
    await sleep(10)
  }
  return condition()
}

const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length
const fibers = async (): Promise<number> => Number((await Effect.runPromise(Metric.value(Metric.fiberActive))).count)

const endpointOf = ({ ptu, tls }: Row, { port }: Raw): string => {
  if (ptu === "no host") return "http://no-such-host.invalid"
  return tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`
}

interface Outcome {
  readonly row: Row
  readonly client: ClientName
  readonly cells: ReadonlyArray<string>
}
const table: Array<Outcome> = []

const play = async (row: Row, client: ClientName): Promise<void> => {
  const certificate = row.tls === undefined || row.tls === "http" ? undefined : selfSigned(row.tls.host)
  const trusted =
    row.tls !== undefined && row.tls !== "http" && row.tls.trusted === true ? certificate?.cert : undefined
  const ptu = await listen(typeof row.ptu === "string" ? answer : row.ptu, {
    tls: certificate,
    onConnect: row.onConnect
  })
  const std = await listen(answer)
  if (row.ptu === "nobody listens") await ptu.close()
  const at = (deployment: string, endpoint: string): Deployment.Options => ({
    deployment,
    endpoint,
    apiKey: Redacted.make("key"),
    timeout: "5 seconds"
  })
  const failures: Array<string> = []
  const chain = Deployment.provisioned({ ...at("ptu", endpointOf(row, ptu)), ...row.options }).pipe(
    Deployment.retry(RetryAfter.within("1 second")),
    Deployment.orElse(
      Deployment.standard(at("std", `http://127.0.0.1:${std.port}`)).pipe(Deployment.retry(RetryAfter.retries(2))),
      {
        when: (error) => {
          failures.push(describeError(error))
          return Recovery.isRecoverable(error)
        }
      }
    )
  )
  const socketsBefore = sockets()
  const fibersBefore = await fibers()
  const runtime = ManagedRuntime.make(
    Layer.provide(chain, clients[client](trusted)).pipe(Layer.provideMerge(Logger.minimumLogLevel(LogLevel.None)))
  )
  // What is compiled and connected on the first call is no fault's doing.
  await runtime.runPromise(Deployment.Deployment)

  let offset = 0
  const clock = await Effect.runPromise(Effect.clockWith(Effect.succeed))
  const jump = row.jumpMs === undefined ? undefined : setTimeout(() => (offset = row.jumpMs ?? 0), 100)
  const call = (
    row.stream === true
      ? Effect.scoped(
          Effect.flatMap(AzureOpenAI.beginChatStream({ messages }), ({ chunks, served }) =>
            Effect.as(ChatStream.text(chunks), served)
          )
        )
      : Effect.map(AzureOpenAI.chat({ messages }), ({ served }) => served)
  ).pipe(
    (self) => (row.deadlineMs === undefined ? self : CallSettings.withDeadline(self, row.deadlineMs)),
    Effect.withClock(jumping(clock, () => offset))
  )
  let took = 0
  let late = 0
  let result = ""
  for (let n = 0; n < (row.calls ?? 1); n++) {
    if (n > 0) await sleep(40)
    failures.length = 0
    const lateness = measureLateness()
    const began = performance.now()
    const ended = await runtime.runPromiseExit(call)
    took = performance.now() - began
    late = lateness()
    result = Exit.match(ended, {
      onSuccess: ({ attempts, deployment }) => {
        const failed = attempts.slice(0, -1).map(({ outcome }) => outcome)
        const why = failures.at(-1) ?? failed.at(-1)
        return why === undefined ? deployment : `${deployment}, after ${why}`
      },
      onFailure: (cause) =>
        Option.match(Cause.failureOption(cause), { onNone: () => Cause.pretty(cause), onSome: describeError })
    })
  }
  clearTimeout(jump)

  // A request that was given up, or whose reply broke, leaves no connection, even while the client lives.
  const complete = row.whole === true || result.startsWith("ptu")
  const given = complete || (await eventually(() => ptu.open.size === 0))
  await runtime.dispose()
  const left = client === "fetch" && complete ? 0 : (await eventually(() => ptu.open.size === 0), ptu.open.size)
  if (row.ptu !== "nobody listens") await ptu.close()
  await std.close()
  const released = await eventually(() => sockets() <= socketsBefore)
  const fibersLeft = (await fibers()) - fibersBefore

  const slack = Math.max(row.budgetMs * 0.01, 50) + late
  const open = `${given ? left : ptu.open.size}/${released ? 0 : sockets() - socketsBefore}/${Math.max(0, fibersLeft)}`
  table.push({
    row,
    client,
    cells: [
      result,
      String(ptu.requests),
      String(std.requests),
      took.toFixed(0),
      String(row.budgetMs),
      late.toFixed(0),
      open
    ]
  })
  assert.strictEqual(result, row.but?.[client] ?? row.expected)
  assert.deepStrictEqual([ptu.requests, std.requests], [row.ptuRequests, row.stdRequests], "requests")
  assert.isAtMost(took, row.budgetMs + slack, "in time")
  if (row.atLeastMs !== undefined) assert.isAtLeast(took, row.atLeastMs, "not before its time")
  assert.isTrue(given && left === 0 && released, `nothing left open: ${open}`)
  assert.isAtMost(fibersLeft, 0, "no fiber left")
}

const unhandled: Array<unknown> = []
process.on("unhandledRejection", (reason) => unhandled.push(reason))

describe.each(Object.keys(clients) as ReadonlyArray<ClientName>)("faults over sockets, %s", (client) => {
  for (const row of rows) {
    const skipped = row.skip?.[client]
    it.skipIf(skipped !== undefined)(row.fault, { timeout: 30_000 }, () => play(row, client))
    if (skipped !== undefined) table.push({ row, client, cells: [`not tried: ${skipped}`, "", "", "", "", "", ""] })
  }
})

afterAll(() => {
  const heads = ["fault", "client", "answered by, or error", "PTU", "Std", "ms", "budget", "stall", "left open"]
  const lines = [
    heads,
    ...rows.flatMap(({ fault }) =>
      table
        .filter(({ row }) => row.fault === fault)
        .map(({ cells, client }, n) => [n === 0 ? fault : "", client, ...cells])
    )
  ]
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  const print = (line: ReadonlyArray<string>): string =>
    line
      .map((cell, column) => (column < 3 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
  process.stdout.write(
    `\n${lines.map(print).join("\n")}\n\nleft open: sockets at the server / at the client / fibers\n`
  )
  assert.deepStrictEqual(unhandled, [])
})
