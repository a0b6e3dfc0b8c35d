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

const at = (endpoint: string, deployment: string): Deployment.Options => ({
  deployment,
  endpoint,
  apiKey: Redacted.make("demo"),
  model: Scenario.model
})

const standard = (endpoint: string) =>
  Deployment.standard({ ...at(endpoint, Scenario.deployments.standard), prices: Scenario.prices })

/** The policy the calls go through. */
export const chat = (endpoint: string) =>
  Deployment.provisioned(at(endpoint, Scenario.deployments.provisioned)).pipe(
    Deployment.retry(RetryAfter.within(Scenario.maxWait)),
    Deployment.orElse(standard(endpoint).pipe(Deployment.retry(RetryAfter.retries(2))))
  )

const Resource = Emulator.serve.pipe(
  Layer.provide(Emulator.layer(Scenario.resource)),
  Layer.provideMerge(LoopbackServer.layer(0))
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
  ].join(" · ")
}

const burst = Effect.gen(function* () {
  const url = yield* LoopbackServer.url
  yield* Console.error(`${Scenario.introduction(url)}\n`)
  yield* Burst.warmUp.pipe(Effect.provide(standard(url)), Effect.withTracerEnabled(false))
  const done: Array<Burst.Result> = []
  const startedAt = performance.now()
  const [results, spans] = yield* Burst.run((result) => done.push(result)).pipe(
    Effect.provide(chat(url)),
    SpanCollector.collect,
    Progress.show(() => progressLine(done, startedAt))
  )
  return { results, spans, tookMs: performance.now() - startedAt }
}).pipe(
  Effect.provide(NodeHttpClient.layerUndici),
  Effect.provide(Resource),
  // The resource and its addresses are the demo's own: what is wrong with them is a defect.
  Effect.orDie
)

// Where there is no terminal there is no edge either.
const page: Report.Page = { style: Style.stdout, width: process.stdout.isTTY ? process.stdout.columns : 100 }

/** Plays the scenario and reports. Fails when a call failed. */
export const run = (options: {
  readonly json: boolean
  readonly trace: boolean
}): Effect.Effect<void, Failed | Misuse> =>
  Effect.gen(function* () {
    const exports = yield* Environment.exports
    yield* Effect.gen(function* () {
      const { results, spans, tookMs } = yield* burst
      if (options.trace) yield* Console.error(`${SpanTree.renderAll(spans)}\n`)
      const failures = Report.failures(results)
      if (failures.length > 0) yield* Console.error(failures.join("\n"))
      yield* Console.log(
        options.json ? JSON.stringify(Summary.make(results)) : Report.render(results, spans, tookMs, page)
      )
      if (failures.length > 0) yield* new Failed()
    }).pipe(Effect.provide(Exporter.layer(exports)))
  })
