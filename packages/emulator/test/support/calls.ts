import { Headers, HttpClient, HttpClientRequest } from "@effect/platform"
import type { EmulatorConfig } from "@spillway/emulator"
import { Emulator, Script } from "@spillway/emulator"
import { Effect, Layer } from "effect"

export interface Received {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

const host = "https://contoso.openai.azure.com"

export interface Options {
  readonly headers?: Readonly<Record<string, string>>
  readonly apiVersion?: string
  readonly method?: "POST" | "GET" | "DELETE"
  readonly baseUrl?: string
  /** A body of a content type of its own. */
  readonly text?: { readonly body: string; readonly type: string }
}

/** Sends text to a path and reads the reply to its end. */
export const send = (path: string, body: string | undefined, options: Options = {}) => {
  const bare = HttpClientRequest.make(options.method ?? "POST")(`${options.baseUrl ?? host}${path}`, {
    headers: Headers.fromInput(options.headers ?? { "api-key": "k" })
  })
  const text = options.text ?? (body === undefined ? undefined : { body, type: "application/json" })
  const request = text === undefined ? bare : HttpClientRequest.bodyText(bare, text.body, text.type)
  return HttpClient.execute(request).pipe(
    Effect.flatMap((response) =>
      Effect.map(response.text, (text): Received => {
        const json = response.headers["content-type"] === "application/json" && text !== ""
        return {
          status: response.status,
          headers: { ...response.headers },
          body: json ? (JSON.parse(text) as unknown) : text
        }
      })
    ),
    Effect.scoped
  )
}

export const datedPath = (deployment: string, apiVersion = "2024-10-21") =>
  `/openai/deployments/${deployment}/chat/completions?api-version=${apiVersion}`

/** A chat call in the dated style. */
export const dated = (deployment: string, body: object, options: Options = {}) =>
  send(datedPath(deployment, options.apiVersion), JSON.stringify(body), options)

/** A chat call in the v1 style. */
export const v1 = (deployment: string, body: object, options: Options = {}) =>
  send("/openai/v1/chat/completions", JSON.stringify({ model: deployment, ...body }), options)

/** A body whose prompt is estimated at exactly `tokens`. */
export const prompt = (tokens: number) => ({ messages: [{ role: "user", content: "x".repeat((tokens - 1) * 4) }] })

export const inProcess = (config?: EmulatorConfig.EmulatorConfig) =>
  Emulator.layerClient.pipe(Layer.provideMerge(Emulator.layer(config)))

export const scripted = (deployments: Readonly<Record<string, ReadonlyArray<Script.Step>>>) =>
  Emulator.layerClient.pipe(Layer.provideMerge(Emulator.layerScripted(Script.make(deployments))))

/** What matters of what was recorded. */
export const log = Effect.flatMap(Emulator.Emulator, (emulator) =>
  Effect.map(emulator.requests, (requests) =>
    requests.map(({ at, deployment, interrupted, status }) =>
      interrupted ? [at, deployment, "interrupted"] : [at, deployment, status]
    )
  )
)
