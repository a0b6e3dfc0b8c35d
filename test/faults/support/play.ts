import { AzureOpenAI, ChatStream, Deployment } from "@spillway/azure-openai"
import { CallSettings, Recovery, RetryAfter } from "@spillway/core"
import { Cause, Clock, Effect, Exit, Layer, Logger, LogLevel, ManagedRuntime, Option, Redacted } from "effect"
import { setTimeout as sleep } from "node:timers/promises"
import { assert } from "vitest"
import { answer } from "./behaviour.js"
import { selfSigned } from "./certificate.js"
import { clients } from "./clients.js"
import { measureLateness } from "./lateness.js"
import { connecting, eventually, fibers, sockets } from "./open.js"
import { listen } from "./raw.js"
import type { ClientName, Row } from "./row.js"
import type { Line } from "./table.js"
import { unaccepted } from "./unaccepted.js"

const describeError = (error: { readonly _tag: string }): string =>
  "reason" in error ? `${error._tag} ${error.reason}` : error._tag

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

/** A provisioned deployment that does what the row says. Its clients trust the certificate, if that is given. */
const provisioned = async ({ onConnect, ptu, tls }: Row) => {
  const certificate = tls === undefined || tls === "http" ? undefined : selfSigned(tls.host)
  const server = await listen(typeof ptu === "string" ? answer : ptu, { tls: certificate, onConnect })
  if (ptu === "nobody listens") await server.close()
  const silence = ptu === "nobody accepts" ? await unaccepted() : undefined
  const port = silence?.port ?? server.port
  const plain = ptu === "no host" ? "http://no-such-host.invalid" : `http://127.0.0.1:${port}`
  return {
    server,
    endpoint: tls === undefined ? plain : `https://localhost:${port}`,
    ca: tls !== undefined && tls !== "http" && tls.trusted === true ? certificate?.cert : undefined,
    close: async () => {
      await silence?.close()
      if (ptu !== "nobody listens") await server.close()
    }
  }
}

const chainOf = ({ options }: Row, ptu: string, std: string, onFailure: (why: string) => void) => {
  const at = (deployment: string, endpoint: string): Deployment.Options => ({
    deployment,
    endpoint,
    apiKey: Redacted.make("key"),
    timeout: "5 seconds"
  })
  return Deployment.provisioned({ ...at("ptu", ptu), ...options }).pipe(
    Deployment.retry(RetryAfter.within("1 second")),
    Deployment.orElse(Deployment.standard(at("std", std)).pipe(Deployment.retry(RetryAfter.retries(2))), {
      when: (error) => {
        onFailure(describeError(error))
        return Recovery.isRecoverable(error)
      }
    })
  )
}

const messages = [{ role: "user" as const, content: "Hi" }]

/** A call of the row. Succeeds with who answered. */
const callOf = ({ deadlineMs, stream }: Row) =>
  (stream === true
    ? Effect.scoped(
        Effect.flatMap(AzureOpenAI.beginChatStream({ messages }), ({ chunks, served }) =>
          Effect.as(ChatStream.text(chunks), served)
        )
      )
    : Effect.map(AzureOpenAI.chat({ messages }), ({ served }) => served)
  ).pipe((self) => (deadlineMs === undefined ? self : CallSettings.withDeadline(self, deadlineMs)))

