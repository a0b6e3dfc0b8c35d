import type { Agent } from "undici"

// The first that is used in a process of the undici inside Node and the package of this name gives both the agent they send
// through. So this module has to be there before the package, to find Node's own.
const used = new Response()
const global: unknown = Reflect.get(globalThis, Symbol.for("undici.globalDispatcher.1"))
if (used.body !== null || typeof global !== "object" || global === null)
  throw new Error("expected fetch to have an agent")

/** What Node's own `fetch` sends through. */
export const NodeAgent = global.constructor as typeof Agent
