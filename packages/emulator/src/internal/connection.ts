// The connection under a request, where there is one. Known by its methods alone: which server it is of is the user's choice.
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type * as Wire from "../Wire.js"

// The socket and not the message: a message that was read to its end is destroyed already, and its socket lives on.
const socketOf = ({ source }: HttpServerRequest.HttpServerRequest): object | undefined =>
  Predicate.hasProperty(source, "socket") && Predicate.isObject(source.socket) ? source.socket : undefined

const call = (socket: object, method: string, ...args: ReadonlyArray<unknown>): boolean => {
  if (!Predicate.hasProperty(socket, method)) return false
  const { [method]: f } = socket
  if (!Predicate.isFunction(f)) return false
  f.apply(socket, args)
  return true
}

/** Drops the connection with whatever was still to be sent. What has no socket is left hanging, which to a caller is as dead. */
export const drop = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<void> =>
  Effect.sync(() => {
    const socket = socketOf(request)
    if (socket !== undefined) call(socket, "destroy")
  })

const flushed = (socket: object): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (!call(socket, "write", "", () => resume(Effect.void))) resume(Effect.void)
  })

/** A body for a server: where it breaks, the connection breaks, after what was written has left. Without a connection it fails. */
export const withBreaks = (
  body: Stream.Stream<Uint8Array, Wire.Broken>,
  request: HttpServerRequest.HttpServerRequest
): Stream.Stream<Uint8Array, Wire.Broken> =>
  Stream.catchAll(body, (broken) => {
    const socket = socketOf(request)
    if (socket === undefined) return Stream.fail(broken)
    const ways = broken.how === "cut" ? ["destroySoon", "destroy"] : ["resetAndDestroy", "destroy"]
    return Stream.fromEffect(
      Effect.zipRight(
        Effect.andThen(flushed(socket), () => ways.some((method) => call(socket, method))),
        // The server notices the loss and ends this.
        Effect.never
      )
    )
  })
