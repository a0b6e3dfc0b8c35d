import { Headers, HttpClient, HttpClientRequest } from "@effect/platform"
import { Clock, Effect, Schema, Stream } from "effect"
import type { Options } from "./calls.js"

const host = "https://contoso.openai.azure.com"

/** Opens a stream; what its body says is still to be read. */
export const open = (path: string, body: object, options: Options = {}) =>
  HttpClient.execute(
    HttpClientRequest.make("POST")(`${options.baseUrl ?? host}${path}`, {
      headers: Headers.fromInput(options.headers ?? { "api-key": "k" })
    }).pipe(HttpClientRequest.bodyText(JSON.stringify(body), "application/json"))
  )

export const openChat = (deployment: string, body: object, options: Options = {}) =>
  open("/openai/v1/chat/completions", { model: deployment, stream: true, ...body }, options)

/** What came, piece by piece: when, in milliseconds, and the text. */
export const pieces = (opened: ReturnType<typeof open>) =>
  Effect.flatMap(opened, (response) =>
    response.stream.pipe(
      Stream.decodeText(),
      Stream.mapEffect((text) => Effect.map(Clock.currentTimeMillis, (at) => [at, text] as const)),
      Stream.runCollect,
      Effect.map((chunk) => Array.from(chunk))
    )
  )

/** The data of each event in a text, as JSON where it is JSON. */
export const events = (text: string): ReadonlyArray<unknown> =>
  text
    .split("\n\n")
    .filter((event) => event !== "")
    .map((event) => {
      const data = event.replace(/^event: .*\n/, "").replace(/^data: /, "")
      return data === "[DONE]" ? data : (JSON.parse(data) as unknown)
    })

const Chunk = Schema.Struct({
  id: Schema.String,
  choices: Schema.Array(
    Schema.Struct({
      index: Schema.Int,
      finish_reason: Schema.NullOr(Schema.String),
      delta: Schema.optional(Schema.Struct({ content: Schema.optional(Schema.String) }))
    })
  )
})

/** The text that a streamed chat says in one choice, and how it finished. */
export const said = (events: ReadonlyArray<unknown>, index = 0) => {
  const chunks = events.filter((event) => event !== "[DONE]").map((event) => Schema.decodeUnknownSync(Chunk)(event))
  const choices = chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.index === index)
  return {
    text: choices.map((choice) => choice.delta?.content ?? "").join(""),
    finish: choices.map((choice) => choice.finish_reason).filter((reason) => reason !== null)
  }
}
