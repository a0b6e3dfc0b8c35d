import type { Fiber } from "effect"
import type { Refusal } from "./callers.js"
import type { Plan, Reply } from "./script.js"

/** A call as an onlooker knows it: what was asked for, and what was seen to happen. */
export class Visit {
  /** `waiting`: none of its requests is being served, and it has not ended. */
  state: "waiting" | "open" | "ended" = "waiting"
  sent = 0
  throttled = 0
  /** What has come of the request that was sent last. */
  came: Reply | undefined = undefined
  fiber: Fiber.RuntimeFiber<unknown, Refusal> | undefined = undefined
  interrupted = false
  /** Since when it waits. */
  since: number
  sentAt = Infinity
  /** How many things had happened before there was anything to run of which its sending was a part. */
  sentIn = 0
  /** It is certainly not sent before the one instant, and free to be sent from the other on. */
  notBefore = { earliest: -Infinity, free: -Infinity }

  constructor(
    /** Its place in the order of arrival. */
    readonly order: number,
    readonly plan: Plan,
    readonly arrivedAt: number,
    /** How often there was something to run before. */
    readonly arrivedIn: number,
    /** The last instant at which it may be sent, if it has to wait. */
    readonly latest: number,
    readonly deadline: number
  ) {
    this.since = arrivedAt
  }
}

/** How often things were seen: a property is also true where nothing happens. */
export type Tally = Record<
  | "answered"
  | "sentAfterWait"
  | "sentAgain"
  | "late"
  | "full"
  | "closed"
  | "refused"
  | "failed"
  | "interruptedWaiting"
  | "interruptedSending"
  | "chosen"
  | "levels",
  number
>

export const tally = (): Tally => ({
  answered: 0,
  sentAfterWait: 0,
  sentAgain: 0,
  late: 0,
  full: 0,
  closed: 0,
  refused: 0,
  failed: 0,
  interruptedWaiting: 0,
  interruptedSending: 0,
  chosen: 0,
  levels: 0
})
