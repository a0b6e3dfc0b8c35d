import type { Duplex } from "node:stream"
import type { Dispatcher } from "undici"
import { errors } from "undici"

/** A reply's headers as undici has them: names in lower case, those that came more than once as a list. @internal */
export type RawHeaders = Readonly<Record<string, string | Array<string> | undefined>>

// As much as undici's own body reads ahead. The connection of a reply that fits is free again, read or not.
const readAhead = 64 * 1024

const noHeaders: RawHeaders = {}

const noBytes = new Uint8Array()

const nobody = () => {}

// The exchange whose dispatch is under way. Connecting for it begins before `dispatch` returns, unless its body is a stream.
let dispatching: Exchange | undefined = undefined

/** Tells the exchange whose dispatch is under way which socket is being connected for it alone. @internal */
export const connecting = (socket: Duplex): void => dispatching?.connectsBy(socket)

/**
 * One request and its reply, as undici's dispatcher tells of them. The body is kept as it comes in; while nobody reads it,
 * the socket is paused once more than 64 KiB have come.
 *
 * Nothing here may throw: undici would make an uncaught event of it.
 *
 * @internal
 */
export class Exchange implements Dispatcher.DispatchHandler {
  /** 0 until the reply's head has come. */
  status = 0
  headers = noHeaders
  /** The reply is complete, or will never be: then `error` says why. */
  ended = false
  error: Error | undefined = undefined
  private connecting: Duplex | undefined = undefined
  private controller: Dispatcher.DispatchController | undefined = undefined
  private chunks: Array<Uint8Array> = []
  private size = 0
  private use: "none" | "whole" | "stream" = "none"
  private wake = nobody
  private over = nobody

  /** While it connects, giving up the request closes the socket. */
  connectsBy(socket: Duplex) {
    this.connecting = socket
  }

  onRequestStart(controller: Dispatcher.DispatchController) {
    this.connecting = undefined
    this.controller = controller
    // Given up while it waited for a connection.
    if (this.error !== undefined) controller.abort(this.error)
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: RawHeaders) {
    // What only informs is followed by the reply itself.
    if (status < 200) return
    this.status = status
    this.headers = headers
    this.awaken()
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array) {
    this.chunks.push(chunk)
    if (this.use === "whole") return
    this.size += chunk.length
    if (this.size > readAhead) controller.pause()
    this.awaken()
  }

  onResponseEnd() {
    this.ended = true
    this.tellEnded()
  }

  onResponseError(_: unknown, error: Error) {
    if (this.ended) return
    this.ended = true
    this.error = error
    this.connecting?.destroy(error)
    this.tellEnded()
  }

  private tellEnded() {
    this.over()
    this.awaken()
  }

  /** Calls once the exchange has ended, however it has. */
  onOver(over: () => void) {
    this.over = over
  }

  private awaken() {
    const wake = this.wake
    this.wake = nobody
    wake()
  }

  /** Calls when the reply's head has come, or never will. */
  onHead(wake: () => void) {
    this.wake = wake
  }

  /** Closes the connection, unless the reply is complete. */
  abort() {
    if (this.ended) return
    const error = new errors.RequestAbortedError()
    this.controller?.abort(error)
    this.onResponseError(undefined, error)
  }

  /** Whether the body is still there, to be read as a stream. Then nothing else may read it. */
  openStream(): boolean {
    if (this.use === "stream" || (this.use === "whole" && !this.ended)) return false
    this.use = "stream"
    return true
  }

  /** What of the body has come and was not taken before, in one piece: whoever reads it pays by the piece. */
  take(): Uint8Array {
    const bytes = this.bytes()
    this.chunks = []
    this.size = 0
    return bytes
  }

  /** Calls when there is something to take, or the body has ended. */
  onMore(wake: () => void) {
    if (this.ended || this.chunks.length > 0) return wake()
    this.wake = wake
    this.controller?.resume()
  }

  /** Whether the body is still there, to be read as a whole, as often as one likes. */
  openWhole(): boolean {
    if (this.use === "stream") return false
    this.use = "whole"
    return true
  }

  /** Reads on to the body's end, and calls once it is there. */
  onWhole(wake: () => void) {
    if (this.ended) return wake()
    const others = this.wake
    this.wake = () => {
      others()
      wake()
    }
    this.controller?.resume()
  }

  /** What of the body has come: all of it, once it has ended. */
  bytes(): Uint8Array {
    const [first] = this.chunks
    if (first === undefined) return noBytes
    if (this.chunks.length > 1) this.chunks = [Buffer.concat(this.chunks)]
    return this.chunks[0] ?? noBytes
  }
}

/** Sends a request, of which `exchange` is told. @internal */
export const dispatch = (dispatcher: Dispatcher, options: Dispatcher.DispatchOptions, exchange: Exchange) => {
  dispatching = exchange
  try {
    dispatcher.dispatch(options, exchange)
  } catch (error) {
    exchange.onResponseError(undefined, error instanceof Error ? error : new Error("not sent", { cause: error }))
  } finally {
    dispatching = undefined
  }
}
