import { assert, describe, it } from "@effect/vitest"
import { Emulator, EmulatorConfig, Model } from "@spillway/emulator"
import { Cause, Effect, Exit, Option } from "effect"

const problems = (input: unknown) =>
  EmulatorConfig.decode(input).pipe(
    Effect.flip,
    Effect.map((error) => error.problems.map(({ message, path }) => `${path}: ${message}`))
  )

describe("EmulatorConfig", () => {
  it.effect("accepts the defaults, and what JSON can say", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* EmulatorConfig.decode(EmulatorConfig.defaults), EmulatorConfig.defaults)
      const json: unknown = JSON.parse(
        `{"region":"Sweden Central","apiKeys":["k"],"seed":7,"deployments":[
          {"name":"p","kind":"provisioned","model":"gpt-4o-mini","ptus":25,"windowSeconds":0.5,"latency":{"jitter":0.1}},
          {"name":"s","kind":"standard","model":"my-fine-tune","tokensPerMinute":10000,"requestsPerMinute":60}]}`
      )
      const config = yield* EmulatorConfig.decode(json)
      assert.deepStrictEqual(
        config.deployments.map((deployment) => [deployment.name, deployment.kind]),
        [
          ["p", "provisioned"],
          ["s", "standard"]
        ]
      )
    })
  )

  it.effect("names every problem with its path", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* problems({
          region: "",
          deployments: [
            { name: "p", kind: "provisioned", model: "gpt-4o", ptus: 1.5, windowSeconds: 0 },
            { name: "s", kind: "standard", model: "gpt-4o", ptus: 15, latency: { jitter: 2 } },
            { kind: "standard", model: 4 },
            { name: "x", kind: "batch", model: "gpt-4o" }
          ],
          colour: "blue"
        }),
        [
          'colour: is unexpected, expected: "region" | "apiKeys" | "entra" | "seed" | "maxBodyBytes" | "recordedRequests" | "spilloverHeaders" | "deployments" | "faults"',
          "region: must not be empty",
          "deployments[0].ptus: must be a whole number above 0",
          "deployments[0].windowSeconds: must be a number above 0",
          'deployments[1].ptus: is unexpected, expected: "kind" | "name" | "model" | "latency" | "defaultMaxTokens" | "answerTokens" | "contentFilter" | "burstTokens" | "responsesThrottle" | "tokensPerMinute" | "requestsPerMinute"',
          "deployments[1].latency.jitter: must be a number from 0 to 1",
          "deployments[2].name: is missing",
          "deployments[2].model: expected a string, got a number",
          'deployments[3].kind: expected one of "provisioned", "standard", got a string'
        ]
      )
    })
  )

  it.effect("repeats no value: it may be a key or a token", () =>
    Effect.gen(function* () {
      const deployments = EmulatorConfig.defaults.deployments
      assert.deepStrictEqual(
        yield* problems({
          apiKeys: "SECRET",
          entra: { tokens: ["SECRET", { value: ["SECRET"] }], audiences: { SECRET: true } },
          seed: { SECRET: [] },
          deployments
        }),
        [
          "apiKeys: expected a list, got a string",
          "entra.audiences: expected a list, got an object",
          "entra.tokens[0]: expected an object, got a string",
          "entra.tokens[1].value: expected a string, got a list",
          "seed: expected a string or a number, got an object"
        ]
      )
    })
  )

  it.effect("says of what is no configuration at all what it is", () =>
    Effect.gen(function* () {
      let deep: unknown = []
      for (let depth = 0; depth < 100_000; depth++) deep = [deep]
      for (const [input, got] of [
        [[], "a list"],
        [deep, "a list"],
        [null, "null"],
        ["x", "a string"],
        [undefined, "nothing"]
      ]) {
        assert.deepStrictEqual(yield* problems(input), [`: expected an object, got ${String(got)}`])
      }
      assert.deepStrictEqual(yield* problems({ deployments: deep }), ["deployments[0].kind: is missing"])
    })
  )

  it.effect("names a model without PTU figures, unless they are given", () =>
    Effect.gen(function* () {
      const deployment = { name: "p", kind: "provisioned", model: "my-model" }

      const [problem] = yield* problems({ deployments: [deployment] })

      assert.match(problem ?? "", /^deployments\[0\]\.model: no PTU figures are known for "my-model": give input/)
      yield* EmulatorConfig.decode({ deployments: [{ ...deployment, inputTokensPerMinutePerPtu: 1000 }] })
    })
  )

  it.effect("names a deployment listed twice, and an empty list", () =>
    Effect.gen(function* () {
      const deployment = { name: "s", kind: "standard", model: "gpt-4o" }

      assert.deepStrictEqual(yield* problems({ deployments: [deployment, deployment] }), [
        `deployments[1].name: a deployment named "s" is listed already`
      ])
      assert.deepStrictEqual(yield* problems({ deployments: [] }), ["deployments: must list at least one deployment"])
      assert.deepStrictEqual(yield* problems({}), ["deployments: is missing"])
    })
  )

  it.effect("is a defect in a layer made from what is wrong", () =>
    Effect.gen(function* () {
      const exit = yield* Emulator.Emulator.pipe(
        Effect.provide(
          Emulator.layer({ deployments: [{ name: "p", kind: "provisioned", model: "gpt-4o", ptus: -1 }] })
        ),
        Effect.exit
      )

      const defect = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.dieOption(exit.cause)) : undefined
      assert.instanceOf(defect, EmulatorConfig.InvalidConfig)
      assert.strictEqual(defect.message, "deployments[0].ptus: must be a whole number above 0")
    })
  )

  it("knows the documented PTU figures", () => {
    const figures = (name: string) => {
      const model = Model.catalogue[name]
      return [model?.inputTokensPerMinutePerPtu, model?.outputWeight, model?.minimumPtus]
    }

    assert.deepStrictEqual(figures("gpt-4o"), [2500, 4, 15])
    assert.deepStrictEqual(figures("gpt-5"), [4750, 8, 15])
    assert.deepStrictEqual(figures("gpt-5.4"), [2400, 6, 15])
    assert.deepStrictEqual(figures("DeepSeek-R1"), [4000, 4, 100])
    assert.deepStrictEqual(
      Object.values(Model.catalogue)
        .filter((model) => model.provisionedPromptLimit === 128_000)
        .map((model) => model.name),
      ["gpt-5.4", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano"]
    )
  })
})
