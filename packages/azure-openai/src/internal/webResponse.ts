import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { StreamBroken } from "../StreamBroken.js"
import type { Service } from "../Deployment.js"
import type { Incoming, Outgoing } from "./bridge.js"
import { respond } from "./bridge.js"

const interrupted = Exit.interrupt(FiberId.none)

// A body that is read only as it is asked for. `scope` closes with it, however it ends; the signal ends it too.
const toBody = (
  stream: Stream.Stream<Uint8Array, StreamBroken>,
  scope: Scope.CloseableScope,
  signal: AbortSignal
): Effect.Effect<ReadableStream<Uint8Array>> =>
  Effect.gen(function* () {
    const runtime = yield* Effect.runtime()
    // What makes the body may not be interrupted, and its runtime hands that on.
    const pull = Effect.interruptible(yield* Scope.extend(Stream.toPull(stream), scope))
    const stop = new AbortController()
    let open = true
    let onAbort = () => {}
    const close = (exit: Exit.Exit<unknown, unknown>): Promise<void> => {
      if (!open) return Promise.resolve()
      open = false
      signal.removeEventListener("abort", onAbort)
      stop.abort()
      return Runtime.runPromise(runtime, Scope.close(scope, exit))
    }
    const settle = (
      controller: ReadableStreamDefaultController<Uint8Array>,
      cause: Cause.Cause<Option.Option<StreamBroken>>
    ): Promise<void> | undefined => {
      const end = Cause.failureOrCause(cause)
      if (Either.isLeft(end) && Option.isNone(end.left)) {
        controller.close()
        return close(Exit.void)
      }
      if (!open) return
      const broken = Either.isLeft(end) ? Option.getOrUndefined(end.left) : Cause.squash(end.right)
      controller.error(new TypeError("terminated", { cause: broken }))
      return close(Exit.fail(broken))
    }
    return new ReadableStream<Uint8Array>(
      {
        start(controller) {
          onAbort = () => {
            controller.error(signal.reason)
            void close(interrupted)
          }
          if (signal.aborted) onAbort()
          else signal.addEventListener("abort", onAbort)
        },
        async pull(controller) {
          const exit = await Runtime.runPromiseExit(runtime, pull, { signal: stop.signal })
          if (Exit.isFailure(exit)) return settle(controller, exit.cause)
          for (const bytes of Chunk.toReadonlyArray(exit.value)) controller.enqueue(bytes)
        },
        cancel: () => close(interrupted)
      },
      { highWaterMark: 0 }
    )
  })

// A status that no web response may have, and that no HTTP server should.
const isStatus = (status: number): boolean => status >= 200 && status <= 599

const toResponse = (body: ReadableStream<Uint8Array> | string, { headers, status }: Outgoing): Response =>
  // A status without content may have no body, not even an empty one.
  new Response(body === "" ? null : body, { status: isStatus(status) ? status : 502, headers })

/**
 * The web response to another client's request. A body that is a stream holds its connection until it was read to its end,
 * is cancelled, or `signal` aborts.
 *
 * @internal
 */
export const webResponse = (runner: Service, incoming: Incoming, signal: AbortSignal): Effect.Effect<Response> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Scope.make(), (scope) =>
      restore(Scope.extend(respond(runner, incoming), scope)).pipe(
        Effect.flatMap((outgoing) => {
          const { body } = outgoing
          return typeof body === "string"
            ? Effect.zipRight(
                Scope.close(scope, Exit.void),
                Effect.sync(() => toResponse(body, outgoing))
              )
            : Effect.map(toBody(body, scope, signal), (readable) => toResponse(readable, outgoing))
        }),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
    )
  )
