import type { Socket } from "node:net"
import type { Behaviour } from "./raw.js"
import { head, reply } from "./raw.js"

/** The body of a right answer. */
export const json = JSON.stringify({
  id: "1",
  choices: [{ index: 0, message: { role: "assistant", content: "hello" } }]
})
export const okHead = head(200, { "content-type": "application/json", "content-length": String(json.length) })
export const chunkedHead = head(200, { "content-type": "application/json", "transfer-encoding": "chunked" })
/** The first bytes of `json`. */
export const half = json.slice(0, 40)

const chunk = (delta: Record<string, unknown>, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: "1", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
export const events = { "content-type": "text/event-stream", connection: "keep-alive" }
export const eventsHead = head(200, { ...events, "transfer-encoding": "chunked" })
export const preamble = chunk({ role: "assistant", content: "" })
export const output = chunk({ content: "hello" })
const rest = `${chunk({}, "stop")}data: [DONE]\n\n`

/** One chunk of a chunked body. */
export const piece = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`

/** A right answer, whole or streamed as it was asked for. */
export const answer: Behaviour = (socket, _, body) => {
  if (!body.includes('"stream":true')) return void socket.write(reply(200, json))
  socket.write(eventsHead + piece(preamble) + piece(output) + piece(rest) + "0\r\n\r\n")
}

export const send =
  (bytes: string | Uint8Array, then?: (socket: Socket) => void): Behaviour =>
  (socket) => {
    socket.write(bytes)
    if (then !== undefined) setTimeout(() => then(socket), 20)
  }
export const reset = (socket: Socket): void => void socket.resetAndDestroy()
export const close = (socket: Socket): void => void socket.end()
export const silent: Behaviour = () => {}

/** So many bytes, as fast as they are taken. */
export const flood =
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
export const drip =
  (start: string, byte: string): Behaviour =>
  (socket) => {
    socket.write(start)
    const timer = setInterval(() => socket.write(byte), 20)
    socket.on("close", () => clearInterval(timer))
  }

export const throttledOnce =
  (hint: Record<string, string>): Behaviour =>
  (socket, nth, body) =>
    nth === 1 ? void socket.write(reply(429, "{}", hint)) : answer(socket, nth, body)
