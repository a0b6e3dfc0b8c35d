import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import type * as Help from "../Help.js"

const question = Args.text({ name: "QUESTION" }).pipe(Args.withDescription("What to ask, in quotes"))

const system = Options.text("system").pipe(
  Options.withPseudoName("TEXT"),
  Options.withDescription("Instructions to the model, put before the question"),
  Options.optional
)

const stream = Options.boolean("stream").pipe(Options.withDescription("Print the answer while it is written"))

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

export const ask = Command.make("ask", { question, system, stream, json, trace }, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("../Ask.js")),
    ({ run }) => run(options)
  )
).pipe(Command.withDescription("Ask once: PTU first, Standard beyond your wait budget"))

export const help: Help.Entry = {
  name: "ask",
  descriptor: ask.descriptor,
  notes: [{ title: "Environment", rows: variables }]
}
