import type { Socket } from "node:net"
import { deflateSync, gzipSync } from "node:zlib"
import type { Deployment } from "@spillway/azure-openai"
import type { Behaviour } from "./raw.js"
import { head, reply } from "./raw.js"

export type ClientName = "platform's undici" | "UndiciHttpClient" | "fetch"

/** One fault: what the provisioned deployment does, and what must come of a call that meets it. */
export interface Row {
  readonly fault: string
  /** What the provisioned deployment does with its requests; or where there is none. */
  readonly ptu: Behaviour | "no host" | "nobody listens"
  readonly stream?: boolean
  /** How many calls are made, one after the other. Defaults to 1. */
  readonly calls?: number
  readonly options?: Partial<Deployment.Options>
  readonly onConnect?: (socket: Socket) => void
  /** The certificate is for this host, and trusted; without `trusted`, by nobody. `http`: the URL says https, the server has none. */
  readonly tls?: { readonly host: string; readonly trusted?: boolean } | "http"
  readonly deadlineMs?: number
  /** Who answers the last call, or the error it fails with; then what the provisioned deployment failed with. */
  readonly expected: string
  readonly ptuRequests: number
  readonly stdRequests: number
  /** How long it may take by its settings. */
  readonly budgetMs: number
  /** How long it has to take at least, where that is known. */
  readonly atLeastMs?: number
  /** Where a client is told apart: another expectation, or a reason why it is not tried. */
  readonly but?: Partial<Record<ClientName, string>>
  readonly skip?: Partial<Record<ClientName, string>>
  /** The reply is complete, whatever it is worth: its connection may be kept. */
  readonly whole?: boolean
  /** How far the clock on the wall jumps while the call is under way. */
  readonly jumpMs?: number
}

