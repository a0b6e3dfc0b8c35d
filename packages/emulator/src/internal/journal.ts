import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Fields, RecordedRequest } from "../RecordedRequest.js"
import type * as Wire from "../Wire.js"
import type { Timeline } from "./capacity.js"

/** Everything received, in order. */
export interface Journal {
  /**
   * Records a request around what answers it. That runs in a scope of its own, which closes when the last of the reply was handed over, when the reader
   * of the body goes away, or with the scope outside. `ended` says that the last was handed over: a reader may well stop there, and
   * has not gone away.
   */
  readonly record: <E>(
    fields: Pick<Fields, "method" | "host" | "path" | "apiVersion" | "deployment" | "headers" | "body">,
    reply: (ended: Effect.Effect<void>) => Effect.Effect<Wire.Reply, E, Scope.Scope>
  ) => Effect.Effect<Wire.Reply, E, Scope.Scope>
  readonly requests: Effect.Effect<ReadonlyArray<RecordedRequest>>
  readonly inFlight: Effect.Effect<number>
}

export const make = (time: Timeline, limit: number): Effect.Effect<Journal> =>
  Effect.sync(() => {
    // In order of arrival; a map, so that the oldest can go without moving the rest.
    const entries = new Map<number, Fields>()
    let received = 0
    let inFlight = 0
    const update = (key: number, fields: Partial<Fields>): void => {
      const entry = entries.get(key)
      if (entry !== undefined) entries.set(key, { ...entry, ...fields })
    }
    return {
      record: (fields, reply) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            const at = yield* time.now
            const key = received++
            inFlight++
            entries.set(key, {
              ...fields,
              at,
              endedAt: undefined,
              status: undefined,
              servedBy: undefined,
              interrupted: false
            })
            entries.delete(key - limit)

            let ended = false
            const end = Effect.sync(() => {
              ended = true
            })
            const scope = yield* Effect.flatMap(Effect.scope, (outer) =>
              Scope.fork(outer, ExecutionStrategy.sequential)
            )
            yield* Scope.addFinalizerExit(scope, (exit) =>
              Effect.map(time.now, (endedAt) => {
                inFlight--
                update(key, { endedAt, interrupted: Exit.isFailure(exit) ? Exit.isInterrupted(exit) : !ended })
              })
            )

            const exit = yield* Effect.exit(restore(Scope.extend(reply(end), scope)))
            if (Exit.isFailure(exit)) {
              yield* Scope.close(scope, exit)
              return yield* exit
            }
            const { body, headers, status } = exit.value
            update(key, { status, servedBy: headers["x-ms-deployment-name"] })
            if (typeof body === "string") {
              yield* Effect.zipRight(end, Scope.close(scope, exit))
              return exit.value
            }
            return {
              ...exit.value,
              body: body.pipe(
                Stream.concat(Stream.drain(Stream.fromEffect(end))),
                Stream.tapError(() => end),
                Stream.ensuring(Scope.close(scope, exit))
              )
            }
          })
        ),
      requests: Effect.sync(() => Array.from(entries.values(), (fields) => new RecordedRequest(fields))),
      inFlight: Effect.sync(() => inFlight)
    }
  })
