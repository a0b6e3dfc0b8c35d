import { NodeHttpClient } from "@effect/platform-node"
import { AzureOpenAI, ChatStream, Deployment } from "@spillway/azure-openai"
import { Script } from "@spillway/emulator"
import { Effect, Layer, ManagedRuntime, Metric, Redacted, Stream } from "effect"
import { assert, describe, it } from "vitest"
import { eventually, play } from "./support/server.js"
import type { Server } from "./support/server.js"

const request = { messages: [{ role: "user" as const, content: "Hi" }] }

/** What this process holds open: sockets of both sides, timers, fibers. */
const held = async (): Promise<{ readonly sockets: number; readonly fibers: number }> => {
  const fibers = await Effect.runPromise(Metric.value(Metric.fiberActive))
  return {
    sockets: process.getActiveResourcesInfo().filter((name) => name.startsWith("TCPSocket")).length,
    fibers: Number(fibers.count)
  }
}

const withRuntime = async (
  server: Server,
  use: (runtime: ManagedRuntime.ManagedRuntime<Deployment.Deployment, unknown>) => Promise<void>
) => {
  const runtime = ManagedRuntime.make(
    Deployment.provisioned({ deployment: "gpt-4o-ptu", endpoint: server.url, apiKey: Redacted.make("key") }).pipe(
      Layer.provide(NodeHttpClient.layerUndici)
    )
  )
  try {
    await use(runtime)
  } finally {
    await runtime.dispose()
  }
}

describe("streams, many of them", () => {
  it("leave nothing behind: 10,000 one after the other", { timeout: 300_000 }, async () => {
    const server = await play([Script.forever(Script.answer({ text: "one two three" }))])

    await withRuntime(server, async (runtime) => {
      const text = ChatStream.text(AzureOpenAI.chatStream(request))
      const early = AzureOpenAI.chatStream(request).pipe(Stream.take(3), Stream.runDrain)
      await runtime.runPromise(Effect.replicateEffect(text, 200, { discard: true }))
      const before = await held()

      // One in ten is left early.
      const numbers = Array.from({ length: 10_000 }, (_, n) => n)
      await runtime.runPromise(Effect.forEach(numbers, (n) => (n % 10 === 0 ? early : text), { discard: true }))

      await eventually(async () => (await server.inFlight()) === 0)
      const after = await held()
      assert.isAtMost(after.sockets, before.sockets + 4)
      assert.isAtMost(after.fibers, before.fibers + 5)
    })
  })

  it("leave nothing behind: 1,000 at once, half of them interrupted", { timeout: 120_000 }, async () => {
    const whole = "word ".repeat(30)
    const server = await play([Script.forever(Script.answer({ text: whole, every: "20 millis" }))])
    const before = await held()

    await withRuntime(server, async (runtime) => {
      const text = ChatStream.text(AzureOpenAI.chatStream(request))
      const hasty = Effect.timeoutTo(text, { duration: "100 millis", onSuccess: (text) => text, onTimeout: () => "" })
      const numbers = Array.from({ length: 1000 }, (_, n) => n)
      const texts = await runtime.runPromise(
        Effect.forEach(numbers, (n) => (n % 2 === 0 ? text : hasty), { concurrency: "unbounded" })
      )

      assert.strictEqual(texts.filter((text) => text === whole).length, 500)
      await eventually(async () => (await server.inFlight()) === 0)
    })

    await eventually(async () => (await held()).sockets <= before.sockets + 1)
    assert.isAtMost((await held()).fibers, before.fibers + 5)
  })
})
