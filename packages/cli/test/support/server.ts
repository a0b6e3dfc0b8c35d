import { Effect } from "effect"
import type { IncomingHttpHeaders, ServerResponse } from "node:http"
import { createServer } from "node:http"
import { createServer as createNetServer } from "node:net"

export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface StandIn {
  readonly url: string
  readonly requests: ReadonlyArray<Received>
}

/** A server that answers as it is told; `reply` sees what was asked before, the present request last. */
export const standIn = (reply: (requests: ReadonlyArray<Received>, response: ServerResponse) => void) =>
  Effect.acquireRelease(
    Effect.async<StandIn & { readonly close: () => void }>((resume) => {
      const requests: Array<Received> = []
      const server = createServer((request, response) => {
        let body = ""
        request.setEncoding("utf8").on("data", (text: string) => (body += text))
        request.on("end", () => {
          requests.push({ path: request.url ?? "", headers: request.headers, body })
          reply(requests, response)
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = address !== null && typeof address === "object" ? address.port : 0
        const close = () => {
          server.closeAllConnections()
          server.close()
        }
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, requests, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

export const json = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {}
) => response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body))

/** A port that was free a moment ago. */
export const deadPort = Effect.async<number>((resume) => {
  const server = createNetServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(address !== null && typeof address === "object" ? address.port : 0)))
  })
})
