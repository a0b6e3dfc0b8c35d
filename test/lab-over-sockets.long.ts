/**
 * The lab's figures beside the same code over real sockets: a minute of traffic at 1.5 times the PTUs' capacity, with some two
 * hundred callers at a time, against the emulator's server. It takes two minutes, so it is a command of its own: `pnpm test:long`.
 */
import { HttpServer } from "@effect/platform"
import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Admission, AzureOpenAI, Deployment } from "@spillway/azure-openai"
import { CallSettings, RetryAfter } from "@spillway/core"
import { Emulator, Model } from "@spillway/emulator"
import type { Policy, Request } from "@spillway/lab"
import { Scenario, Simulation, Spillway, Statistics, Workload } from "@spillway/lab"
import { Console, Effect, Layer, Redacted } from "effect"
import { createServer } from "node:http"

const ptus = 400
const seconds = 60
const firstTokenMs = 250
const tokensPerSecond = 20
const model = Model.findOrGeneric("gpt-4o")
const standardTokensPerMinute = 10_000_000
const pace = { firstTokenMs, firstTokenSigma: 0, tokensPerSecond, tokensSigma: 0 }

const scenario: Scenario.Scenario = {
  ...Scenario.defaults,
  traffic: { _tag: "Synthetic", shape: "steady" },
  model,
  inputTokensPerMinutePerPtu: 2500,
  ptus,
  load: 1.5,
  windowSeconds: 2,
  // Short enough for some to go to Standard within the minute.
  maxWaitMs: { interactive: 4000, batch: 20_000 },
  // The emulator's answers are as long as they may be.
  maxTokens: { _tag: "Proportional", median: 1, sigma: 0 },
  network: { baseMs: 0, meanExtraMs: 0, spikeShare: 0, spikeMs: 0 },
  pace: { provisioned: pace, standard: pace },
  faults: { errorShare: 0, timeoutShare: 0, timeoutMs: 5000 },
  standardTokensPerMinute
}

const drain = Scenario.drain(scenario, ptus)
const arrivals: ReadonlyArray<Request.Arrival> = [
  ...Workload.synthetic("steady", {
    tokensPerSecond: drain,
    outputWeight: model.outputWeight,
    // Sizes are cut below, which takes from the demand; this makes up for it.
    load: 1.5 * 1.875,
    limits: { promptTokens: 3000, outputTokens: 200 }
  }).arrivals(1)
].filter(({ at }) => at < seconds * 1000)

interface Figures {
  readonly standardTokenShare: number
  readonly rejectedPerRequest: number
  readonly interactiveP50: number
  readonly interactiveP95: number
  readonly batchP50: number
}

const inLab = (policy: Policy.Policy) => {
  const setup = Scenario.setup(scenario)
  const requests: Array<Request.Request> = []
  const simulation = new Simulation.Simulation(
    {
      ...setup,
      workload: {
        ...setup.workload,
        measured: { from: 0, to: seconds * 1000 },
        until: seconds * 1000,
        arrivals: () => arrivals
      }
    },
    {
      ...policy,
      start: (lab) => {
        const accept = policy.start(lab)
        return (request) => {
          requests.push(request)
          accept(request)
        }
      }
    },
    1
  )
  while (simulation.run(100_000));
  const { rejectedPerRequest, standardTokenShare, waitMs } = simulation.tally.metrics()
  const figures: Figures = {
    standardTokenShare,
    rejectedPerRequest,
    interactiveP50: waitMs.interactive.p50,
    interactiveP95: waitMs.interactive.p95,
    batchP50: waitMs.batch.p50
  }
  return { figures, requests }
}

