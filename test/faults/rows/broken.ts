import { answer, close, eventsHead, half, okHead, output, piece, preamble, reset, send } from "../support/behaviour.js"
import type { Row } from "../support/row.js"
import { elsewhere, ends, fallsBack } from "../support/row.js"

export const broken: ReadonlyArray<Row> = [
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
  }
]
