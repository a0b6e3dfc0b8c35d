import { FetchHttpClient, HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import * as UndiciHttpClient from "@spillway/azure-openai/UndiciHttpClient"
import { Effect, Layer } from "effect"
import type { Scope } from "effect"
import { Agent } from "undici"
import { NodeAgent } from "./nodeAgent.js"
import type { ClientName } from "./row.js"

if (NodeAgent === Agent) throw new Error("expected Node's own undici to be there before the package")

interface Connect {
  /** A certificate to trust. */
  readonly ca?: string | undefined
  /** How many milliseconds connecting may take. */
  readonly timeout: number
}

const agent = (Class: typeof Agent, connect: Connect): Effect.Effect<Agent, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Class({ connect })),
    (agent) => Effect.promise(() => agent.destroy())
  )

/** Each with an agent of its own, which ends with the layer. */
export const clients: Record<ClientName, (connect: Connect) => Layer.Layer<HttpClient.HttpClient>> = {
  "platform's undici": (connect) =>
    Layer.scoped(HttpClient.HttpClient, Effect.map(agent(Agent, connect), NodeHttpClient.makeUndici)),
  UndiciHttpClient: (connect) => UndiciHttpClient.layerAgent({ connect }),
  fetch: (connect) =>
    Layer.provide(
      FetchHttpClient.layer,
      Layer.scoped(
        FetchHttpClient.Fetch,
        Effect.map(agent(NodeAgent, connect), (dispatcher): typeof fetch => (input, init) => {
          const options: RequestInit & { readonly dispatcher: Agent } = { ...init, dispatcher }
          return fetch(input, options)
        })
      )
    )
}
