/** What a client without a library does: writes the request, reads the answer, splits the stream. */
import * as Conversation from "../Conversation.js"

export const key = "c0ffee00c0ffee00c0ffee00c0ffee00"

export const url = (origin: string, deployment = "gpt-4o-ptu"): string =>
  `${origin}/openai/deployments/${deployment}/chat/completions?api-version=2024-10-21`

export const post = (stream: boolean) => ({
  method: "POST" as const,
  headers: { "api-key": key, "content-type": "application/json" },
  body: JSON.stringify(stream ? { ...Conversation.request, stream } : Conversation.request)
})

/** The service refused. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly retryAfterMs: number | undefined
  ) {
    super(`HTTP ${status}`)
  }
}

/** As much of a completion, or of a chunk of one, as is looked at. */
interface Read {
  readonly choices: ReadonlyArray<{
    readonly message?: { readonly content: string }
    readonly delta?: { readonly content?: string }
  }>
}

export const textOf = (completion: unknown): string => (completion as Read).choices[0]?.message?.content ?? ""

/** The text of a stream of server-sent events. */
export const textOfStream = async (body: AsyncIterable<Uint8Array>): Promise<string> => {
  const decoder = new TextDecoder()
  let text = ""
  let rest = ""
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true })
    const events = rest.split("\n\n")
    rest = events.pop() ?? ""
    for (const event of events) {
      const data = event.slice("data: ".length)
      if (data !== "[DONE]") text += (JSON.parse(data) as Read).choices[0]?.delta?.content ?? ""
    }
  }
  return text
}
