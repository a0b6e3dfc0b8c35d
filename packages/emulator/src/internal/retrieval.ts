// What can be done with a response that is kept: getting it, as it is or as a stream, cancelling it, deleting it, listing what went in.
import * as Effect from "effect/Effect"
import * as ErrorReply from "../ErrorReply.js"
import * as Wire from "../Wire.js"
import type { Timeline } from "./capacity.js"
import type { Retrieval } from "./front.js"
import { identifier } from "./hash.js"
import * as InvalidRequest from "./invalidRequest.js"
import * as ResponseObject from "./responseObject.js"
import * as Responses from "./responses.js"
import * as ResponseStore from "./responseStore.js"
import * as ResponseStream from "./responseStream.js"
import * as Timed from "./timed.js"

const wholeNumber = (text: string | null): number | undefined => {
  const value = Number(text ?? Number.NaN)
  return Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

const inputItems = ({ response }: ResponseStore.Stored, query: URLSearchParams): Wire.Reply => {
  const { input } = response.body
  const items: ReadonlyArray<unknown> = Array.isArray(input)
    ? input
    : [{ type: "message", role: "user", content: [{ type: "input_text", text: input }] }]
  const identified = items.map((item, index): Readonly<Record<PropertyKey, unknown>> => {
    const id = `msg_${identifier(`${response.seed}/input/${index}`, 48)}`
    return Object.assign({ id, type: "message" }, item)
  })
  const ordered = query.get("order") === "asc" ? identified : identified.toReversed()
  const after = query.get("after")
  const rest = ordered.slice(after === null ? 0 : ordered.findIndex((item) => item["id"] === after) + 1)
  const data = rest.slice(0, wholeNumber(query.get("limit")) ?? 20)
  return Wire.json(200, {
    object: "list",
    data,
    first_id: data[0]?.["id"] ?? null,
    last_id: data.at(-1)?.["id"] ?? null,
    has_more: data.length < rest.length
  })
}

const get = (stored: ResponseStore.Stored, { ended, query }: Retrieval, time: Timeline, now: number): Wire.Reply => {
  if (query.get("stream") !== "true") {
    return Wire.json(200, ResponseObject.show(stored.response, ResponseStore.statusAt(stored, now)))
  }
  const after = wholeNumber(query.get("starting_after"))
  return Responses.streamed(
    Timed.play(ResponseStream.writes(stored.response, stored.release, after), { time, began: stored.began, ended })
  )
}

/** Does it. What the resource does not have is 404. */
export const respond = (retrieval: Retrieval, store: ResponseStore.Store, time: Timeline): Effect.Effect<Wire.Reply> =>
  Effect.gen(function* () {
    const { operation, responseId } = retrieval
    const stored = store.find(retrieval.host, responseId)
    if (stored === undefined) return ErrorReply.responseNotFound(responseId)
    const now = yield* time.now
    switch (operation.name) {
      case "delete":
        yield* Effect.zipRight(stored.cancel, store.remove(stored))
        return Wire.json(200, { id: responseId, object: "response", deleted: true })
      case "cancel": {
        if (stored.response.request.background !== true) return InvalidRequest.notCancellable
        const status = ResponseStore.statusAt(stored, now)
        if (status !== "queued" && status !== "in_progress") {
          return Wire.json(200, ResponseObject.show(stored.response, status))
        }
        yield* Effect.zipRight(store.put({ ...stored, cancelledAt: now }), stored.cancel)
        return Wire.json(200, ResponseObject.show(stored.response, "cancelled"))
      }
      case "inputItems":
        return inputItems(stored, retrieval.query)
      default:
        return get(stored, retrieval, time, now)
    }
  })
