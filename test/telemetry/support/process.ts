import type { Scope } from "effect"
import { Effect } from "effect"
import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import { createServer } from "node:net"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../../..", import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const collected = (child: ChildProcess): Promise<Ended> =>
  new Promise((resolve) => {
    let [stdout, stderr] = ["", ""]
    child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
    child.once("close", (code) => resolve({ code, stdout, stderr }))
  })

const begin = (command: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(command, args, { cwd: root, env: { ...process.env, NO_COLOR: "1", ...env } })
      return { child, ended: collected(child) }
    }),
    ({ child, ended }) =>
      Effect.promise(() => {
        if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM")
        return ended
      })
  )

/** Runs a program of Node's to its end. */
export const node = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>
): Effect.Effect<Ended, never, Scope.Scope> =>
  Effect.flatMap(begin(process.execPath, args, env), ({ ended }) => Effect.promise(() => ended))

/** Starts a program and goes on when `url` answers. It is ended with the scope. */
export const serve = (
  command: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>,
  url: string
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { child, ended } = yield* begin(command, args, env)
    const answers = () =>
      fetch(url).then(
        (reply) => reply.body?.cancel().then(() => true) ?? true,
        () => false
      )
    for (let tries = 0; tries < 150; tries++) {
      if (yield* Effect.promise(answers)) return
      if (child.exitCode !== null) break
      yield* Effect.sleep("200 millis")
    }
    child.kill("SIGTERM")
    const { stderr } = yield* Effect.promise(() => ended)
    return yield* Effect.dieMessage(`${command} does not answer at ${url}: ${stderr.slice(-2000)}`)
  })

/** A port of this machine that nobody listens on. */
export const freePort: Effect.Effect<number> = Effect.async((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})
