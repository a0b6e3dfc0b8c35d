import { EnvironmentCredential, ManagedIdentityCredential } from "@azure/identity"
import { NodeHttpClient } from "@effect/platform-node"
import { AzureOpenAI, Deployment, Entra } from "@spillway/azure-openai"
import { Emulator } from "@spillway/emulator"
import { Effect, Layer, Logger, LogLevel } from "effect"
import { createServer } from "node:http"
import type { IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { afterEach, assert, describe, it } from "vitest"
import { serve } from "./support/server.js"

const chat = AzureOpenAI.chat({ messages: [{ role: "user", content: "Hi" }], max_completion_tokens: 10 })

const undo: Array<() => unknown> = []
afterEach(async () => {
  for (const step of undo.splice(0)) await step()
})

/** The endpoint at which Azure gives an application service its tokens. */
const identityEndpoint = async (reply: (request: IncomingMessage) => { status: number; body: unknown }) => {
  const asked: Array<string> = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? "")
    const { body, status } = reply(request)
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  process.env["IDENTITY_ENDPOINT"] = `http://127.0.0.1:${(server.address() as AddressInfo).port}/msi/token`
  process.env["IDENTITY_HEADER"] = "a-header-of-the-platform"
  undo.push(
    () => delete process.env["IDENTITY_ENDPOINT"],
    () => delete process.env["IDENTITY_HEADER"],
    () => new Promise((resolve) => server.close(resolve))
  )
  return asked
}

const resource = () =>
  serve(
    Emulator.layer({
      apiKeys: [],
      entra: { tokens: [{ value: "a-token" }] },
      deployments: [
        {
          name: "gpt-4o-ptu",
          kind: "provisioned",
          model: "gpt-4o",
          latency: { firstTokenMs: 1, tokensPerSecond: 5000 }
        },
        { name: "gpt-4o", kind: "standard", model: "gpt-4o" }
      ]
    })
  )

const deployment = (endpoint: string, credential: Entra.TokenCredential) =>
  Deployment.provisioned({ deployment: "gpt-4o-ptu", endpoint, credential: Entra.layer(credential) }).pipe(
    Layer.provide(NodeHttpClient.layerUndici)
  )

describe("@azure/identity", () => {
  it("signs in once for many calls", async () => {
    const expires = Math.floor(Date.now() / 1000) + 3600
    const asked = await identityEndpoint(() => ({
      status: 200,
      body: { access_token: "a-token", expires_on: String(expires), token_type: "Bearer", resource: "…" }
    }))
    const server = await resource()

    await Effect.runPromise(
      Effect.replicateEffect(chat, 5, { concurrency: 5 }).pipe(
        Effect.provide(deployment(server.url, new ManagedIdentityCredential()))
      )
    )

    assert.strictEqual(asked.length, 1)
    assert.include(asked[0], encodeURIComponent("https://cognitiveservices.azure.com"))
    assert.strictEqual((await server.asked()).filter((line) => line === "gpt-4o-ptu 200").length, 5)
  })

  it("fails as Unauthorized with a token that the service does not take", async () => {
    const server = await resource()

    const error = await Effect.runPromise(
      Effect.flip(chat).pipe(
        Effect.provide(
          deployment(server.url, {
            getToken: () => Promise.resolve({ token: "another", expiresOnTimestamp: Date.now() + 60_000 })
          })
        )
      )
    )

    assert.deepStrictEqual([error._tag, error.status], ["Unauthorized", 401])
  })

  it("falls back, once it is clear that there is no token to be had", async () => {
    const server = await resource()
    const noIdentity = deployment(server.url, new EnvironmentCredential()).pipe(
      Deployment.orElse(
        Deployment.standard({ deployment: "gpt-4o", endpoint: server.url, credential: Entra.layer(known) })
      ),
      Layer.provide(NodeHttpClient.layerUndici)
    )

    const { served } = await Effect.runPromise(
      chat.pipe(Effect.provide([noIdentity, Logger.minimumLogLevel(LogLevel.None)]))
    )

    // What was not sent for want of a token is no attempt.
    assert.deepStrictEqual(
      served.attempts.map(({ deployment, outcome }) => [deployment, outcome]),
      [["gpt-4o", "answered"]]
    )
    assert.strictEqual(served.outcome, "fallback")
    assert.deepStrictEqual(await server.asked(), ["gpt-4o 200"])
  })
})

const known: Entra.TokenCredential = {
  getToken: () => Promise.resolve({ token: "a-token", expiresOnTimestamp: Date.now() + 3_600_000 })
}
