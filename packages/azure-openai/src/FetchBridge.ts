/**
 * A `fetch` that applies the policy, for clients that nobody here wrote: the `openai` package, Vercel's AI SDK,
 * LangChain.js.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import * as Runtime from "effect/Runtime"
import { Deployment } from "./Deployment.js"
import type { Incoming } from "./internal/bridge.js"
import { webResponse } from "./internal/webResponse.js"

/**
 * The type of a bridge: that of the global `fetch`.
 *
 * @since 0.1.0
 * @category models
 */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

const read = async (request: Request): Promise<Incoming> => ({
  method: request.method,
  url: new URL(request.url),
  headers: Object.fromEntries(request.headers),
  body: request.body === null ? "" : await request.text()
})

/**
 * Makes a `fetch` out of the deployment the program is given. Whatever URL and key the client was set up with, the request
 * goes to the deployments, each by its own URL style and credential, and waits and falls back as the policy says. The
 * operation is read from the end of the URL: `chat/completions`, `embeddings`, `responses` and what is below it.
 *
 * - A stream is handed on once its output has begun, so a throttle before it, in the stream or not, is waited out.
 * - The client's own errors are made from the last reply, as the service sent it. Without one the answer is what a gateway
 *   would say: 502 (no connection, an answer of unknown shape), 504 (a timeout, the call's deadline), 429 (admission gave
 *   up), with the error's tag as `code`.
 * - The request's AbortSignal covers the body too, and is the only reason for which the promise is rejected. A body that is
 *   left unread must be cancelled.
 * - A stream that breaks errors its body with a `TypeError` whose `cause` is `StreamBroken`.
 * - Answers carry `x-spillway-deployment`, `x-spillway-served-by` and `x-spillway-outcome`.
 *
 * Set the client's own retries to 0: retries have one owner, and only it knows what must not be sent twice. Failures carry
 * `x-should-retry: false`, which the `openai` packages obey even where their retries are left on; Vercel's AI SDK and
 * LangChain do not read it. Settings around this effect (`CallSettings.withMaxWait`)
 * hold for every request of the `fetch`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import type { Layer } from "effect"
 * import { ManagedRuntime } from "effect"
 * import { FetchHttpClient } from "@effect/platform"
 * import type { Deployment } from "@spillway/azure-openai"
 * import { FetchBridge } from "@spillway/azure-openai"
 *
 * declare const Chat: Layer.Layer<Deployment.Deployment>
 *
 * // new AzureOpenAI({ fetch, maxRetries: 0, apiKey: "unused", endpoint: "https://unused", apiVersion: "2024-10-21" })
 * export const fetch = await ManagedRuntime.make(Chat).runPromise(FetchBridge.make)
 * ```
 */
export const make: Effect.Effect<Fetch, never, Deployment> = Effect.flatMap(Deployment, (runner) =>
  Effect.map(Effect.runtime(), (runtime): Fetch => async (input, init) => {
    const request = new Request(input, init)
    const { signal } = request
    signal.throwIfAborted()
    const incoming = await read(request)
    // A Layer is built uninterruptibly, and its runtime hands that on.
    const answering = Effect.interruptible(webResponse(runner, incoming, signal))
    const exit = await Runtime.runPromiseExit(runtime, answering, { signal })
    if (Exit.isSuccess(exit)) return exit.value
    signal.throwIfAborted()
    throw Cause.squash(exit.cause)
  })
)
