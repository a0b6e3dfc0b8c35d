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

export const make = (time: Timeline): Effect.Effect<Journal> =>
  Effect.sync(() => {
    const entries: Array<Fields> = []
    let inFlight = 0
    return {
      record: (fields, reply) =>
        Effect.acquireUseRelease(
          Effect.map(time.now, (at) => {
            inFlight++
            return entries.push({ ...fields, at, endedAt: undefined, status: undefined, interrupted: false }) - 1
          }),
          () => reply,
          (index, exit) =>
            Effect.map(time.now, (endedAt) => {
              inFlight--
              const entry = entries[index]
              if (entry === undefined) return
              entries[index] = Exit.match(exit, {
                onSuccess: ({ status }) => ({ ...entry, endedAt, status }),
                onFailure: () => ({ ...entry, endedAt, interrupted: Exit.isInterrupted(exit) })
              })
            })
        ),
      requests: Effect.sync(() => entries.map((fields) => new RecordedRequest(fields))),
      inFlight: Effect.sync(() => inFlight)
    }
  })
