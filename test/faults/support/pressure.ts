import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert } from "vitest"
import { answer, close } from "./behaviour.js"
import type { Behaviour } from "./raw.js"
import { head, listen, reply } from "./raw.js"
import { eventually } from "./open.js"
import type { ClientName } from "./row.js"
import type { Line } from "./table.js"

const mebibyte = 1024 * 1024
const program = fileURLToPath(new URL("../programs/memory.mjs", import.meta.url))

/** Many large bodies at once, in a process with a heap that holds few of them. */
export interface Pressure {
  readonly fault: string
  readonly ptu: Behaviour
  readonly outcomes: Readonly<Record<string, number>>
  readonly stdRequests: number
}

const calls = 16
const heapMebibytes = 64
const body = Buffer.from(
  JSON.stringify({
    id: "1",
    choices: [{ index: 0, message: { role: "assistant", content: "x".repeat(4 * mebibyte) } }]
  })
)
const large = `ptu: ${4 * mebibyte} characters`
const fallback = "std: 5 characters"

export const pressures: ReadonlyArray<Pressure> = [
  {
    fault: `memory: ${calls} x 4 MiB, heap ${heapMebibytes} MiB`,
    // Every fourth is lost half-way.
    ptu: (socket, nth) => {
      if (nth % 4 !== 0) return void socket.write(reply(200, body))
      socket.write(head(200, { "content-length": String(body.length) }))
      socket.write(body.subarray(0, body.length / 2), () => close(socket))
    },
    outcomes: { [large]: (calls * 3) / 4, [fallback]: calls / 4 },
    stdRequests: calls / 4
  }
]

interface Report {
  readonly outcomes: Readonly<Record<string, number>>
  readonly longestMs: number
  readonly fibers: number
}

/** Meets it with a client in a process of its own, and checks what came of it. */
export const endure = async (row: Pressure, client: ClientName, report: (line: Line) => void): Promise<void> => {
  const ptu = await listen(row.ptu)
  const std = await listen(answer)
  const [at, elsewhere] = [ptu, std].map(({ port }) => `http://127.0.0.1:${port}`)
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${heapMebibytes}`, program, client, at ?? "", elsewhere ?? "", String(calls)],
    { stdio: ["ignore", "pipe", "pipe"], timeout: 60_000 }
  )
  let [said, complained] = ["", ""]
  child.stdout.on("data", (text) => (said += String(text)))
  child.stderr.on("data", (text) => (complained += String(text)))
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.on("close", (code, signal) => resolve([code, signal]))
  )
  const requests = [ptu.requests, std.requests]
  await eventually(() => ptu.open.size + std.open.size === 0)
  const left = ptu.open.size + std.open.size
  await ptu.close()
  await std.close()

  const ended = `ended with ${code ?? signal}: ${(said + complained).slice(0, 2000)}`
  const { fibers, longestMs, outcomes }: Report =
    code === 0 ? JSON.parse(said) : { outcomes: { crashed: 1 }, longestMs: 0, fibers: 0 }
  const result = Object.entries(outcomes).map(([outcome, count]) => `${count} ${outcome}`)
  report({
    fault: row.fault,
    client,
    cells: [
      result.toSorted().join(", "),
      ...requests.map(String),
      longestMs.toFixed(0),
      "20000",
      "",
      "",
      `-/${left}/0/${fibers}`
    ]
  })
  assert.strictEqual(code, 0, ended)
  assert.deepStrictEqual(outcomes, row.outcomes)
  assert.deepStrictEqual(requests, [calls, row.stdRequests], "requests")
  assert.deepStrictEqual([left, fibers], [0, 0], "nothing left open")
}
