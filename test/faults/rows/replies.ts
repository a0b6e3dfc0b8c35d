import { deflateSync, gzipSync } from "node:zlib"
import {
  answer,
  chunkedHead,
  close,
  events,
  eventsHead,
  flood,
  json,
  output,
  piece,
  preamble,
  send
} from "../support/behaviour.js"
import type { Behaviour } from "../support/raw.js"
import { head, reply } from "../support/raw.js"
import type { Row } from "../support/row.js"
import { answers, cutOff, elsewhere, ends, fallsBack } from "../support/row.js"

const large = { ...ends, options: { bodyLimit: 8 * 1024 * 1024 }, budgetMs: 5000 }
const anyHeaders = (count: number, value: string): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, value]))
const zeros = Buffer.alloc(64 * 1024 * 1024, " ")
const squeezed = (how: (bytes: Uint8Array) => Uint8Array, encoding: string): Behaviour => {
  const body = how(Buffer.concat([zeros, Buffer.from(json)]))
  return (socket) => socket.write(reply(200, body, { "content-encoding": encoding }))
}
// Only fetch asks for what is squeezed, and unpacks it: it ends at the limit.
const bomb = {
  whole: true,
  expected: elsewhere("Unavailable body"),
  ...fallsBack,
  but: { fetch: { expected: "Malformed", ptuRequests: 1, stdRequests: 0 } },
  budgetMs: 5000,
  options: { bodyLimit: 8 * 1024 * 1024 }
}

export const replies: ReadonlyArray<Row> = [
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
    ...answers
  },
  {
    fault: "invalid UTF-8 in a text",
    ptu: send(reply(200, Buffer.from(json.replace("hello", "\xff\xfe\xc0"), "latin1"))),
    ...answers
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
  { fault: "gzip bomb, 64 MiB", ptu: squeezed(gzipSync, "gzip"), ...bomb },
  { fault: "deflate bomb, 64 MiB", ptu: squeezed(deflateSync, "deflate"), ...bomb },
  {
    fault: "503 with an endless body",
    ptu: flood(head(503, { "transfer-encoding": "chunked" }), piece("x".repeat(65_536)), 2 ** 30),
    expected: elsewhere("Unavailable server"),
    ...fallsBack
  }
]
