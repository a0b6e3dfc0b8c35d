import { HttpClient } from "@effect/platform"
import type { HttpClientError } from "@effect/platform"
import * as UndiciHttpClient from "@spillway/azure-openai/UndiciHttpClient"
import { Effect } from "effect"
import type { IncomingMessage } from "node:http"
import { httpServer } from "./sockets.js"

export const untraced = HttpClient.withTracerDisabledWhen(() => true)

// Both ways through the client: with a span of its own, which is platform's code, and without.
export const ways = [
  ["without a span", Effect.map(HttpClient.HttpClient, untraced)],
  ["with a span", HttpClient.HttpClient]
] as const

export const provided = Effect.provide(UndiciHttpClient.layer)

/** The code of what caused an error, else its name. */
export const codeOf = (error: HttpClientError.HttpClientError): unknown =>
  error.cause instanceof Error ? ("code" in error.cause && error.cause.code) || error.cause.name : undefined

/** What a server was sent. */
interface Received {
  readonly line: string
  readonly headers: IncomingMessage["headers"]
  readonly body: string
}

/** A server that answers `ok` and keeps what it was sent. */
export const recorder = Effect.gen(function* () {
  const received: Array<Received> = []
  const { url } = yield* httpServer((request, response) => {
    const body: Array<Buffer> = []
    request.on("data", (data: Buffer) => body.push(data))
    request.on("end", () => {
      received.push({
        line: `${request.method} ${request.url}`,
        headers: request.headers,
        body: Buffer.concat(body).toString()
      })
      response.end("ok")
    })
  })
  return { url, received }
})
