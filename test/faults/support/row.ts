import type { Deployment } from "@spillway/azure-openai"
import type { Socket } from "node:net"
import type { Behaviour } from "./raw.js"

export type ClientName = "platform's undici" | "UndiciHttpClient" | "fetch"

/** What comes of a call. */
export interface Outcome {
  /** Who answers the last call, or the error it fails with; then what the provisioned deployment failed with. */
  readonly expected: string
  readonly ptuRequests: number
  readonly stdRequests: number
}

/** One fault: what the provisioned deployment does, and what must come of a call that meets it. */
export interface Row extends Outcome {
  readonly fault: string
  /** What the provisioned deployment does with its requests; or why it gets none. */
  readonly ptu: Behaviour | "no host" | "nobody listens" | "nobody accepts"
  readonly stream?: boolean
  /** How many calls are made, one after the other. Defaults to 1. */
  readonly calls?: number
  readonly options?: Partial<Deployment.Options>
  readonly onConnect?: (socket: Socket) => void
  /** The certificate is for this host, and trusted; without `trusted`, by nobody. `http`: the URL says https, the server has none. */
  readonly tls?: { readonly host: string; readonly trusted?: boolean } | "http"
  readonly deadlineMs?: number
  /** How long it may take by its settings. */
  readonly budgetMs: number
  /** How long it has to take at least, where that is known. */
  readonly atLeastMs?: number
  /** How long it keeps the event loop from going on: that comes on top of the budget. */
  readonly stallMs?: number
  /** Where something else comes of it with a client. */
  readonly but?: Partial<Record<ClientName, Outcome>>
  /** The reply is complete, whatever it is worth: its connection may be kept. */
  readonly whole?: boolean
  /** How far the clock on the wall jumps while the call is under way. */
  readonly jumpMs?: number
}

export const answers = { expected: "ptu", ptuRequests: 1, stdRequests: 0, budgetMs: 1000 }
export const fallsBack = { ptuRequests: 1, stdRequests: 1, budgetMs: 1000 }
export const ends = { ptuRequests: 1, stdRequests: 0, budgetMs: 1000 }

/** The provisioned deployment is given up after 400 ms. */
export const cutOff = {
  ...fallsBack,
  options: { timeout: "400 millis", idleTimeout: "400 millis" },
  budgetMs: 400,
  atLeastMs: 400
} as const

export const elsewhere = (why: string): string => `std, after ${why}`