/** Meets the fault with a client, and checks all that the row says. `report` gets what came of it, right or wrong. */
export const play = async (row: Row, client: ClientName, report: (line: Line) => void): Promise<void> => {
  const ptu = await provisioned(row)
  const std = await listen(answer)
  const [connectingBefore, socketsBefore, fibersBefore] = [connecting(), sockets(), await fibers()]
  const failures: Array<string> = []
  const chain = chainOf(row, ptu.endpoint, `http://127.0.0.1:${std.port}`, (why) => failures.push(why))
  // UndiciHttpClient gives up connecting with its request; the others only once that takes too long (nodejs/undici issue 386),
  // by timers that are up to a second late.
  const connect = { ca: ptu.ca, timeout: client === "UndiciHttpClient" ? 10_000 : 1000 }
  const runtime = ManagedRuntime.make(
    Layer.provide(chain, clients[client](connect)).pipe(Layer.provideMerge(Logger.minimumLogLevel(LogLevel.None)))
  )
  // What is compiled for the first call is no fault's doing.
  await runtime.runPromise(Deployment.Deployment)

  let offset = 0
  const clock = await Effect.runPromise(Effect.clock)
  const jump = row.jumpMs === undefined ? undefined : setTimeout(() => (offset = row.jumpMs ?? 0), 100)
  const call = Effect.withClock(
    callOf(row),
    jumping(clock, () => offset)
  )
  const times: Array<{ readonly took: number; readonly late: number }> = []
  let result = ""
  for (let n = 0; n < (row.calls ?? 1); n++) {
    if (n > 0) await sleep(40)
    failures.length = 0
    const lateness = measureLateness()
    const began = performance.now()
    const exit = await runtime.runPromiseExit(call)
    times.push({ took: performance.now() - began, late: lateness() })
    result = Exit.match(exit, {
      onSuccess: ({ attempts, deployment }) => {
        const why = failures.at(-1) ?? attempts.slice(0, -1).at(-1)?.outcome
        return why === undefined ? deployment : `${deployment}, after ${why}`
      },
      onFailure: (cause) =>
        Option.match(Cause.failureOption(cause), { onNone: () => Cause.pretty(cause), onSome: describeError })
    })
  }
  clearTimeout(jump)

  // A request that was given up, or whose reply broke, leaves no connection, even while the client lives. Node's fetch may make
  // one more then, which it keeps for the next request (nodejs/undici issue 5845).
  const { open } = ptu.server
  const kept = row.whole === true || result.startsWith("ptu")
  const spares = client === "fetch" ? 1 : 0
  const used = (): number => connecting() - connectingBefore + [...open].filter(({ bytesRead }) => bytesRead > 0).length
  const endedAt = performance.now()
  const gone = kept || (await eventually(() => used() === 0 && open.size <= spares))
  const goneAfter = performance.now() - endedAt
  // A spare one comes at once.
  if (!kept) await sleep(20)
  const meanwhile = open.size

  await runtime.dispose()
  const connections = (): number => open.size + std.open.size
  await eventually(() => connections() === 0)
  const atServers = connections()
  await std.close()
  await eventually(() => sockets() <= socketsBefore)
  const atClient = Math.max(0, sockets() - socketsBefore)
  await ptu.close()
  const fibersLeft = Math.max(0, (await fibers()) - fibersBefore)

  const { late, took } = times.reduce((worst, time) => (time.took - time.late > worst.took - worst.late ? time : worst))
  const { budgetMs, fault, stallMs = 0 } = row
  const requests = [ptu.server.requests, std.requests]
  const left = [meanwhile, atServers, atClient, fibersLeft].join("/")
  const budget = stallMs === 0 ? String(budgetMs) : `${budgetMs}+${stallMs}`
  report({
    fault,
    client,
    cells: [
      result,
      ...requests.map(String),
      took.toFixed(0),
      budget,
      late.toFixed(0),
      kept ? "kept" : goneAfter.toFixed(0),
      left
    ]
  })
  const { expected, ptuRequests, stdRequests } = row.but?.[client] ?? row
  assert.strictEqual(result, expected)
  assert.deepStrictEqual(requests, [ptuRequests, stdRequests], "requests")
  assert.isAtMost(took, budgetMs + stallMs + Math.max(budgetMs * 0.01, 50) + late, "in time")
  assert.isAtLeast(Math.min(...times.map(({ took }) => took)), row.atLeastMs ?? 0, "not before its time")
  assert.isTrue(gone && (kept || meanwhile <= spares), `no connection left of what was given up: ${left}`)
  assert.deepStrictEqual([atServers, atClient, fibersLeft], [0, 0, 0], "nothing left open")
}
