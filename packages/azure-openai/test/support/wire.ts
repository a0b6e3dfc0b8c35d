import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type { ChatStream } from "@spillway/azure-openai"
import { Deployment } from "@spillway/azure-openai"
import type { Duration } from "effect"
import { Effect, Layer, Redacted, Runtime } from "effect"

/** A request as it went over the wire. */
export interface Sent {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Record<string, unknown> | undefined
}

/** What happens to the body of a reply, one after the other. */
export type Piece =
  | Uint8Array
  | string
  | { readonly wait: Duration.DurationInput }
  | { readonly reset: true }
  | { readonly hang: true }

export interface Prepared {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly pieces?: ReadonlyArray<Piece>
  /** Before the headers. */
  readonly delay?: Duration.DurationInput
  readonly refuse?: string
}

const encoder = new TextEncoder()

export interface Wire {
  readonly layer: Layer.Layer<HttpClient.HttpClient>
  readonly sent: ReadonlyArray<Sent>
  /** Replies whose connection was given up before their body was read to its end. */
  readonly aborted: ReadonlyArray<number>
  /** How many pieces of the body of reply `n` were asked for. */
  readonly pulled: (n: number) => number
}

/** An HTTP client that answers the nth request with the nth reply. */
export const wire = (replies: ReadonlyArray<Prepared>): Wire => {
  const sent: Array<Sent> = []
  const aborted: Array<number> = []
  const pulls = new Map<number, number>()

  const body = (
    n: number,
    pieces: ReadonlyArray<Piece>,
    signal: AbortSignal,
    run: (e: Effect.Effect<void>) => Promise<void>
  ) => {
    let at = 0
    let done = false
    signal.addEventListener("abort", () => {
      if (!done) aborted.push(n)
    })
    return new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          pulls.set(n, (pulls.get(n) ?? 0) + 1)
          for (;;) {
            const piece = pieces[at++]
            if (piece === undefined) {
              done = true
              controller.close()
              return
            }
            if (typeof piece === "string" || piece instanceof Uint8Array) {
              controller.enqueue(typeof piece === "string" ? encoder.encode(piece) : piece)
              return
            }
            if ("reset" in piece) {
              done = true
              controller.error(Object.assign(new Error("socket"), { code: "ECONNRESET" }))
              return
            }
            await run("hang" in piece ? Effect.never : Effect.sleep(piece.wait))
          }
        },
        cancel() {
          if (!done) aborted.push(n)
          done = true
        }
      },
      { highWaterMark: 0 }
    )
  }

  const client = HttpClient.make((request, url, signal) =>
    Effect.gen(function* () {
      const n = sent.length
      sent.push({
        method: request.method,
        url: url.href,
        headers: { ...request.headers },
        body: textOf(request) === undefined ? undefined : JSON.parse(textOf(request) ?? "")
      })
      const reply = replies[n]
      if (reply === undefined) return yield* Effect.die(new Error(`no reply prepared for request ${n + 1}`))
      if (reply.delay !== undefined) yield* Effect.sleep(reply.delay)
      if (reply.refuse !== undefined) {
        return yield* new HttpClientError.RequestError({
          request,
          reason: "Transport",
          cause: Object.assign(new Error("refused"), { code: reply.refuse })
        })
      }
      const runtime = yield* Effect.runtime()
      return HttpClientResponse.fromWeb(
        request,
        new Response(
          body(n, reply.pieces ?? [], signal, (effect) => Runtime.runPromise(runtime)(effect)),
          { status: reply.status ?? 200, headers: reply.headers ?? {} }
        )
      )
    })
  )
  return { layer: Layer.succeed(HttpClient.HttpClient, client), sent, aborted, pulled: (n) => pulls.get(n) ?? 0 }
}

const textOf = (request: HttpClientRequest.HttpClientRequest): string | undefined =>
  request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : undefined

export const endpoint = "https://contoso.openai.azure.com"
export const apiKey = Redacted.make("secret-key")

export const ptu = (options?: Partial<Deployment.Options>) =>
  Deployment.provisioned({ deployment: "gpt-4o-ptu", model: "gpt-4o", endpoint, apiKey, ...options })

export const standard = (options?: Partial<Deployment.Options>) =>
  Deployment.standard({ deployment: "gpt-4o", model: "gpt-4o", endpoint, apiKey, ...options })

export const sse = { "content-type": "text/event-stream", "apim-request-id": "7c9e6679-7425-40de-944b-e07fc1f90ae7" }

export const event = (data: unknown, name?: string): string =>
  `${name === undefined ? "" : `event: ${name}\n`}data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`

const chunk = (
  choices: ChatStream.ChatChunk["choices"],
  more?: Partial<ChatStream.ChatChunk>
): ChatStream.ChatChunk => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 1,
  model: "gpt-4o-2024-11-20",
  choices,
  ...more
})

export const promptFilter: ChatStream.ChatChunk = {
  id: "",
  object: "",
  created: 0,
  model: "",
  choices: [],
  prompt_filter_results: [{ prompt_index: 0, content_filter_results: {} }]
}
export const roleChunk = chunk([
  { index: 0, delta: { role: "assistant", content: "", refusal: null }, finish_reason: null, logprobs: null }
])
export const textChunk = (content: string) => chunk([{ index: 0, delta: { content }, finish_reason: null }])
export const finishChunk = (reason = "stop") => chunk([{ index: 0, delta: {}, finish_reason: reason }])
export const usageChunk = chunk([], { usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } })
export const done = "[DONE]"

/** The events of a whole chat stream. */
export const chatEvents = (...texts: ReadonlyArray<string>): ReadonlyArray<string> =>
  [promptFilter, roleChunk, ...texts.map(textChunk), finishChunk(), done].map((data) => event(data))
