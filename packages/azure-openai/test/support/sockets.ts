import { Deferred, Effect, FiberId, Queue } from "effect"
import type { Scope } from "effect"
import { createServer as createHttpServer } from "node:http"
import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http"
import { createServer } from "node:net"
import type { AddressInfo, Server, Socket } from "node:net"

const listening = <S extends Server>(server: S, close: () => void): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<string>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(`127.0.0.1:${(server.address() as AddressInfo).port}`)))
    }),
    () =>
      Effect.async<void>((resume) => {
        close()
        server.close(() => resume(Effect.void))
      })
  )

/** A server of HTTP that is there until the test ends. */
export const httpServer = (handler: (request: IncomingMessage, response: ServerResponse) => void) =>
  Effect.suspend(() => {
    const server: HttpServer = createHttpServer(handler)
    return Effect.map(
      listening(server, () => server.closeAllConnections()),
      (host) => ({ server, url: `http://${host}` })
    )
  })

/** A connection on which something was sent. */
export interface Connection {
  /** When it was closed, by `performance.now()`. */
  readonly closed: Effect.Effect<number>
}

/**
 * A server that speaks bytes. `onData` is given what has come on a connection so far. `asked` tells of each connection with
 * its first data: undici also opens some that it then does not use.
 */
export const byteServer = (onData: (socket: Socket, sofar: string) => void) =>
  Effect.gen(function* () {
    const asked = yield* Queue.unbounded<Connection>()
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      const closed = Deferred.unsafeMake<number>(FiberId.none)
      let sofar = ""
      socket.on("data", (data) => {
        if (sofar === "") Queue.unsafeOffer(asked, { closed: Deferred.await(closed) })
        onData(socket, (sofar += data.toString("latin1")))
      })
      socket.on("error", () => {})
      socket.on("close", () => {
        sockets.delete(socket)
        Deferred.unsafeDone(closed, Effect.succeed(performance.now()))
      })
    })
    const host = yield* listening(server, () => {
      for (const socket of sockets) socket.destroy()
    })
    return { url: `http://${host}`, tls: `https://${host}`, asked }
  })

/** A server that answers every request with the same bytes. */
export const answering = (bytes: string | Uint8Array, options?: { readonly end?: boolean }) =>
  byteServer((socket) => {
    socket.write(bytes)
    if (options?.end === true) socket.end()
  })

export const ok = (body: string, headers = ""): string =>
  `HTTP/1.1 200 OK\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`
