import type { Scope } from "effect"
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort, serve } from "./process.js"

const binary = process.env["JAEGER"] ?? ""

/** Whether there is a Jaeger to start: `test/telemetry/run` builds it. */
export const available = binary !== ""

const config = (ports: { readonly otlp: number; readonly query: number; readonly grpc: number }) => `
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: { receivers: [otlp], exporters: [jaeger_storage_exporter] }
  telemetry:
    metrics: { level: none }
    logs: { level: warn }
extensions:
  jaeger_storage:
    backends:
      memory: { memory: { max_traces: 100000 } }
  jaeger_query:
    storage: { traces: memory }
    http: { endpoint: "127.0.0.1:${ports.query}" }
    grpc: { endpoint: "127.0.0.1:${ports.grpc}" }
receivers:
  otlp:
    protocols:
      http: { endpoint: "127.0.0.1:${ports.otlp}" }
exporters:
  jaeger_storage_exporter: { trace_storage: memory }
`

/** Starts Jaeger on free ports of this machine, with its storage in memory. It ends with the scope. */
export const start: Effect.Effect<{ readonly otlp: string; readonly query: string }, never, Scope.Scope> = Effect.gen(
  function* () {
    const ports = { otlp: yield* freePort, query: yield* freePort, grpc: yield* freePort }
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "spillway-jaeger-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    const file = join(folder, "config.yaml")
    yield* Effect.sync(() => writeFileSync(file, config(ports)))
    const query = `http://127.0.0.1:${ports.query}`
    yield* serve(binary, ["--config", file], {}, `${query}/api/v3/services`)
    return { otlp: `http://127.0.0.1:${ports.otlp}`, query }
  }
)
