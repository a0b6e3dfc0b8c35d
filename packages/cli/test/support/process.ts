import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

// The command as it is installed: what the build made, by the node of these tests, on real sockets.
const bin = fileURLToPath(new URL("../../dist/bin.js", import.meta.url))

export type Env = Readonly<Record<string, string>>

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** The first line on standard output. */
  readonly firstLine: Effect.Effect<string>
  readonly ended: Effect.Effect<Ended>
}

// Starting takes a second of a core's time: more of them at once only starve each other.
const starting = Effect.unsafeMakeSemaphore(3)

/** Starts the command with nothing in its environment but `env`. It is killed with the scope, if it still runs. */
export const start = (args: ReadonlyArray<string>, env: Env = {}) =>
  Effect.map(
    Effect.zipRight(
      Effect.acquireRelease(starting.take(1), () => starting.release(1)),
      Effect.acquireRelease(
        Effect.sync(() => spawn(process.execPath, [bin, ...args], { env, stdio: ["ignore", "pipe", "pipe"] })),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
    ),
    (child): Running => {
      const output = { stdout: "", stderr: "" }
      child.stdout.setEncoding("utf8").on("data", (text: string) => (output.stdout += text))
      child.stderr.setEncoding("utf8").on("data", (text: string) => (output.stderr += text))
      const ended = new Promise<Ended>((resolve) => child.once("close", (code) => resolve({ code, ...output })))
      const firstLine = new Promise<string>((resolve, reject) => {
        const look = () => {
          const [line, ...rest] = output.stdout.split("\n")
          if (line !== undefined && rest.length > 0) resolve(line)
        }
        child.stdout.on("data", look)
        child.once("close", () => reject(new Error(`no line on standard output; on standard error: ${output.stderr}`)))
      })
      // Nobody may be waiting for it.
      firstLine.catch(() => undefined)
      return {
        kill: (signal) => Effect.sync(() => child.kill(signal)),
        firstLine: Effect.promise(() => firstLine),
        ended: Effect.promise(() => ended)
      }
    }
  )

/** Runs the command to its end. Whatever it says, it shows no stack trace. */
export const run = (args: ReadonlyArray<string>, env: Env = {}) =>
  Effect.scoped(Effect.flatMap(start(args, env), ({ ended }) => ended)).pipe(
    Effect.tap(({ stderr, stdout }) => assert.notInclude(stdout + stderr, "    at "))
  )
