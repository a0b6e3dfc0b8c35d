import { assert, describe, it } from "@effect/vitest"
import { Script } from "@spillway/emulator"
import { Effect } from "effect"
import { inProcess, inVirtualTime, resultOf, sent, throughEffects, throughLayers } from "./support/scenario.js"
import { scenarios } from "./support/scenarios.js"

for (const [way, through] of [
  ["as Layers", throughLayers],
  ["by Effect.retry and Fallback.orElse", throughEffects]
] as const) {
  describe(`the policy ${way}, in virtual time`, () => {
    it.effect.each([...scenarios])("$name", (scenario) =>
      Effect.gen(function* () {
        const reply = yield* inVirtualTime(through(scenario))

        assert.deepStrictEqual(yield* sent, scenario.sent)
        assert.strictEqual(resultOf(reply), scenario.result)
      }).pipe(Effect.provide(inProcess(Script.make(scenario.script))))
    )
  })
}
