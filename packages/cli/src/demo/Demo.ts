/** The demo: an emulated resource behind a real socket, a burst of calls through the policy, and what came of them. */
import { Deployment } from "@spillway/azure-openai"
import { RetryAfter } from "@spillway/core"
import { Emulator } from "@spillway/emulator"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Environment from "../Environment.js"
import * as Exporter from "../Exporter.js"
import { Failed, type Misuse } from "../Failure.js"
import * as LoopbackServer from "../LoopbackServer.js"
import * as Progress from "../Progress.js"
import * as SpanCollector from "../SpanCollector.js"
import * as SpanTree from "../SpanTree.js"
import * as Style from "../Style.js"
import * as Burst from "./Burst.js"
import * as Report from "./Report.js"
import * as Scenario from "./Scenario.js"
import * as Summary from "./Summary.js"

const chat = (endpoint: string) => {
  const common = { endpoint, apiKey: Redacted.make("demo"), model: Scenario.model }
  const Standard = Deployment.standard({
    ...common,
    deployment: Scenario.deployments.standard,
    prices: Scenario.prices
  })
  return Deployment.provisioned({ ...common, deployment: Scenario.deployments.provisioned }).pipe(
    Deployment.retry(RetryAfter.within(Scenario.maxWait)),
    Deployment.orElse(Standard.pipe(Deployment.retry(RetryAfter.retries(2)))),
    Layer.provide(NodeHttpClient.layerUndici)
  )
}

// The server and the addresses are the demo's own: what fails here is a defect.
const Resource = Emulator.serve.pipe(
  Layer.provide(Emulator.layer(Scenario.resource)),
  Layer.provideMerge(LoopbackServer.layer(0)),
  Layer.orDie
)

const progressLine = (results: ReadonlyArray<Burst.Result>, startedAt: number): string => {
  const answered = Summary.answered(results)
  const count = (outcome: string) => answered.filter((result) => result.outcome === outcome).length
  return [
    `${((performance.now() - startedAt) / 1000).toFixed(1)} s`,
    `${results.length} of ${Scenario.calls} calls are done`,
    `${count("served")} at once`,
    `${count("served_after_wait")} after a wait`,
    `${count("fallback")} by Standard`
  ].join("  ·  ")
}

const burst = Effect.gen(function* () {
  const url = yield* LoopbackServer.url
  yield* Console.error(`${Scenario.introduction(url)}\n`)
  const done: Array<Burst.Result> = []
  const startedAt = performance.now()
  const results = yield* Burst.run((result) => done.push(result)).pipe(
    Effect.provide(Layer.orDie(chat(url))),
    Progress.show(() => progressLine(done, startedAt))
  )
  return { results, tookMs: performance.now() - startedAt }
})

/** Plays the scenario and reports. Fails when a call failed. */
export const run = (options: {
  readonly json: boolean
  readonly trace: boolean
}): Effect.Effect<void, Failed | Misuse> =>
  Effect.gen(function* () {
    const exports = yield* Environment.exports
    yield* Effect.gen(function* () {
      const [{ results, tookMs }, spans] = yield* SpanCollector.collect(Effect.provide(burst, Resource))
      if (options.trace) yield* Console.error(`${SpanTree.renderAll(spans, Style.stderr)}\n`)
      const failures = Report.failures(results)
      if (failures.length > 0) yield* Console.error(failures.join("\n"))
      yield* Console.log(
        options.json ? JSON.stringify(Summary.make(results)) : Report.render(results, spans, tookMs, Style.stdout)
      )
      if (failures.length > 0) yield* new Failed()
    }).pipe(Effect.provide(Exporter.layer(exports)))
  })
