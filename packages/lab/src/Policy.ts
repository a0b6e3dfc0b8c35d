/**
 * What a client does with a request: which deployment it is sent to, when, and what happens when it is refused.
 *
 * @since 0.1.0
 */
import { RetryAfter } from "@spillway/core"
import type { Kind, Request } from "./Request.js"
import type { Server } from "./Server.js"
import type { Timeline } from "./Timeline.js"

/**
 * A policy. `start` is called once for every client process of a run; what it returns is called with every request of
 * that process at the instant it arrives, and sees to it that the request is settled, once, through the lab.
 *
 * @since 0.1.0
 * @category models
 */
export interface Policy {
  readonly name: string
  /** What it is, in a line. */
  readonly description: string
  /** Whether all client processes act as one. Defaults to no: each is started by itself. */
  readonly central?: boolean | undefined
  readonly start: (lab: Lab) => (request: Request) => void
}

/**
 * What a client knows or believes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client {
  /** The capacity it takes the deployment to have, in input-token equivalents per second. */
  readonly tokensPerSecond: number
  /** Whether it is sure of it. */
  readonly sure: boolean
  /** What it expects a request to be charged, in input-token equivalents. */
  readonly estimate: (request: Request) => number
}

/**
 * What a policy acts through.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lab {
  readonly timeline: Timeline
  readonly server: Server
  readonly client: Client
  /** Random numbers from 0 to 1, 1 excluded; the process's own. */
  readonly random: () => number
  /** The request was answered by the attempt that was sent last. */
  readonly answered: (request: Request, kind: Kind) => void
  /** The request was given up. */
  readonly failed: (request: Request) => void
}

// Retries on Standard: 2, as `RetryAfter.retries(2)` decides with its default cap.
const standardRetries = 2
const longestHintMs = 60_000

/**
 * Sends a request to Standard, as the library does with `Deployment.retry(RetryAfter.retries(2))`. All policies that use
 * Standard use it in this way, so that they differ in nothing but what they do with the provisioned deployment.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import { Policy } from "@spillway/lab"
 *
 * // Everything goes to Standard: the PTUs idle.
 * export const standardOnly: Policy.Policy = {
 *   name: "standard only",
 *   description: "never asks the provisioned deployment",
 *   start: (lab) => (request) => Policy.useStandard(lab, request)
 * }
 * ```
 */
export const useStandard = (lab: Lab, request: Request): void => {
  request.retries = 0
  const attempt = (): void =>
    lab.server.send("standard", request, (reply) => {
      if (reply._tag === "Answered") return lab.answered(request, "standard")
      const hint = reply._tag === "Throttled" ? reply.retryAfterMs : undefined
      if (request.retries >= standardRetries || (hint !== undefined && hint > longestHintMs)) {
        return lab.failed(request)
      }
      const wait = hint ?? RetryAfter.backoff(request.retries, lab.random())
      request.retries++
      lab.timeline.after(wait, attempt)
    })
  attempt()
}
