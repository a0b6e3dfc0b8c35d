import type { Scope } from "effect"
import { Effect } from "effect"
import type { IncomingMessage } from "node:http"
import { createServer } from "node:http"

/** How the receiver treats what it is sent. */
export interface Behaviour {
  /** Milliseconds before it answers. */
  readonly delay?: number
  /** Anything but 200 is a refusal. */
  readonly status?: number
}

/** A small OTLP/HTTP receiver that keeps what it is sent and answers queries for traces in the shape of OTLP. */
export interface Receiver {
  /** Base URL for exporters, and for queries. */
  readonly url: string
  /** Every body it was sent, refused ones too, as text. */
  readonly bodies: ReadonlyArray<string>
  readonly spans: () => number
}

interface Payload {
  readonly resourceSpans?: ReadonlyArray<{
    readonly resource: unknown
    readonly scopeSpans: ReadonlyArray<{ readonly scope: unknown; readonly spans: ReadonlyArray<{ traceId: string }> }>
  }>
}

const read = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString("utf8")
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Starts a receiver on a free port of this machine. It ends with the scope. */
export const start = (behaviour: Behaviour = {}): Effect.Effect<Receiver, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<{ readonly server: ReturnType<typeof createServer>; readonly receiver: Receiver }>((resume) => {
        const bodies: Array<string> = []
        const payloads: Array<Payload> = []
        const found = (wanted: (traceId: string) => boolean) =>
          payloads.flatMap(({ resourceSpans = [] }) =>
            resourceSpans.map(({ resource, scopeSpans }) => ({
              resource,
              scopeSpans: scopeSpans.map(({ scope, spans }) => ({
                scope,
                spans: spans.filter(({ traceId }) => wanted(traceId))
              }))
            }))
          )
        const server = createServer((request, response) => {
          const { pathname } = new URL(request.url ?? "/", "http://localhost")
          const reply = (status: number, body: unknown) => {
            response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
          }
          if (request.method === "GET" && pathname.startsWith("/api/v3/traces")) {
            const [id] = pathname.split("/").slice(4)
            return reply(200, { result: { resourceSpans: found((traceId) => id === undefined || traceId === id) } })
          }
          void read(request).then(async (body) => {
            bodies.push(body)
            await wait(behaviour.delay ?? 0)
            const status = behaviour.status ?? 200
            if (status === 200 && pathname === "/v1/traces") payloads.push(JSON.parse(body) as Payload)
            reply(status, {})
          })
        })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          const spans = () =>
            found(() => true).reduce(
              (count, { scopeSpans }) => count + scopeSpans.reduce((count, { spans }) => count + spans.length, 0),
              0
            )
          resume(Effect.succeed({ server, receiver: { url: `http://127.0.0.1:${port}`, bodies, spans } }))
        })
      }),
      ({ server }) =>
        Effect.sync(() => {
          server.close()
          server.closeAllConnections()
        })
    ),
    ({ receiver }) => receiver
  )
