import { Duplex } from "node:stream"
import { Agent, buildConnector } from "undici"
import { connecting } from "./undiciExchange.js"

/**
 * An agent that closes a socket which is still being connected when its request is given up. undici itself would go on
 * connecting, for up to 10 s (nodejs/undici issue 386). Not so where connections are limited, for there the next request in
 * the queue takes it, nor with a connector of the user's.
 *
 * @internal
 */
export const make = ({ connect, connections = null, ...options }: Agent.Options): Agent => {
  if (typeof connect === "function") return new Agent({ ...options, connections, connect })
  const connector = buildConnector({ ...connect })
  const cancellable: buildConnector.connector = (options, callback) => {
    const socket: unknown = connector(options, callback)
    if (socket instanceof Duplex) connecting(socket)
  }
  return new Agent({ ...options, connections, connect: connections === null ? cancellable : connector })
}
