/** Node processes that do one thing, say what came of it, message by message, and end. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { fork } from "node:child_process"

/** The process ended otherwise than it should. What it wrote to standard error was passed on. */
export class ChildFailed extends Data.TaggedError("ChildFailed")<{
  readonly main: string
  readonly code: number | null
}> {
  override get message(): string {
    return `${this.main} ended with ${this.code ?? "a signal"}`
  }
}

export interface Options<A, I> {
  /** The module it runs. */
  readonly main: URL
  readonly args: ReadonlyArray<string>
  /** Options of node. */
  readonly flags?: ReadonlyArray<string> | undefined
  /** What its messages are. */
  readonly message: Schema.Schema<A, I>
  readonly onMessage?: ((message: A) => Effect.Effect<void>) | undefined
}

/** Runs the process to its end. It is killed on interruption. */
export const run = <A, I>(options: Options<A, I>): Effect.Effect<ReadonlyArray<A>, ChildFailed> =>
  Effect.flatMap(Effect.runtime<never>(), (runtime) => start(options, runtime))

const start = <A, I>(
  options: Options<A, I>,
  runtime: Runtime.Runtime<never>
): Effect.Effect<ReadonlyArray<A>, ChildFailed> =>
  Effect.async<ReadonlyArray<A>, ChildFailed>((resume) => {
    const { args, flags = [], main, message, onMessage } = options
    const child = fork(main, [...args], { execArgv: [...flags], stdio: ["ignore", "ignore", "inherit", "ipc"] })
    const decode = Schema.decodeUnknownSync(message)
    const heard: Array<A> = []
    child.on("message", (raw) => {
      const message = decode(raw)
      heard.push(message)
      if (onMessage !== undefined) Runtime.runFork(runtime)(onMessage(message))
    })
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve))
    // The last messages may come after the end of the process.
    const silent = new Promise<void>((resolve) => child.once("disconnect", resolve))
    void Promise.all([ended, silent]).then(([code]) =>
      resume(code === 0 ? Effect.succeed(heard) : Effect.fail(new ChildFailed({ main: main.pathname, code })))
    )
    return Effect.sync(() => child.kill())
  })
