/** Where figures were taken, and of what. */
import * as Schema from "effect/Schema"
import { createRequire } from "node:module"
import * as os from "node:os"

const require = createRequire(import.meta.url)

const Manifest = Schema.Struct({ version: Schema.String })
const manifest = Schema.decodeUnknownSync(Manifest)

/** The version that is measured: all packages of the workspace have one. */
export const version: string = manifest(require("../package.json")).version

/** Two lines: the machine, then node. */
export const describe = (): ReadonlyArray<string> => {
  const [cpu] = os.cpus()
  return [
    `${os.cpus().length} x ${cpu?.model.trim() ?? "unknown processor"}, ${Math.round(os.totalmem() / 2 ** 30)} GiB, ${os.type()} ${os.release()} ${os.arch()}, load ${(os.loadavg()[0] ?? 0).toFixed(1)} at the start`,
    `node ${process.versions.node} (V8 ${process.versions.v8})`
  ]
}
