import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type Fields, RecordedRequest } from "../RecordedRequest.js"
import type * as Wire from "../Wire.js"
import type { Timeline } from "./capacity.js"

/** Everything received, in order. */
export interface Journal {
  /** Records a request around what answers it. */
  readonly record: <E>(
    fields: Pick<Fields, "method" | "host" | "path" | "apiVersion" | "deployment" | "headers" | "body">,
    reply: Effect.Effect<Wire.Reply, E>
  ) => Effect.Effect<Wire.Reply, E>
  readonly requests: Effect.Effect<ReadonlyArray<RecordedRequest>>
  readonly inFlight: Effect.Effect<number>
}

export const make = (time: Timeline, limit: number): Effect.Effect<Journal> =>
  Effect.sync(() => {
    // In order of arrival; a map, so that the oldest can go without moving the rest.
    const entries = new Map<number, Fields>()
    let received = 0
    let inFlight = 0
    return {
      record: (fields, reply) =>
        Effect.acquireUseRelease(
          Effect.map(time.now, (at) => {
            inFlight++
            entries.set(received, { ...fields, at, endedAt: undefined, status: undefined, interrupted: false })
            entries.delete(received - limit)
            return received++
          }),
          () => reply,
          (key, exit) =>
            Effect.map(time.now, (endedAt) => {
              inFlight--
              const entry = entries.get(key)
              if (entry === undefined) return
              entries.set(
                key,
                Exit.match(exit, {
                  onSuccess: ({ status }) => ({ ...entry, endedAt, status }),
                  onFailure: () => ({ ...entry, endedAt, interrupted: Exit.isInterrupted(exit) })
                })
              )
            })
        ),
      requests: Effect.sync(() => Array.from(entries.values(), (fields) => new RecordedRequest(fields))),
      inFlight: Effect.sync(() => inFlight)
    }
  })
