/** The `openai` package, as it comes and with Spillway below it. */
import { FetchBridge } from "@spillway/azure-openai"
import * as UndiciHttpClient from "@spillway/azure-openai/UndiciHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type { ClientOptions } from "openai"
import { AzureOpenAI } from "openai"
import * as Conversation from "../Conversation.js"
import * as Deployments from "../Deployments.js"
import * as ByHand from "./ByHand.js"
import type { Client, Definition } from "./Client.js"

const client = (endpoint: string, options: Pick<ClientOptions, "fetch" | "maxRetries">): Client => {
  const azure = new AzureOpenAI({
    endpoint,
    apiKey: ByHand.key,
    apiVersion: "2024-10-21",
    deployment: "gpt-4o-ptu",
    ...options
  })
  const request = { ...Conversation.request, messages: [...Conversation.request.messages], model: Conversation.model }
  return {
    chat: async () => (await azure.chat.completions.create(request)).choices[0]?.message.content ?? "",
    stream: async () => {
      let text = ""
      for await (const chunk of await azure.chat.completions.create({ ...request, stream: true })) {
        text += chunk.choices[0]?.delta.content ?? ""
      }
      return text
    }
  }
}

/** Its own two retries are on, as people have it. */
export const openai: Definition = {
  id: "openai",
  name: "openai SDK",
  make: (origin) => Effect.sync(() => client(origin, {}))
}

/** Its own retries are off: Spillway has them. */
export const bridge: Definition = {
  id: "openai-bridge",
  name: "openai SDK, Spillway's fetch below it",
  make: (origin) =>
    Effect.gen(function* () {
      const runtime = yield* Effect.acquireRelease(
        Effect.sync(() => ManagedRuntime.make(Layer.provide(Deployments.everything(origin), UndiciHttpClient.layer))),
        (runtime) => runtime.disposeEffect
      )
      const fetch = yield* Effect.promise(() => runtime.runPromise(FetchBridge.make))
      return client("https://unused.example", { fetch, maxRetries: 0 })
    })
}
