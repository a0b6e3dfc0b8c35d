import {
  chunkedHead,
  drip,
  eventsHead,
  half,
  okHead,
  output,
  piece,
  preamble,
  send,
  silent
} from "../support/behaviour.js"
import type { Row } from "../support/row.js"
import { cutOff, elsewhere, ends } from "../support/row.js"

const slowStart = { timeout: "5 seconds", firstOutputTimeout: "400 millis" } as const

export const silence: ReadonlyArray<Row> = [
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
    options: cutOff.options,
    budgetMs: 400,
    atLeastMs: 400
  },
  {
    // undici may connect anew when a request is given up. That connection is for the next one, so there is never another.
    fault: "silence, five calls in a row",
    ptu: silent,
    calls: 5,
    expected: elsewhere("Unavailable timeout"),
    options: { timeout: "300 millis" },
    ptuRequests: 5,
    stdRequests: 5,
    budgetMs: 300,
    atLeastMs: 300
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
    atLeastMs: 500
  }
]
