/** An HTTP server on this machine's loopback address, which ends at once: connections in use are closed with it. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpServer from "@effect/platform/HttpServer"
import type { ServeError } from "@effect/platform/HttpServerError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createServer } from "node:http"

const host = "127.0.0.1"

/** Listens on a port, or on a free one for 0. */
export const layer = (port: number): Layer.Layer<HttpServer.HttpServer, ServeError> =>
  Layer.suspend(() => {
    const server = createServer()
    // Above the server, so that it runs before the server waits for its connections to end.
    const hangUp = Layer.scopedDiscard(Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections())))
    return Layer.provideMerge(
      hangUp,
      Layer.scoped(
        HttpServer.HttpServer,
        NodeHttpServer.make(() => server, { host, port })
      )
    )
  })

/** Where the server is reached. */
export const url: Effect.Effect<string, never, HttpServer.HttpServer> = Effect.map(
  HttpServer.HttpServer,
  ({ address }) => (address._tag === "TcpAddress" ? `http://${host}:${address.port}` : address.path)
)
