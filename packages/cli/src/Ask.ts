/** One call, as the environment says, and how it came about. */
import type { CallError, ChatCompletion, Deployment, StreamBroken } from "@spillway/azure-openai"
import { AzureOpenAI, ChatStream } from "@spillway/azure-openai"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as CallReport from "./CallReport.js"
import * as Environment from "./Environment.js"
import * as Exporter from "./Exporter.js"
import { Failed, Misuse } from "./Failure.js"
import * as Policy from "./Policy.js"
import * as SpanCollector from "./SpanCollector.js"
import * as SpanTree from "./SpanTree.js"
import * as Style from "./Style.js"

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
        const { layerClient } = yield* Effect.promise(() => import("./EmbeddedEmulator.js"))
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

const tell = ({ completion, served, text }: AzureOpenAI.ChatAnswer, shown: boolean) =>
  Effect.gen(function* () {
    yield* Console.log(shown ? "" : text)
    const reason = completion.choices[0]?.finish_reason ?? "none"
    if (text === "") yield* Console.error(Style.stderr.yellow(`The answer is empty, its finish_reason: ${reason}.`))
    yield* Console.error(Style.stderr.dim(CallReport.served(served)))
  })

const write = (text: string) => Effect.sync(() => void process.stdout.write(text))

// The same answer in the end; on the way its text is written as it comes.
const streamed = (request: ChatCompletion.ChatRequest, write: (text: string) => Effect.Effect<void>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const began = yield* Clock.currentTimeNanos
      const { chunks, served } = yield* AzureOpenAI.beginChatStream({
        messages: request.messages,
        stream_options: { include_usage: true }
      })
      const completion = yield* ChatStream.completion(
        Stream.tap(chunks, (chunk) => write(chunk.choices[0]?.delta?.content ?? ""))
      )
      const totalMs = Number((yield* Clock.currentTimeNanos) - began) / 1e6
      const text = completion.choices[0]?.message.content ?? ""
      return { text, usage: completion.usage ?? undefined, completion, served: { ...served, totalMs } }
    })
  )

/** Asks, prints the answer to standard output and everything else to standard error. */
export const run = (options: {
  readonly question: string
  readonly system: Option.Option<string>
  readonly stream: boolean
  readonly json: boolean
  readonly trace: boolean
}): Effect.Effect<void, Failed | Misuse> =>
  Effect.gen(function* () {
    const settings = yield* read(options.question)
    const { client, resource } = yield* target(settings)
    const secrets = [resource.apiKey, resource.standardApiKey]
    const showTrace = SpanCollector.tap((spans) =>
      options.trace && spans.length > 0 ? Console.error(`\n${SpanTree.renderAll(spans)}`) : Effect.void
    )
    // The exporter is outermost: nobody waits for a collector to read the answer.
    const request = { messages: messages(options.system, options.question) }
    const shown = options.stream && !options.json
    const ask: Effect.Effect<
      AzureOpenAI.ChatAnswer,
      CallError.CallError | StreamBroken.StreamBroken,
      Deployment.Deployment
    > = options.stream ? streamed(request, shown ? write : () => Effect.void) : AzureOpenAI.chat(request)
    yield* ask.pipe(
      Effect.tapError((error) => Console.error(CallReport.failed(error, secrets, Style.stderr))),
      Effect.mapError(() => new Failed()),
      Effect.tap((answer) => (options.json ? Console.log(toJson(answer)) : tell(answer, shown))),
      Effect.provide(
        Policy.layer(settings, resource).pipe(Layer.provide(client), Layer.mapError(Environment.toMisuse))
      ),
      showTrace,
      Effect.provide(Exporter.layer(settings.exports))
    )
  })
