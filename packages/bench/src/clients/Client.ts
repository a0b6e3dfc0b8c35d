/** A way to ask: what one row of the tables measures. */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Scope from "effect/Scope"

export interface Client {
  /** Asks, and reads the text of the answer. */
  readonly chat: () => Promise<string>
  /** Asks for a stream, reads all of it, and puts the text together. Absent where nobody would use it for streams. */
  readonly stream?: (() => Promise<string>) | undefined
}

export interface Definition {
  /** What it is called on the command line. */
  readonly id: string
  /** What it is called in the tables. */
  readonly name: string
  /** Asks the server at `origin`. What it opens is closed with the scope. */
  readonly make: (origin: string) => Effect.Effect<Client, unknown, Scope.Scope>
}

/** Calls of a program made with Effect, each from outside of it, as in a handler of a web server. */
export const fromEffect = <R, E>(
  layer: Layer.Layer<R, E>,
  calls: { readonly chat: Effect.Effect<string, unknown, R>; readonly stream: Effect.Effect<string, unknown, R> }
): Effect.Effect<Client, E, Scope.Scope> =>
  Effect.gen(function* () {
    const runtime = yield* Effect.acquireRelease(
      Effect.sync(() => ManagedRuntime.make(layer)),
      (runtime) => runtime.disposeEffect
    )
    yield* runtime.runtimeEffect
    return { chat: () => runtime.runPromise(calls.chat), stream: () => runtime.runPromise(calls.stream) }
  })
