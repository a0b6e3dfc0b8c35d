/**
 * The lab takes the library apart: the gate's machine and the Schedule's functions, driven by events. Here the library runs as it
 * is, fibers, layers, HTTP client and all, against the emulator in process; both have to send the same requests at the same
 * times to the same deployments.
 */
import { Admission, AzureOpenAI, Deployment } from "@spillway/azure-openai"
import { CallSettings, RetryAfter } from "@spillway/core"
import { Emulator } from "@spillway/emulator"
import { assert, describe, it } from "@effect/vitest"
import type { Policy, Request } from "@spillway/lab"
import { Baselines, Scenario, Simulation, Spillway, VirtualClock } from "@spillway/lab"
import { Effect, Layer, Option, Redacted } from "effect"
import type { Sent } from "./support/lab.js"
import { finish, gpt4o, recorded } from "./support/lab.js"

const ptus = 15
const answerTokens = 120
const firstTokenMs = 200
const tokensPerSecond = 50

// Bursts that saturate 15 PTUs (625 tokens a second) for seconds, and a lull.
const arrivals: ReadonlyArray<Request.Arrival> = Array.from({ length: 60 }, (_, index) => ({
  at: Math.floor(index / 12) * 2000 + (index % 12) * 37 + (index > 40 ? 15_000 : 0),
  promptTokens: 40 + ((index * 53) % 200),
  outputTokens: answerTokens
}))

const pace = { firstTokenMs, firstTokenSigma: 0, tokensPerSecond, tokensSigma: 0 }

const scenario: Scenario.Scenario = {
  ...Scenario.defaults,
  traffic: { _tag: "Synthetic", shape: "steady" },
  model: gpt4o,
  inputTokensPerMinutePerPtu: 2500,
  ptus,
  windowSeconds: 2,
  maxWaitMs: { interactive: 1500, batch: 9000 },
  maxTokens: { _tag: "Fixed", tokens: 150 },
  network: { baseMs: 0, meanExtraMs: 0, spikeShare: 0, spikeMs: 0 },
  pace: { provisioned: pace, standard: pace },
  faults: { errorShare: 0, timeoutShare: 0, timeoutMs: 5000 },
  standardTokensPerMinute: 1_000_000
}

const inLab = (policy: Policy.Policy) => {
  const setup = Scenario.setup(scenario)
  const record = recorded(policy)
  finish(
    new Simulation.Simulation(
      {
        ...setup,
        workload: { ...setup.workload, measured: { from: 0, to: 60_000 }, until: 60_000, arrivals: () => arrivals }
      },
      record.policy,
      1
    )
  )
  return record
}

const endpoint = "https://contoso.openai.azure.com"
const at = (deployment: string): Deployment.Options => ({
  deployment,
  model: "gpt-4o",
  endpoint,
  apiKey: Redacted.make("a-key")
})

const latency = { firstTokenMs, tokensPerSecond }
const Resource = Emulator.layer({
  deployments: [
    {
      name: "ptu",
      kind: "provisioned",
      model: "gpt-4o",
      ptus,
      windowSeconds: 2,
      latency,
      answerTokens: { min: answerTokens, max: answerTokens }
    },
    {
      name: "std",
      kind: "standard",
      model: "gpt-4o",
      tokensPerMinute: 1_000_000,
      latency,
      answerTokens: { min: answerTokens, max: answerTokens }
    }
  ]
})

const Ptu = Deployment.provisioned(at("ptu"))

const chain = <R>(ptu: Layer.Layer<Deployment.Deployment, unknown, R>) =>
  ptu.pipe(
    Deployment.retry(RetryAfter.within("4 seconds")),
    Deployment.orElse(Deployment.standard(at("std")).pipe(Deployment.retry(RetryAfter.retries(2))))
  )

const policies = {
  published: chain(Ptu),
  spillway: chain(Ptu.pipe(Layer.provide(Admission.layer({ ptus }))))
}

/** The same requests through the library's front door. */
const inProcess = (requests: ReadonlyArray<Request.Request>, policy: keyof typeof policies) =>
  Effect.forEach(
    requests,
    (request) =>
      AzureOpenAI.chat({
        // The emulator, as Azure, takes a quarter of the characters for tokens, and one for the message.
        messages: [{ role: "user", content: "word".repeat(request.promptTokens - 1) }],
        max_tokens: request.maxTokens ?? 0
      }).pipe(
        CallSettings.withMaxWait(request.budgetMs),
        CallSettings.withPriority(request.class),
        Effect.map(({ served }) =>
          served.attempts.map(({ kind, startedMs }): Sent => ({
            index: request.index,
            kind,
            at: Math.round((request.arrivedAt + startedMs) * 1000) / 1000
          }))
        ),
        Effect.delay(request.arrivedAt)
      ),
    { concurrency: "unbounded" }
  ).pipe(
    Effect.map((attempts) => attempts.flat()),
    Effect.provide(policies[policy].pipe(Layer.provide(Emulator.layerClient), Layer.provide(Resource), Layer.orDie)),
    VirtualClock.run
  )

const byRequest = (sent: ReadonlyArray<Sent>): ReadonlyArray<Sent> =>
  sent
    .map((attempt) => ({ ...attempt, at: Math.round(attempt.at * 1000) / 1000 }))
    .toSorted((a, b) => a.index - b.index || a.at - b.at)

describe("the lab decides as the library does through its HTTP client", () => {
  for (const [name, policy] of [
    ["published", Baselines.publishedRule],
    ["spillway", Spillway.spillway]
  ] as const) {
    it.effect(policy.name, () =>
      Effect.gen(function* () {
        const lab = inLab(policy)
        const sent = yield* inProcess(lab.requests, name)

        // Something was refused and something spilled: else there was nothing to decide.
        const spilled = lab.sent.filter(({ kind }) => kind === "standard").length
        assert.isAbove(spilled, 5)
        assert.isBelow(spilled, 50)
        assert.isAbove(lab.sent.length, arrivals.length)
        assert.deepStrictEqual(byRequest(sent), byRequest(lab.sent))
      })
    )
  }

  it("has both classes in it", () => {
    const classes = new Set(inLab(Baselines.publishedRule).requests.map((request) => request.class))

    assert.deepStrictEqual([...classes].toSorted(), ["batch", "interactive"])
    assert.isTrue(Option.isSome(Scenario.tokensPerMinutePerPtu(gpt4o)))
  })
})
