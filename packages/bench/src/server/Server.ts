/** The server of the benchmark, in a child process that ends with the scope. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { ChildProcess } from "node:child_process"
import { fork } from "node:child_process"
import type { Counts } from "./Wire.js"
import * as Wire from "./Wire.js"

export interface Server {
  readonly origin: string
  /** What was answered and refused since it began. */
  readonly counts: Effect.Effect<Counts>
  /** Closes the connections that nobody uses. */
  readonly release: Effect.Effect<void>
}

const heard = <A, I>(child: ChildProcess, schema: Schema.Schema<A, I>): Effect.Effect<A> =>
  Effect.async<unknown>((resume) => {
    const stopped = () => resume(Effect.dieMessage("the benchmark's server has stopped"))
    child.once("exit", stopped)
    child.once("message", (message) => {
      child.off("exit", stopped)
      resume(Effect.succeed(message))
    })
  }).pipe(Effect.flatMap(Schema.decodeUnknown(schema)), Effect.orDie)

/** `main` is the module that the child runs: the one beside this, once both are built. */
export const start = (main: URL): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => fork(main, { execArgv: [], stdio: ["ignore", "inherit", "inherit", "ipc"] })),
      (child) => Effect.sync(() => child.kill())
    )
    const { origin } = yield* heard(child, Wire.Listening)
    const ask = (question: Wire.Question): Effect.Effect<Counts> =>
      Effect.zipRight(
        Effect.sync(() => child.send(question)),
        heard(child, Wire.Counts)
      )
    return { origin, counts: ask("counts"), release: ask("release") }
  })