const json = JSON.stringify({ id: "1", choices: [{ index: 0, message: { role: "assistant", content: "hello" } }] })
const chunk = (delta: Record<string, unknown>, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: "1", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
const preamble = chunk({ role: "assistant", content: "" })
const output = chunk({ content: "hello" })
const rest = `${chunk({}, "stop")}data: [DONE]\n\n`
const events = { "content-type": "text/event-stream", connection: "keep-alive" }
const eventsHead = head(200, { ...events, "transfer-encoding": "chunked" })
const piece = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`

/** A right answer, whole or streamed as it was asked for. */
export const answer: Behaviour = (socket, _, body) => {
  if (!body.includes('"stream":true')) return void socket.write(reply(200, json))
  socket.write(eventsHead + piece(preamble) + piece(output) + piece(rest) + "0\r\n\r\n")
}

const send =
  (bytes: string | Uint8Array, then?: (socket: Socket) => void): Behaviour =>
  (socket) => {
    socket.write(bytes)
    if (then !== undefined) setTimeout(() => then(socket), 20)
  }
const reset = (socket: Socket): void => void socket.resetAndDestroy()
const close = (socket: Socket): void => void socket.end()
const silent: Behaviour = () => {}

/** So many bytes, as fast as they are taken. */
const flood =
  (start: string, block: string, size: number): Behaviour =>
  (socket) => {
    socket.write(start)
    let sent = 0
    const more = (): void => {
      while (sent < size && !socket.destroyed) {
        sent += block.length
        if (!socket.write(block)) return void socket.once("drain", more)
      }
    }
    more()
  }

/** One byte every 20 ms, for ever. */
const drip =
  (start: string, byte: string): Behaviour =>
  (socket) => {
    socket.write(start)
    const timer = setInterval(() => socket.write(byte), 20)
    socket.on("close", () => clearInterval(timer))
  }

const throttledOnce =
  (hint: Record<string, string>): Behaviour =>
  (socket, nth, body) =>
    nth === 1 ? void socket.write(reply(429, "{}", hint)) : answer(socket, nth, body)

const stall = (millis: number): void => {
  const until = performance.now() + millis
  while (performance.now() < until);
}

const short = { timeout: "400 millis", idleTimeout: "400 millis" } as const
const slowStart = { timeout: "5 seconds", firstOutputTimeout: "400 millis" } as const
const half = json.slice(0, 40)
const okHead = head(200, { "content-type": "application/json", "content-length": String(json.length) })
const chunkedHead = head(200, { "content-type": "application/json", "transfer-encoding": "chunked" })
const fallsBack = { ptuRequests: 1, stdRequests: 1, budgetMs: 1000 }
const ends = { ptuRequests: 1, stdRequests: 0, budgetMs: 1000 }
const cutOff = { ...fallsBack, options: short, budgetMs: 400, atLeastMs: 390 }
const large = { ...ends, options: { bodyLimit: 8 * 1024 * 1024 }, budgetMs: 5000 }
const elsewhere = (why: string): string => `std, after ${why}`
const anyHeaders = (count: number, value: string): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, value]))
const zeros = Buffer.alloc(64 * 1024 * 1024, " ")
const squeezed = (how: (bytes: Uint8Array) => Uint8Array, encoding: string): Behaviour => {
  const body = how(Buffer.concat([zeros, Buffer.from(json)]))
  return (socket) => socket.write(reply(200, body, { "content-encoding": encoding }))
}

export const rows: ReadonlyArray<Row> = [
  { fault: "none", ptu: answer, expected: "ptu", ptuRequests: 1, stdRequests: 0, budgetMs: 1000 },
  {
    fault: "none, streamed",
    ptu: answer,
    stream: true,
    expected: "ptu",
    ptuRequests: 1,
    stdRequests: 0,
    budgetMs: 1000
  },

  {
    fault: "DNS: no such host",
    ptu: "no host",
    expected: elsewhere("Unavailable dns"),
    ...fallsBack,
    ptuRequests: 0,
    budgetMs: 3000,
    options: { timeout: "3 seconds" }
  },
  { fault: "refused", ptu: "nobody listens", expected: elsewhere("Unavailable refused"), ...fallsBack, ptuRequests: 0 },
  {
    fault: "refused, streamed",
    ptu: "nobody listens",
    stream: true,
    expected: elsewhere("Unavailable refused"),
    ...fallsBack,
    ptuRequests: 0
  },

  {
    fault: "reset on connecting",
    ptu: silent,
    onConnect: reset,
    expected: elsewhere("Unavailable reset"),
    ...fallsBack,
    ptuRequests: 0
  },
  {
    fault: "reset before the head",
    ptu: (socket) => reset(socket),
    expected: elsewhere("Unavailable reset"),
    ...fallsBack
  },
  {
    fault: "closed before the head",
    ptu: (socket) => close(socket),
    expected: elsewhere("Unavailable reset"),
    ...fallsBack
  },
  {
    fault: "reset inside the head",
    ptu: send("HTTP/1.1 200 OK\r\ncontent-le", reset),
    expected: elsewhere("Unavailable reset"),
    ...fallsBack
  },
  {
    fault: "reset inside the body",
    ptu: send(okHead + half, reset),
    expected: elsewhere("Unavailable body"),
    ...fallsBack
  },
  {
    fault: "closed inside the body",
    ptu: send(okHead + half, close),
    expected: elsewhere("Unavailable body"),
    ...fallsBack
  },
  {
    fault: "reset in a stream's preamble",
    ptu: send(eventsHead + piece(preamble), reset),
    stream: true,
    expected: elsewhere("Unavailable reset"),
    ...fallsBack
  },
  {
    fault: "reset after output began",
    ptu: send(eventsHead + piece(preamble) + piece(output), reset),
    stream: true,
    expected: "StreamBroken connection",
    ...ends
  },
  {
    fault: "closed after output began",
    ptu: send(eventsHead + piece(preamble) + piece(output), close),
    stream: true,
    expected: "StreamBroken connection",
    ...ends
  },

  { fault: "silence before the head", ptu: silent, expected: elsewhere("Unavailable timeout"), ...cutOff },
  {
    fault: "silence inside the head",
    ptu: send("HTTP/1.1 200 OK\r\ncontent-le"),
    expected: elsewhere("Unavailable timeout"),
    ...cutOff
  },
  { fault: "silence inside the body", ptu: send(okHead + half), expected: elsewhere("Unavailable body"), ...cutOff },
  {
    fault: "silence before a stream's head",
    ptu: silent,
    stream: true,
    expected: elsewhere("Unavailable timeout"),
    ...cutOff,
    options: slowStart
  },
  {
    fault: "silence in a stream's preamble",
    ptu: send(eventsHead + piece(preamble)),
    stream: true,
    expected: elsewhere("Unavailable body"),
    ...cutOff,
    options: slowStart
  },
  {
    fault: "silence after output began",
    ptu: send(eventsHead + piece(preamble) + piece(output)),
    stream: true,
    expected: "StreamBroken silence",
    ...ends,
    options: short,
    budgetMs: 400,
    atLeastMs: 390
  },
  {
    fault: "silence in the TLS handshake",
    skip: {
      "platform's undici": "goes on connecting for 10 s (nodejs/undici issue 386)",
      fetch: "goes on connecting for 10 s (nodejs/undici issue 386)"
    },
    ptu: silent,
    tls: "http",
    expected: elsewhere("Unavailable timeout"),
    ...cutOff,
    ptuRequests: 0
  },

  {
    fault: "slow-loris head",
    ptu: drip("HTTP/1.1 200 OK\r\nx: ", "y"),
    expected: elsewhere("Unavailable timeout"),
    ...cutOff
  },
  {
    fault: "slow-loris body",
    ptu: drip(chunkedHead, "1\r\n \r\n"),
    expected: elsewhere("Unavailable body"),
    ...cutOff
  },
  {
    fault: "slow-loris preamble",
    ptu: drip(eventsHead, piece(":\n")),
    stream: true,
    expected: elsewhere("Unavailable body"),
    ...cutOff,
    options: slowStart
  },
  {
    fault: "slow-loris after output, deadline",
    ptu: drip(eventsHead + piece(output), piece(":\n")),
    stream: true,
    deadlineMs: 500,
    expected: "StreamBroken deadline",
    ...ends,
    budgetMs: 500,
    atLeastMs: 490
  },

  {
    fault: "TLS: self-signed",
    ptu: answer,
    tls: { host: "localhost" },
    expected: elsewhere("Unavailable tls"),
    ...fallsBack,
    ptuRequests: 0
  },
  {
    fault: "TLS: trusted, right host",
    ptu: answer,
    tls: { host: "localhost", trusted: true },
    expected: "ptu",
    ptuRequests: 1,
    stdRequests: 0,
    budgetMs: 1000,
    skip: { fetch: "takes certificates at start only" }
  },
  {
    fault: "TLS: trusted, wrong host",
    ptu: answer,
    tls: { host: "other.local", trusted: true },
    expected: elsewhere("Unavailable tls"),
    ...fallsBack,
    ptuRequests: 0,
    skip: { fetch: "takes certificates at start only" }
  },
  {
    fault: "TLS: plain HTTP on the port",
    ptu: silent,
    onConnect: (socket) => void socket.write(reply(400, "{}")),
    tls: "http",
    expected: elsewhere("Unavailable reset"),
    ...fallsBack,
    ptuRequests: 0
  },

  {
    fault: "1 GB body, length told",
    ptu: flood(head(200, { "content-length": String(2 ** 30) }), "x".repeat(65_536), 2 ** 30),
    expected: "Malformed",
    ...large
  },
  {
    fault: "1 GB body, chunked",
    ptu: flood(chunkedHead, piece("x".repeat(65_536)), 2 ** 30),
    expected: "Malformed",
    ...large
  },
  {
    fault: "1 GB event",
    ptu: flood(eventsHead + piece(output) + piece("data: "), piece("x".repeat(65_536)), 2 ** 30),
    stream: true,
    expected: "StreamBroken malformed",
    ...large
  },
  {
    fault: "10,000 headers",
    ptu: send(head(200, { ...anyHeaders(10_000, "1"), "content-length": String(json.length) }) + json),
    expected: elsewhere("Unavailable connection"),
    ...fallsBack
  },
  {
    fault: "1,000 small headers",
    ptu: send(head(200, { ...anyHeaders(1000, "1"), "content-length": String(json.length) }) + json),
    expected: "ptu",
    ptuRequests: 1,
    stdRequests: 0,
    budgetMs: 1000
  },
  {
    fault: "invalid UTF-8 in a text",
    ptu: send(reply(200, Buffer.from(json.replace("hello", "\xff\xfe\xc0"), "latin1"))),
    expected: "ptu",
    ptuRequests: 1,
    stdRequests: 0,
    budgetMs: 1000
  },
  {
    fault: "invalid UTF-8 as the body",
    whole: true,
    ptu: send(reply(200, Buffer.from("\xff\xfe\xc0\x80", "latin1"))),
    expected: elsewhere("Unavailable body"),
    ...fallsBack
  },
  {
    fault: "invalid UTF-8 in a stream",
    ptu: send(
      Buffer.from(
        head(200, { ...events, "transfer-encoding": "chunked" }) + piece(preamble) + `b\r\ndata: \xff\xfe{\n\n\r\n`,
        "latin1"
      )
    ),
    stream: true,
    expected: elsewhere("Unavailable body"),
    ...fallsBack
  },
  {
    fault: "chunk size that is none",
    ptu: send(chunkedHead + "zz\r\n" + json),
    expected: elsewhere("Unavailable body"),
    ...fallsBack
  },
  {
    fault: "chunk longer than it says",
    ptu: send(chunkedHead + `5\r\n${json}\r\n0\r\n\r\n`),
    expected: elsewhere("Unavailable body"),
    ...fallsBack
  },
  {
    fault: "chunked garbage in a preamble",
    ptu: send(eventsHead + piece(preamble) + "garbage\r\n"),
    stream: true,
    expected: elsewhere("Unavailable connection"),
    ...fallsBack
  },
  {
    fault: "chunked garbage after output",
    ptu: send(eventsHead + piece(output) + "garbage\r\n"),
    stream: true,
    expected: "StreamBroken connection",
    ...ends
  },
  {
    fault: "no HTTP at all",
    ptu: send("SSH-2.0-OpenSSH_9.6\r\n"),
    expected: elsewhere("Unavailable connection"),
    ...fallsBack
  },
  {
    fault: "content-length too short",
    ptu: send(head(200, { "content-length": "40" }) + json),
    expected: elsewhere("Unavailable body"),
    ...fallsBack
  },
  {
    fault: "content-length too short, next call",
    ptu: (socket, nth, body) =>
      nth === 1 ? void socket.write(head(200, { "content-length": "40" }) + json) : answer(socket, nth, body),
    calls: 2,
    expected: "ptu",
    ptuRequests: 2,
    stdRequests: 1,
    budgetMs: 1000
  },
  {
    fault: "content-length too long, closed",
    ptu: send(head(200, { "content-length": String(json.length + 9) }) + json, close),
    expected: elsewhere("Unavailable body"),
    ...fallsBack
  },
  {
    fault: "content-length too long, silent",
    ptu: send(head(200, { "content-length": String(json.length + 9) }) + json),
    expected: elsewhere("Unavailable body"),
    ...cutOff
  },
  {
    fault: "two lengths",
    ptu: send(`HTTP/1.1 200 OK\r\ncontent-length: ${json.length}\r\ncontent-length: 3\r\n\r\n${json}`),
    expected: elsewhere("Unavailable connection"),
    ...fallsBack
  },
  {
    fault: "redirect",
    whole: true,
    ptu: send(reply(307, "", { location: "http://127.0.0.1:1/elsewhere" })),
    expected: "BadRequest",
    ...ends
  },
  {
    fault: "redirect, streamed",
    whole: true,
    ptu: send(reply(302, "", { location: "http://127.0.0.1:1/elsewhere" })),
    stream: true,
    expected: "BadRequest",
    ...ends
  },
  {
    fault: "gzip bomb, 64 MiB",
    whole: true,
    ptu: squeezed(gzipSync, "gzip"),
    expected: elsewhere("Unavailable body"),
    ...fallsBack,
    budgetMs: 5000,
    options: { bodyLimit: 8 * 1024 * 1024 }
  },
  {
    fault: "deflate bomb, 64 MiB",
    whole: true,
    ptu: squeezed(deflateSync, "deflate"),
    expected: elsewhere("Unavailable body"),
    ...fallsBack,
    budgetMs: 5000,
    options: { bodyLimit: 8 * 1024 * 1024 }
  },
  {
    fault: "503 with an endless body",
    ptu: flood(head(503, { "transfer-encoding": "chunked" }), piece("x".repeat(65_536)), 2 ** 30),
    expected: elsewhere("Unavailable server"),
    ...fallsBack
  },

  {
    fault: "keep-alive closed between calls",
    ptu: (socket, nth, body) => {
      answer(socket, nth, body)
      setTimeout(() => close(socket), 5)
    },
    calls: 3,
    expected: "ptu",
    ptuRequests: 3,
    stdRequests: 0,
    budgetMs: 1000
  },
  {
    fault: "keep-alive reset under a request",
    ptu: (socket, nth, body) => (nth === 1 ? answer(socket, nth, body) : reset(socket)),
    calls: 2,
    expected: elsewhere("Unavailable reset"),
    ptuRequests: 2,
    stdRequests: 1,
    budgetMs: 1000
  },

  {
    fault: "clock an hour ahead in a wait",
    ptu: throttledOnce({ "retry-after-ms": "300" }),
    jumpMs: 3_600_000,
    expected: "ptu, after RateLimited",
    ptuRequests: 2,
    stdRequests: 0,
    budgetMs: 1000,
    atLeastMs: 300
  },
  {
    fault: "clock an hour back in a wait",
    ptu: throttledOnce({ "retry-after-ms": "300" }),
    jumpMs: -3_600_000,
    expected: "ptu, after RateLimited",
    ptuRequests: 2,
    stdRequests: 0,
    budgetMs: 1000,
    atLeastMs: 300
  },
  {
    fault: "clock a day ahead, no hint",
    ptu: throttledOnce({}),
    jumpMs: 86_400_000,
    expected: "ptu, after RateLimited",
    ptuRequests: 2,
    stdRequests: 0,
    budgetMs: 1000,
    atLeastMs: 50
  },
  {
    fault: "stall of 500 ms in a wait",
    ptu: (socket, nth, body) => {
      throttledOnce({ "retry-after-ms": "100" })(socket, nth, body)
      if (nth === 1) setTimeout(() => stall(500), 30)
    },
    expected: "ptu, after RateLimited",
    ptuRequests: 2,
    stdRequests: 0,
    budgetMs: 1000,
    atLeastMs: 100
  },
  {
    fault: "stall of 300 ms with the answer there",
    ptu: (socket, nth, body) => {
      answer(socket, nth, body)
      stall(300)
    },
    expected: "ptu",
    ptuRequests: 1,
    stdRequests: 0,
    budgetMs: 1000
  }
]
