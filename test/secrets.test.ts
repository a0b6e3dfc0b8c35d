import type { HttpClient } from "@effect/platform"
import { FetchHttpClient, HttpServer } from "@effect/platform"
import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, CallError } from "@spillway/azure-openai"
import * as UndiciHttpClient from "@spillway/azure-openai/UndiciHttpClient"
import { Emulator, ErrorReply, Script } from "@spillway/emulator"
import { Cause, Effect, Either, HashMap, Layer, List, Logger, LogLevel, Schema } from "effect"
import { createServer } from "node:http"
import { inspect } from "node:util"
import { asLayers, key } from "./support/scenario.js"
import { recorder } from "./support/spans.js"

const prompt = "a-prompt-nobody-else-may-read"
const answer = "an-answer-nobody-else-may-read"

const step = {
  throttled: Script.throttled({ retryAfterMs: 5 }),
  answer: Script.answer({ text: answer }),
  // A service that quotes the key and the prompt back.
  quoting: Script.reply({ status: 400, body: { error: { code: "bad", message: `${key} ${prompt}`, param: prompt } } }),
  quoting401: Script.reply({ status: 401, body: { error: { code: key, message: `wrong key ${key}` } } }),
  malformed: Script.reply({ body: { id: "x", choices: [{ message: { content: { text: answer } } }] } }),
  broken: Script.reply({ body: `{"choices":[{"message":{"content":"${answer}` }),
  refused: Script.refuse(),
  filtered: Script.error(ErrorReply.contentFiltered)
}

const courses: ReadonlyArray<{ readonly name: string; readonly ptu: ReadonlyArray<Script.Step> }> = [
  { name: "an answer after a wait", ptu: [step.throttled, step.answer] },
  { name: "a reply that quotes key and prompt", ptu: [step.quoting] },
  { name: "a 401 that quotes the key", ptu: [step.quoting401] },
  { name: "an answer of another shape", ptu: [step.malformed] },
  { name: "an answer cut off", ptu: [step.broken] },
  { name: "a dropped connection", ptu: [step.refused] },
  { name: "a filtered prompt", ptu: [step.filtered] }
]

const clients: ReadonlyArray<readonly [string, Layer.Layer<HttpClient.HttpClient>]> = [
  ["platform's undici", NodeHttpClient.layerUndici],
  ["UndiciHttpClient", UndiciHttpClient.layer],
  ["fetch", FetchHttpClient.layer]
]

describe.concurrent.each(clients)("over %s, key, prompt and answer are nowhere", (_, client) => {
  it.live.each([...courses])("in spans, logs, errors and JSON: $name", ({ ptu }) =>
    Effect.gen(function* () {
      const { layer: tracer, spans } = yield* recorder
      const logged: Array<string> = []
      const logger = Logger.make(({ annotations, cause, message, spans }) => {
        logged.push(
          inspect([message, Cause.pretty(cause), HashMap.toEntries(annotations), List.toArray(spans)], { depth: 9 })
        )
      })
      const { address } = yield* HttpServer.HttpServer
      const endpoint = address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : ""
      const call = AzureOpenAI.chat({ messages: [{ role: "user", content: prompt }] }).pipe(
        Effect.tapErrorCause((cause) => Effect.logError("failed", cause)),
        Effect.tapError((error) => Effect.logDebug(error)),
        Effect.either,
        Effect.provide(Layer.orDie(asLayers({}, endpoint))),
        Effect.provide([tracer, Logger.replace(Logger.defaultLogger, logger), Logger.minimumLogLevel(LogLevel.All)])
      )
      const reply = yield* call
      const requests = yield* Effect.flatMap(Emulator.Emulator, (emulator) => emulator.requests)

      // The key and the prompt were really sent.
      assert.isAbove(requests.length, 0)
      for (const request of requests) {
        assert.strictEqual(request.headers["api-key"], key)
        assert.include(JSON.stringify(request.body), prompt)
      }
      const written = [
        ...logged,
        // The exit of a span that succeeded holds the answer, in memory; no exporter reads it.
        ...spans.map((span) =>
          inspect({ ...span, exit: span.exit?._tag === "Success" ? undefined : span.exit }, { depth: 9 })
        ),
        ...Either.match(reply, {
          onRight: (found) => [inspect(found.served, { depth: 9 }), JSON.stringify(found.served)],
          onLeft: (error) => [
            String(error),
            error.message,
            error.stack ?? "",
            JSON.stringify(error),
            inspect(error, { depth: 9, showHidden: true }),
            Cause.pretty(Cause.fail(error), { renderErrorCause: true }),
            JSON.stringify(Schema.encodeSync(CallError.CallError)(error))
          ]
        })
      ]
      assert.isAbove(spans.length, 1)
      for (const text of written) {
        assert.notInclude(text, key)
        assert.notInclude(text, prompt)
        assert.notInclude(text, answer)
      }
    }).pipe(
      Effect.provide(
        Emulator.serve.pipe(
          Layer.provideMerge(
            Emulator.layerScripted(Script.make({ ptu, std: [Script.forever(Script.answer({ text: answer }))] }))
          ),
          Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
          Layer.merge(client)
        )
      )
    )
  )
})
