// Which fault befalls a request, and what it does to the reply.
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as ErrorReply from "../ErrorReply.js"
import type { Fault } from "../Fault.js"
import * as Wire from "../Wire.js"
import * as Breakage from "./breakage.js"
import { error } from "./envelope.js"
import type { Call } from "./front.js"
import * as Hints from "./hint.js"
import * as Timed from "./timed.js"

/** Draws, for one request after the other. */
export interface Faults {
  readonly next: (call: Call) => Effect.Effect<Fault | undefined>
}

const concerns = (rule: Fault, call: Call): boolean =>
  (rule.deployment ?? call.deployment) === call.deployment &&
  (rule.operation ?? call.operation.name) === call.operation.name &&
  (rule.stream ?? call.body["stream"] === true) === (call.body["stream"] === true)

/** Counts for each rule what it concerns and what it befell. */
export const make = (rules: ReadonlyArray<Fault>, seed: string): Faults => {
  const random = Random.make(`${seed}/faults`)
  const counts = rules.map(() => ({ seen: 0, befallen: 0 }))
  return {
    next: (call) =>
      Effect.gen(function* () {
        for (const [index, rule] of rules.entries()) {
          const count = counts[index]
          if (count === undefined || !concerns(rule, call)) continue
          count.seen++
          if (count.seen % (rule.every ?? 1) !== 0 || count.befallen >= (rule.times ?? Number.POSITIVE_INFINITY))
            continue
          if (rule.probability !== undefined && (yield* random.next) >= rule.probability) continue
          count.befallen++
          return rule
        }
        return undefined
      })
  }
}

const usual: Readonly<Record<number, Wire.Reply>> = {
  401: ErrorReply.invalidKey,
  403: ErrorReply.keyAuthDisabled,
  404: ErrorReply.resourceNotFound,
  408: ErrorReply.timeout,
  429: ErrorReply.noCapacity(),
  500: ErrorReply.internalServerError,
  503: ErrorReply.noHealthyUpstream
}

const ofStatus = (rule: Extract<Fault, { readonly fault: "status" }>): Wire.Reply => {
  const { body, code, message, status } = rule
  const made =
    body !== undefined
      ? Wire.text(status, body)
      : code !== undefined || message !== undefined
        ? error(status, { code: code ?? String(status), message: message ?? "An injected fault." })
        : (usual[status] ?? error(status, { code: String(status), message: "An injected fault." }))
  return { ...made, headers: { ...made.headers, ...Hints.headers(rule), ...rule.headers } }
}

/** The reply that a fault is in itself; undefined for one that befalls another reply. */
export const reply = (rule: Fault): Effect.Effect<Wire.Reply, Wire.Dropped> | undefined => {
  switch (rule.fault) {
    case "status":
      return Effect.succeed(ofStatus(rule))
    case "refuse":
      return new Wire.Dropped()
    case "silence":
      return rule.afterBytes === undefined ? Effect.never : undefined
    case "filter":
      return rule.of === "prompt" ? Effect.succeed(ErrorReply.contentFiltered) : undefined
    default:
      return undefined
  }
}

const brokenEvent = Timed.encode('data: {"choices":[{"index":0,"delta":{"content":\n\n')

const malform = (reply: Wire.Reply): Wire.Reply => ({
  ...reply,
  body:
    typeof reply.body === "string"
      ? reply.body.slice(0, -1)
      : reply.body.pipe(
          Stream.mapAccum(true, (first, piece) => [false, first ? [piece, brokenEvent] : [piece]]),
          Stream.flattenIterables
        )
})

/** What becomes of a reply that a fault befalls. */
export const befall = (reply: Wire.Reply, rule: Fault): Wire.Reply => {
  switch (rule.fault) {
    case "truncate":
      return Breakage.breakOff(reply, rule.afterBytes, "cut")
    case "reset":
      return Breakage.breakOff(reply, rule.afterBytes, "reset")
    case "silence":
      return Breakage.breakOff(reply, rule.afterBytes, "silent")
    case "malformed":
      return malform(reply)
    default:
      return reply
  }
}
