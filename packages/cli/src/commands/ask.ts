import type { ChatCompletion } from "@spillway/azure-openai"
import { AzureOpenAI } from "@spillway/azure-openai"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as CallReport from "../CallReport.js"
import * as Environment from "../Environment.js"
import * as Exporter from "../Exporter.js"
import { Failed, Misuse } from "../Failure.js"
import type * as Help from "../Help.js"
import * as Policy from "../Policy.js"
import * as SpanCollector from "../SpanCollector.js"
import * as SpanTree from "../SpanTree.js"
import * as Style from "../Style.js"

const question = Args.text({ name: "QUESTION" }).pipe(Args.withDescription("What to ask, in quotes"))

const system = Options.text("system").pipe(
  Options.withPseudoName("TEXT"),
  Options.withDescription("Instructions to the model, put before the question"),
  Options.optional
)

const json = Options.boolean("json").pipe(
  Options.withDescription("Print the answer and how it came about as one JSON object")
)

const trace = Options.boolean("trace").pipe(
  Options.withDescription("Show on standard error what the call did when, as a tree of spans")
)

const variables: ReadonlyArray<Help.Row> = [
  ["AZURE_OPENAI_ENDPOINT", "URL of the resource (or OPENAI_API_BASE). Not set: the embedded emulator answers"],
  ["AZURE_OPENAI_API_KEY", "Its key (or OPENAI_API_KEY, OPEN_API_KEY)"],
  ["PTU_DEPLOYMENT", "Name of the provisioned deployment, asked first"],
  ["STANDARD_DEPLOYMENT", "Name of the Standard deployment, asked when the other has no capacity in time"],
  ["STANDARD_ENDPOINT", "Resource of the Standard deployment, if it is another"],
  ["STANDARD_API_KEY", "Its key, if it is another"],
  ["AZURE_OPENAI_API_VERSION", "A date such as 2024-10-21, for dated URLs. Not set: the v1 API"],
  ["PTU_MAX_WAIT", "Milliseconds to wait for the provisioned deployment at most. Default 4000"],
  ["MAX_RETRIES", "Retries on the Standard deployment. Default 2"],
  ["OTEL_EXPORTER_OTLP_ENDPOINT", "Collector for spans and metrics, such as http://localhost:4318"],
  ["OTEL_EXPORTER_PROMETHEUS_PORT", "Port at which Prometheus may scrape the metrics, such as 9464"]
]

// Fractions of a millisecond are noise to who reads this.
const toJson = ({ served, text, usage }: AzureOpenAI.ChatAnswer): string =>
  JSON.stringify({
    answer: text,
    servedBy: served.servedBy,
    deployment: served.deployment,
    outcome: served.outcome,
    attempts: served.attempts.map(({ deployment, durationMs, kind, retryAfterMs, status }) => ({
      deployment,
      kind,
      status: status ?? null,
      retryAfterMs: retryAfterMs ?? null,
      durationMs: Math.round(durationMs)
    })),
    waitedMs: Math.round(served.waitedMs),
    totalMs: Math.round(served.totalMs),
    usage: usage ?? null
  })

const target = (settings: Environment.Settings) =>
  Option.match(settings.resource, {
    onSome: (resource) =>
      Effect.map(
        Effect.promise(() => import("@effect/platform-node/NodeHttpClient")),
        ({ layerUndici }) => ({ resource, client: layerUndici })
      ),
    onNone: () =>
      Effect.gen(function* () {
        yield* Console.error(
          Style.stderr.yellow("AZURE_OPENAI_ENDPOINT is not set: the embedded emulator answers, in made-up words.")
        )
        const { layerClient } = yield* Effect.promise(() => import("../EmbeddedEmulator.js"))
        const endpoint = new URL("http://emulator.local")
        const apiKey = Redacted.make("emulator")
        return {
          resource: { endpoint, apiKey, standardEndpoint: endpoint, standardApiKey: apiKey, apiVersion: undefined },
          client: layerClient({ provisioned: settings.ptuDeployment, standard: settings.standardDeployment })
        }
      })
  })

const messages = (system: Option.Option<string>, question: string): ChatCompletion.ChatRequest["messages"] => {
  const asked = { role: "user", content: question } as const
  return Option.match(system, {
    onNone: () => [asked],
    onSome: (content) => [{ role: "system", content }, asked]
  })
}

const read = (question: string): Effect.Effect<Environment.Settings, Misuse> => {
  const problems = question.trim() === "" ? ["QUESTION: empty, expected a text"] : []
  return Environment.settings.pipe(
    Effect.mapError((misuse) => new Misuse({ problems: [...problems, ...misuse.problems] })),
    Effect.filterOrFail(
      () => problems.length === 0,
      () => new Misuse({ problems })
    )
  )
}

export const ask = Command.make("ask", { question, system, json, trace }, ({ json, question, system, trace }) =>
  Effect.gen(function* () {
    const settings = yield* read(question)
    const { client, resource } = yield* target(settings)
    const secrets = [resource.apiKey, resource.standardApiKey]
    const showTrace = SpanCollector.tap((spans) =>
      trace && spans.length > 0 ? Console.error(`\n${SpanTree.renderAll(spans, Style.stderr)}`) : Effect.void
    )
    // The exporter is outermost: nobody waits for a collector to read the answer.
    yield* AzureOpenAI.chat({ messages: messages(system, question) }).pipe(
      Effect.tapError((error) => Console.error(CallReport.failed(error, secrets, Style.stderr))),
      Effect.mapError(() => new Failed()),
      Effect.tap((answer) => Console.log(json ? toJson(answer) : answer.text)),
      Effect.tap(({ served }) => (json ? Effect.void : Console.error(Style.stderr.dim(CallReport.served(served))))),
      Effect.provide(
        Policy.layer(settings, resource).pipe(Layer.provide(client), Layer.mapError(Environment.toMisuse))
      ),
      showTrace,
      Effect.provide(Exporter.layer(settings.exports))
    )
  })
).pipe(Command.withDescription("Ask once: the PTU deployment first, Standard beyond the wait you can afford"))

export const help: Help.Entry = {
  name: "ask",
  descriptor: ask.descriptor,
  notes: [{ title: "Environment", rows: variables }]
}
