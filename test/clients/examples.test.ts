import type { Deployment } from "@spillway/azure-openai"
import { Script } from "@spillway/emulator"
import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { program as aiSdk } from "./examples/ai-sdk.js"
import { program as effectAi } from "./examples/effect-ai.js"
import { program as langchain } from "./examples/langchain.js"
import { program as openai } from "./examples/openai.js"
import { busyThen } from "./support/server.js"

const programs: ReadonlyArray<readonly [string, Effect.Effect<string, unknown, Deployment.Deployment>]> = [
  ["openai", openai],
  ["the AI SDK", aiSdk],
  ["LangChain.js", langchain],
  ["@effect/ai-openai", effectAi]
]

describe("an example of each bridge", () => {
  for (const [name, program] of programs) {
    it(`${name}: waits for the PTUs, and answers`, async () => {
      const server = await busyThen(Script.answer({ text: "hello" }))

      assert.strictEqual(await Effect.runPromise(Effect.provide(program, server.chat)), "hello")
      assert.deepStrictEqual(await server.asked(), ["gpt-4o-ptu 429", "gpt-4o-ptu 200"])
    })
  }
})
