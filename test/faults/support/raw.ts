import { createServer } from "node:net"
import type { AddressInfo, Socket } from "node:net"
import { createServer as createTlsServer } from "node:tls"

/** What a server does once a whole request has come: the `nth` of all, with `body`. */
export type Behaviour = (socket: Socket, nth: number, body: string) => void

export interface Raw {
  readonly port: number
  /** Requests that came to their end. */
  requests: number
  connections: number
  readonly open: Set<Socket>
  readonly close: () => Promise<void>
}

/** A server of bytes that knows of HTTP only where a request ends. */
export const listen = async (
  behave: Behaviour,
  options: {
    readonly tls?: { readonly key: string; readonly cert: string } | undefined
    readonly onConnect?: ((socket: Socket) => void) | undefined
  } = {}
): Promise<Raw> => {
  const open = new Set<Socket>()
  const accept = (socket: Socket): void => {
    raw.connections++
    options.onConnect?.(socket)
    let sofar = ""
    socket.on("data", (data: Buffer) => {
      sofar += data.toString("latin1")
      const head = sofar.indexOf("\r\n\r\n")
      const length = Number(/^content-length: *(\d+)/im.exec(sofar.slice(0, head))?.[1] ?? 0)
      if (head < 0 || sofar.length < head + 4 + length) return
      const body = sofar.slice(head + 4, head + 4 + length)
      sofar = sofar.slice(head + 4 + length)
      behave(socket, ++raw.requests, body)
    })
  }
  const track = (socket: Socket): void => {
    open.add(socket)
    socket.on("error", () => {})
    socket.on("close", () => open.delete(socket))
  }
  const server = options.tls === undefined ? createServer(accept) : createTlsServer(options.tls, accept)
  server.on("connection", track)
  server.on("tlsClientError", () => {})
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const raw: Raw = {
    port: (server.address() as AddressInfo).port,
    requests: 0,
    connections: 0,
    open,
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy()
        server.close(() => resolve())
      })
  }
  return raw
}

export const head = (status: number, headers: Readonly<Record<string, string>>): string =>
  `HTTP/1.1 ${status} X\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("")}\r\n`

export const reply = (status: number, body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}) =>
  Buffer.concat([
    Buffer.from(
      head(status, {
        "content-type": "application/json",
        "content-length": String(Buffer.byteLength(body)),
        ...headers
      })
    ),
    Buffer.from(body)
  ])
