// A stream that a test has written.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type * as Script from "../Script.js"
import * as ServerSentEvent from "../ServerSentEvent.js"
import type * as Wire from "../Wire.js"
import * as Breakage from "./breakage.js"
import type { Timeline } from "./capacity.js"
import * as ContentFilter from "./contentFilter.js"
import type { Call, Retrieval } from "./front.js"
import { identifier } from "./hash.js"
import * as Timed from "./timed.js"

type Step = Extract<Script.Step, { readonly _tag: "Stream" }>

const encode = (piece: unknown, raw: boolean): string | Uint8Array =>
  piece instanceof Uint8Array || (raw && typeof piece === "string") ? piece : ServerSentEvent.encode(piece)

/** The chunk with which the content filter ends a chat. */
const filteredChunk = (id: string, now: number): object => ({
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
  id: `chatcmpl-${identifier(id, 29)}`,
  model: "gpt-4o",
  object: "chat.completion.chunk"
})

/** The event with which the content filter ends a response: the last that was shown of it, incomplete. */
const filteredResponse = (pieces: ReadonlyArray<unknown>): object => {
  const fields = (key: string): ReadonlyArray<unknown> =>
    pieces.flatMap((piece) => (Predicate.hasProperty(piece, key) ? [piece[key]] : []))
  const shown = fields("response").at(-1)
  const sequence = Math.max(-1, ...fields("sequence_number").filter(Predicate.isNumber)) + 1
  return {
    type: "response.incomplete",
    sequence_number: sequence,
    response: {
      ...(Predicate.isReadonlyRecord(shown) ? shown : { object: "response", output: [] }),
      status: "incomplete",
      incomplete_details: { reason: "content_filter" }
    }
  }
}

/** What the service would say after the pieces. */
const closing = (step: Step, { id, operation }: Call | Retrieval, now: number): ReadonlyArray<string> => {
  const chat = operation.name === "chat"
  switch (step.end) {
    case "done":
      return chat && !step.raw ? [ServerSentEvent.done] : []
    case "filtered":
      return chat
        ? [ServerSentEvent.encode(filteredChunk(id, now)), ServerSentEvent.done]
        : [ServerSentEvent.encode(filteredResponse(step.pieces))]
    default:
      return []
  }
}

/** Plays it: the headers and the first piece at once, the others each in its time. */
export const make = (step: Step, request: Call | Retrieval, time: Timeline): Effect.Effect<Wire.Reply> =>
  Effect.zipWith(time.now, Clock.currentTimeMillis, (began, now) => {
    const every = Duration.toMillis(step.every)
    const pieces = step.pieces.map((piece, index) => ({ at: index * every, data: encode(piece, step.raw) }))
    const last = pieces.at(-1)?.at ?? 0
    const writes = [...pieces, ...closing(step, request, now).map((data) => ({ at: last, data }))]
    const body = (ended: Effect.Effect<void>) => Timed.play(writes, { time, began, ended })
    return request.stamp({
      status: step.status,
      headers: step.headers,
      body:
        step.end === "done" || step.end === "filtered"
          ? body(request.ended)
          : Stream.concat(body(Effect.void), Breakage.ending(step.end))
    })
  })
