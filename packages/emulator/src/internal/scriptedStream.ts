// A stream that a test has written.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as Script from "../Script.js"
import * as ServerSentEvent from "../ServerSentEvent.js"
import type * as Wire from "../Wire.js"
import * as Breakage from "./breakage.js"
import type { Timeline } from "./capacity.js"
import * as ContentFilter from "./contentFilter.js"
import type { Call } from "./front.js"
import { identifier } from "./hash.js"
import * as Timed from "./timed.js"

type Step = Extract<Script.Step, { readonly _tag: "Stream" }>

const encode = (piece: unknown, raw: boolean): string | Uint8Array =>
  piece instanceof Uint8Array || (raw && typeof piece === "string") ? piece : ServerSentEvent.encode(piece)

/** What the service would say after the pieces. */
const closing = (step: Step, call: Call, now: number): ReadonlyArray<string> => {
  const done = step.raw ? [] : [ServerSentEvent.done]
  if (step.end !== "filtered") return step.end === "done" ? done : []
  return [
    ServerSentEvent.encode({
      choices: [
        {
          content_filter_results: ContentFilter.stopped,
          delta: {},
          finish_reason: "content_filter",
          index: 0,
          logprobs: null
        }
      ],
      created: Math.floor(now / 1000),
      id: `chatcmpl-${identifier(call.id, 29)}`,
      model: "gpt-4o",
      object: "chat.completion.chunk"
    }),
    ServerSentEvent.done
  ]
}

/** Plays it: the headers and the first piece at once, the others each in its time. */
export const make = (step: Step, call: Call, time: Timeline): Effect.Effect<Wire.Reply> =>
  Effect.zipWith(time.now, Clock.currentTimeMillis, (began, now) => {
    const every = Duration.toMillis(step.every)
    const pieces = step.pieces.map((piece, index) => ({ at: index * every, data: encode(piece, step.raw) }))
    const last = pieces.at(-1)?.at ?? 0
    const tail = closing(step, call, now).map((data) => ({ at: last, data }))
    const whole = step.end === "done" || step.end === "filtered"
    const body = Timed.play([...pieces, ...tail], { time, began, ended: whole ? call.ended : Effect.void })
    return call.stamp({
      status: step.status,
      headers: step.headers,
      body: step.end === "done" || step.end === "filtered" ? body : Stream.concat(body, Breakage.ending(step.end))
    })
  })
