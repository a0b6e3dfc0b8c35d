import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, Deployment } from "@spillway/azure-openai"
import { Emulator, Script } from "@spillway/emulator"
import { Effect, Layer, Schema } from "effect"
import { program as compose } from "./examples/compose.js"
import { program as stream } from "./examples/stream.js"
import { Invoice, program as structured } from "./examples/structured.js"
import { asLayers, at, hello, inProcess, inVirtualTime, sent } from "./support/scenario.js"

const policy = Layer.orDie(asLayers({}))

/** The emulator with capacity of its own, in place of Azure. */
const emulated = Emulator.layerClient.pipe(
  Layer.provide(
    Emulator.layer({
      deployments: [
        { name: "ptu", kind: "provisioned", model: "gpt-4o", ptus: 50 },
        { name: "std", kind: "standard", model: "gpt-4o" }
      ]
    })
  )
)

// Those of the bridges, in test/clients/examples, are written against other people's clients, so test/clients runs them.
describe("examples", () => {
  it.effect("compose into an Effect program", () =>
    Effect.gen(function* () {
      const story = yield* inVirtualTime(Effect.provide(compose, policy))

      assert.match(story, /^.+\n\n.+\n.+$/)
    }).pipe(Effect.provide(emulated))
  )

  it.effect("stream to a terminal", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      const tokens = yield* inVirtualTime(
        Effect.provide(
          stream((text) => void written.push(text)),
          policy
        )
      )

      assert.isAbove(written.filter((text) => text !== "").length, 1)
      assert.isAbove(tokens, 10)
    }).pipe(Effect.provide(emulated))
  )

  it.effect("structured output", () =>
    Effect.gen(function* () {
      const invoice = yield* inVirtualTime(Effect.provide(structured, policy))

      assert.isTrue(Schema.is(Invoice)(invoice))
    }).pipe(Effect.provide(emulated))
  )

  it.effect("swap deployments via Layers: the program does not change", () =>
    Effect.gen(function* () {
      const program = Effect.map(AzureOpenAI.chat(hello), (answer) => answer.served.deployment)
      const only = (deployment: string) => Layer.orDie(Deployment.standard(at(deployment)))

      assert.strictEqual(yield* Effect.provide(program, only("std")), "std")
      assert.strictEqual(yield* Effect.provide(program, policy), "ptu")
      assert.deepStrictEqual(
        (yield* sent).map(([deployment]) => deployment),
        ["std", "ptu"]
      )
    }).pipe(Effect.provide(inProcess(Script.make({ ptu: [Script.answer()], std: [Script.answer()] }))))
  )
})
