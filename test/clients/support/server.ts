import { HttpServer } from "@effect/platform"
import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
import { Deployment, FetchBridge } from "@spillway/azure-openai"
import { CallSettings, RetryAfter } from "@spillway/core"
import { Emulator, Script } from "@spillway/emulator"
import type { Duration } from "effect"
import { Effect, Layer, Logger, LogLevel, ManagedRuntime, Redacted } from "effect"
import { createServer } from "node:http"
import { afterEach } from "vitest"

/** An emulator behind a socket, and the policy's fetch over its two deployments. */
export interface Server {
  readonly url: string
  readonly fetch: FetchBridge.Fetch
  readonly chat: Layer.Layer<Deployment.Deployment>
  /** A deployment of an embedding model, and the fetch over it. */
  readonly embeddings: Layer.Layer<Deployment.Deployment>
  readonly fetchEmbeddings: FetchBridge.Fetch
  /** A fetch whose requests keep to a deadline. */
  readonly fetchWithin: (deadline: Duration.DurationInput) => Promise<FetchBridge.Fetch>
  /** The deployments that were asked, each with the status of its reply, in order. */
  readonly asked: () => Promise<ReadonlyArray<string>>
  readonly inFlight: () => Promise<number>
}

const disposals: Array<() => Promise<void>> = []

afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose()
})

export const key = "a-key-of-ours"
export const theirs = "a-key-of-theirs"

export const serve = async (emulator: Layer.Layer<Emulator.Emulator>): Promise<Server> => {
  const runtime = ManagedRuntime.make(
    Emulator.serve.pipe(
      Layer.provideMerge(emulator),
      Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
      Layer.orDie
    )
  )
  disposals.push(() => runtime.dispose())
  const { address } = await runtime.runPromise(HttpServer.HttpServer)
  if (address._tag !== "TcpAddress") throw new Error("no port")
  const url = `http://127.0.0.1:${address.port}`

  const options = { endpoint: url, apiKey: Redacted.make(key), model: "gpt-4o" }
  const chat = Deployment.provisioned({ ...options, deployment: "gpt-4o-ptu", apiVersion: "2025-04-01-preview" }).pipe(
    Deployment.retry(RetryAfter.within("1 second")),
    Deployment.orElse(Deployment.standard({ ...options, deployment: "gpt-4o" })),
    Layer.provide(NodeHttpClient.layerUndici),
    Layer.orDie
  )
  const embeddings = Deployment.standard({ ...options, deployment: "embeddings" }).pipe(
    Layer.provide(NodeHttpClient.layerUndici),
    Layer.orDie
  )
  const runtimeOf = (deployment: Layer.Layer<Deployment.Deployment>) => {
    const runtime = ManagedRuntime.make(Layer.merge(deployment, Logger.minimumLogLevel(LogLevel.None)))
    disposals.unshift(() => runtime.dispose())
    return runtime
  }
  const policy = runtimeOf(chat)
  return {
    url,
    chat,
    embeddings,
    fetch: await policy.runPromise(FetchBridge.make),
    fetchEmbeddings: await runtimeOf(embeddings).runPromise(FetchBridge.make),
    fetchWithin: (deadline) => policy.runPromise(CallSettings.withDeadline(FetchBridge.make, deadline)),
    asked: () =>
      runtime.runPromise(
        Effect.flatMap(Emulator.Emulator, ({ requests }) =>
          Effect.map(requests, (requests) => requests.map(({ deployment, status }) => `${deployment} ${status}`))
        )
      ),
    inFlight: () => runtime.runPromise(Effect.flatMap(Emulator.Emulator, ({ inFlight }) => inFlight))
  }
}

type Steps = Parameters<typeof Script.make>[0][string]

/** A server that plays these replies. */
export const play = (ptu: Steps, standard: Steps = []): Promise<Server> =>
  serve(Emulator.layerScripted(Script.make({ "gpt-4o-ptu": ptu, "gpt-4o": standard })))

/** A server with capacity to spare. */
export const ample = (): Promise<Server> =>
  serve(
    Emulator.layer({
      deployments: [
        {
          name: "gpt-4o-ptu",
          kind: "provisioned",
          model: "gpt-4o",
          latency: { firstTokenMs: 5, tokensPerSecond: 2000 }
        },
        { name: "gpt-4o", kind: "standard", model: "gpt-4o", latency: { firstTokenMs: 5, tokensPerSecond: 2000 } },
        { name: "embeddings", kind: "standard", model: "text-embedding-3-small", latency: { firstTokenMs: 5 } }
      ]
    })
  )

/** Both deployments full, the first for a moment and longer than anyone waits, the other for half a minute. */
export const full = (): Promise<Server> =>
  play([Script.throttled({ retryAfterMs: 60_000 })], [Script.throttled({ retryAfterMs: 30_000 })])

/** A first reply that says to come back soon, and one that answers. */
export const busyThen = (...steps: Steps): Promise<Server> => play([Script.throttled({ retryAfterMs: 50 }), ...steps])

/** What a promise was rejected with. */
export const rejection = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error("expected a rejection")
}

/** Waits for something real to happen, for at most fifteen seconds. */
export const eventually = async (condition: () => Promise<boolean>): Promise<void> => {
  for (let i = 0; i < 3000; i++) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error("it did not happen within 15 seconds")
}
