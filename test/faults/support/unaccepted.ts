import { once } from "node:events"
import { connect } from "node:net"
import type { Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { Worker } from "node:worker_threads"

// Sleeps for ever once it listens: nobody accepts what connects.
const listener = `
  const { createServer } = require("node:net")
  const { parentPort } = require("node:worker_threads")
  const server = createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
  })`

const connected = (socket: Socket): Promise<boolean> =>
  new Promise((resolve) => {
    socket.once("connect", () => resolve(true))
    socket.once("error", () => resolve(true))
    void sleep(250).then(() => resolve(false))
  })

export interface Unaccepted {
  readonly port: number
  readonly close: () => Promise<void>
}

/** A port that listens, with as many connections waiting as there is room for: the next one is never answered, nor refused. */
export const unaccepted = async (): Promise<Unaccepted> => {
  const worker = new Worker(listener, { eval: true })
  const port = await new Promise<number>((resolve) => worker.once("message", resolve))
  const waiting: Array<Socket> = []
  const close = async (): Promise<void> => {
    await Promise.all(waiting.map((socket) => once(socket.destroy(), "close")))
    await worker.terminate()
  }
  for (let answered = true; answered;) {
    if (waiting.length === 16) {
      await close()
      throw new Error("expected connections that nobody accepts to fill the backlog")
    }
    const socket = connect(port, "127.0.0.1")
    waiting.push(socket)
    answered = await connected(socket)
  }
  return { port, close }
}
