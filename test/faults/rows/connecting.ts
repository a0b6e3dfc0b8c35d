import { answer, reset, silent } from "../support/behaviour.js"
import { reply } from "../support/raw.js"
import type { Row } from "../support/row.js"
import { answers, cutOff, elsewhere, fallsBack } from "../support/row.js"

export const connecting: ReadonlyArray<Row> = [
  { fault: "none", ptu: answer, ...answers },
  {
    fault: "none, streamed",
    ptu: answer,
    stream: true,
    ...answers
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
    fault: "silence while connecting",
    ptu: "nobody accepts",
    expected: elsewhere("Unavailable timeout"),
    ...cutOff,
    ptuRequests: 0
  },
  {
    fault: "silence in the TLS handshake",
    ptu: silent,
    tls: "http",
    expected: elsewhere("Unavailable timeout"),
    ...cutOff,
    ptuRequests: 0
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
    ...answers
  },
  {
    fault: "TLS: trusted, wrong host",
    ptu: answer,
    tls: { host: "other.local", trusted: true },
    expected: elsewhere("Unavailable tls"),
    ...fallsBack,
    ptuRequests: 0
  },
  {
    fault: "TLS: plain HTTP on the port",
    ptu: silent,
    onConnect: (socket) => void socket.write(reply(400, "{}")),
    tls: "http",
    expected: elsewhere("Unavailable reset"),
    ...fallsBack,
    ptuRequests: 0
  }
]
