/**
 * A server that costs as little as a server of Node can: one chat completion for every request, or its stream. A process of its
 * own, so that its work is not counted as the client's. A request that is none gets 400, one without a key 401: a client
 * that asks wrongly shows, and is not measured by how fast it is refused.
 */
import * as http from "node:http"
import * as Conversation from "../Conversation.js"
import type { Counts, Question } from "./Wire.js"

const counts = { answered: 0, streamed: 0, refused: 0 } satisfies Counts

const headers = { "apim-request-id": "0c5f4b0a-6f5c-4f0e-9f3e-3f8a1f6d2b11", "x-ms-region": "Sweden Central" }

const refuse = (response: http.ServerResponse, status: number): void => {
  counts.refused++
  const body = JSON.stringify({ error: { code: String(status), message: "refused by the benchmark's server" } })
  response.writeHead(status, { ...headers, "content-type": "application/json", "content-length": body.length })
  response.end(body)
}

const read = (body: string): { readonly messages?: unknown; readonly stream?: unknown } => {
  try {
    return JSON.parse(body)
  } catch {
    return {}
  }
}

const completionLength = Buffer.byteLength(Conversation.completionJson)

const answer = (response: http.ServerResponse): void => {
  counts.answered++
  response.writeHead(200, { ...headers, "content-type": "application/json", "content-length": completionLength })
  response.end(Conversation.completionJson)
}

// Each event is written in a turn of its own, so that it travels in a packet of its own, as the tokens of a model do.
const stream = (response: http.ServerResponse): void => {
  response.writeHead(200, { ...headers, "content-type": "text/event-stream" })
  const events = Conversation.events.values()
  const next = () => {
    const { done, value } = events.next()
    if (!done) {
      response.write(value)
      setImmediate(next)
      return
    }
    counts.answered++
    counts.streamed++
    response.end()
  }
  next()
}

const server = http.createServer((request, response) => {
  const parts: Array<Buffer> = []
  request.on("data", (part: Buffer) => parts.push(part))
  request.on("end", () => {
    const { authorization, "api-key": key } = request.headers
    if (request.method !== "POST" || request.url?.includes("/chat/completions") !== true) return refuse(response, 404)
    if (key === undefined && authorization === undefined) return refuse(response, 401)
    const body = read(Buffer.concat(parts).toString())
    if (!Array.isArray(body.messages)) return refuse(response, 400)
    return body.stream === true ? stream(response) : answer(response)
  })
})

// Connections are closed when the benchmark says so, never while it measures.
server.keepAliveTimeout = 600_000

process.on("message", (question: Question) => {
  if (question === "release") server.closeIdleConnections()
  process.send?.(counts)
})
process.on("disconnect", () => process.exit())

server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  const address = server.address()
  if (address !== null && typeof address === "object") process.send?.({ origin: `http://127.0.0.1:${address.port}` })
})
