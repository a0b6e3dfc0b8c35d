/** Where figures were taken, when, and of what. */
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import * as os from "node:os"

const manifest = Schema.decodeUnknownSync(Schema.parseJson(Schema.Struct({ version: Schema.String })))

const versionAt = (path: string): string => manifest(readFileSync(new URL(path, import.meta.url), "utf8")).version

/** The version that is measured: all packages of the workspace have one. */
export const version: string = versionAt("../package.json")

const measured = [
  "effect",
  "@effect/platform",
  "@effect/platform-node",
  "@effect/opentelemetry",
  "@opentelemetry/sdk-trace-base",
  "undici",
  "openai",
  "cockatiel",
  "p-retry",
  "esbuild"
]

/** The machine, node, the packages, the day: a line each. */
export const describe = (now: Date): ReadonlyArray<string> => {
  const [cpu] = os.cpus()
  const load = os.loadavg()[0] ?? 0
  return [
    `${now.toISOString().slice(0, 10)}, ${os.cpus().length} x ${cpu?.model.trim() ?? "unknown processor"}, ${Math.round(os.totalmem() / 2 ** 30)} GiB, ${os.type()} ${os.arch()}, load ${load.toFixed(1)} when it began`,
    `node ${process.versions.node} with V8 ${process.versions.v8}; undici ${process.versions["undici"] ?? "?"} in its fetch`,
    measured.map((name) => `${name} ${versionAt(`../node_modules/${name}/package.json`)}`).join(", ")
  ]
}