const latency = { firstTokenMs, tokensPerSecond }
const answerTokens = { min: model.maxOutputTokens, max: model.maxOutputTokens }
const Server = Emulator.serve.pipe(
  Layer.provideMerge(
    Emulator.layer({
      deployments: [
        { name: "ptu", kind: "provisioned", model: "gpt-4o", ptus, windowSeconds: 2, latency, answerTokens },
        {
          name: "std",
          kind: "standard",
          model: "gpt-4o",
          tokensPerMinute: standardTokensPerMinute,
          latency,
          answerTokens
        }
      ]
    })
  ),
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
)

const chain = (endpoint: string) => {
  const at = (deployment: string): Deployment.Options => ({
    deployment,
    model: "gpt-4o",
    endpoint,
    apiKey: Redacted.make("a-key")
  })
  return Deployment.provisioned(at("ptu")).pipe(
    Layer.provide(Admission.layer({ ptus })),
    Deployment.retry(RetryAfter.within("4 seconds")),
    Deployment.orElse(Deployment.standard(at("std")).pipe(Deployment.retry(RetryAfter.retries(2)))),
    Layer.provide(NodeHttpClient.layerUndici)
  )
}

const overSockets = (requests: ReadonlyArray<Request.Request>) =>
  Effect.gen(function* () {
    const { address } = yield* HttpServer.HttpServer
    const port = address._tag === "TcpAddress" ? address.port : 0
    let open = 0
    let most = 0
    const served = yield* Effect.forEach(
      requests,
      (request) =>
        Effect.suspend(() => {
          most = Math.max(most, ++open)
          return AzureOpenAI.chat({
            messages: [{ role: "user", content: "word".repeat(request.promptTokens - 1) }],
            max_tokens: request.outputTokens
          })
        }).pipe(
          CallSettings.withMaxWait(request.budgetMs),
          CallSettings.withPriority(request.class),
          Effect.map(({ served }) => ({ request, served })),
          Effect.ensuring(Effect.sync(() => open--)),
          Effect.delay(request.arrivedAt)
        ),
      { concurrency: "unbounded" }
    ).pipe(Effect.provide(Layer.orDie(chain(`http://127.0.0.1:${port}`))))

    const cost = ({ outputTokens, promptTokens }: Request.Request) => promptTokens + model.outputWeight * outputTokens
    const sum = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0)
    const waits = (of: Request.Class) =>
      served
        .filter(({ request }) => request.class === of)
        .map(({ served }) => served.attempts.at(-1)?.startedMs ?? 0)
        .toSorted((a, b) => a - b)
    const figures: Figures = {
      standardTokenShare:
        sum(served.filter(({ served }) => served.servedBy === "standard").map(({ request }) => cost(request))) /
        sum(requests.map(cost)),
      rejectedPerRequest:
        sum(served.map(({ served }) => served.attempts.filter(({ status }) => status === 429).length)) /
        requests.length,
      interactiveP50: Statistics.percentile(waits("interactive"), 0.5),
      interactiveP95: Statistics.percentile(waits("interactive"), 0.95),
      batchP50: Statistics.percentile(waits("batch"), 0.5)
    }
    return { figures, most }
  })

describe("the lab agrees with the same code over real sockets", () => {
  it.live(
    "spillway",
    () =>
      Effect.gen(function* () {
        const lab = inLab(Spillway.spillway)
        const { figures, most } = yield* overSockets(lab.requests)
        yield* Console.log(`${lab.requests.length} calls, up to ${most} at once`)
        yield* Console.table({ lab: lab.figures, sockets: figures })

        assert.isAtLeast(most, 150)
        assert.closeTo(figures.standardTokenShare, lab.figures.standardTokenShare, 0.03)
        assert.closeTo(figures.rejectedPerRequest, lab.figures.rejectedPerRequest, 0.03)
        assert.closeTo(figures.interactiveP50, lab.figures.interactiveP50, 500)
        assert.closeTo(figures.interactiveP95, lab.figures.interactiveP95, 500)
        assert.closeTo(figures.batchP50, lab.figures.batchP50, 1500)
      }).pipe(Effect.provide(Server)),
    300_000
  )
})
