/** The global fetch, alone and with other people's resilience around it. */
import { DelegateBackoff, fallback, handleAll, handleType, retry, wrap } from "cockatiel"
import * as Effect from "effect/Effect"
import pRetry from "p-retry"
import * as ByHand from "./ByHand.js"
import type { Client, Definition } from "./Client.js"

const send = async (url: string, stream: boolean): Promise<Response> => {
  const response = await globalThis.fetch(url, ByHand.post(stream))
  if (response.ok) return response
  await response.body?.cancel()
  const hint = Number(response.headers.get("retry-after-ms") ?? Number.NaN)
  throw new ByHand.Refused(response.status, Number.isNaN(hint) ? undefined : hint)
}

const chat = async (url: string): Promise<string> => ByHand.textOf(await (await send(url, false)).json())

const stream = async (url: string): Promise<string> => {
  const { body } = await send(url, true)
  return body === null ? "" : ByHand.textOfStream(body)
}

const define = (id: string, name: string, client: (origin: string) => Client): Definition => ({
  id,
  name,
  make: (origin) => Effect.sync(() => client(origin))
})

export const fetch = define("fetch", "global fetch", (origin) => {
  const url = ByHand.url(origin)
  return { chat: () => chat(url), stream: () => stream(url) }
})

/** Two retries after the hint, then Standard with two of its own. */
export const cockatiel = define("cockatiel", "global fetch + cockatiel (retry, fallback)", (origin) => {
  const [ptu, standard] = [ByHand.url(origin), ByHand.url(origin, "gpt-4o")]
  const retried = () =>
    retry(handleType(ByHand.Refused), {
      maxAttempts: 2,
      backoff: new DelegateBackoff(({ result }) =>
        "error" in result && result.error instanceof ByHand.Refused ? (result.error.retryAfterMs ?? 500) : 500
      )
    })
  const onStandard = retried()
  const policy = wrap(
    fallback(handleAll, () => onStandard.execute(() => chat(standard))),
    retried()
  )
  return { chat: () => policy.execute(() => chat(ptu)) }
})

export const pRetried = define("p-retry", "global fetch + p-retry (retry, fallback)", (origin) => {
  const [ptu, standard] = [ByHand.url(origin), ByHand.url(origin, "gpt-4o")]
  const retried = (url: string) => pRetry(() => chat(url), { retries: 2, minTimeout: 500, randomize: true })
  return { chat: () => retried(ptu).catch(() => retried(standard)) }
})
