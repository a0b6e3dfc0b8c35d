import { assert, describe, it } from "@effect/vitest"
import type { Scope } from "effect"
import { Effect } from "effect"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { freePort, node, serve } from "./support/process.js"

const binary = process.env["PROMETHEUS"] ?? ""
const compose = fileURLToPath(new URL("../../packages/opentelemetry/compose", import.meta.url))

/** Starts Prometheus, which scrapes `port` every second, with the alerts' rules. It ends with the scope. */
const prometheus = (port: number): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "spillway-prometheus-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
    )
    yield* Effect.sync(() =>
      writeFileSync(
        join(folder, "prometheus.yml"),
        `
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: ["${compose}/prometheus/alerts.yml"]
scrape_configs:
  - job_name: spillway
    static_configs: [{ targets: ["127.0.0.1:${port}"] }]
`
      )
    )
    const url = `http://127.0.0.1:${yield* freePort}`
    yield* serve(
      binary,
      [
        `--config.file=${folder}/prometheus.yml`,
        `--storage.tsdb.path=${folder}/data`,
        `--web.listen-address=${url.replace("http://", "")}`
      ],
      {},
      `${url}/-/ready`
    )
    return url
  })

interface Answer {
  readonly status: string
  readonly data?: { readonly result: ReadonlyArray<{ readonly value: readonly [number, string] }> }
}

/** The values an expression has now. */
const evaluate = (url: string, expr: string): Effect.Effect<ReadonlyArray<number>> =>
  Effect.promise(() =>
    fetch(`${url}/api/v1/query?${new URLSearchParams({ query: expr })}`).then((reply): Promise<Answer> => reply.json())
  ).pipe(Effect.map((answer) => (answer.data?.result ?? []).map(({ value }) => Number(value[1]))))

/** Asks until some value is a number, and if time is up gives what there is. */
const eventually = (url: string, expr: string, seconds: number) =>
  Effect.gen(function* () {
    let values = yield* evaluate(url, expr)
    for (let tries = 0; tries < seconds * 2 && !values.some(Number.isFinite); tries++) {
      yield* Effect.sleep("500 millis")
      values = yield* evaluate(url, expr)
    }
    return values
  })

interface Panel {
  readonly title: string
  readonly panels?: ReadonlyArray<Panel>
  readonly targets?: ReadonlyArray<{ readonly expr: string }>
}

const dashboard = JSON.parse(readFileSync(`${compose}/grafana/dashboards/spillway.json`, "utf8")) as {
  readonly panels: ReadonlyArray<Panel>
}

// As Grafana fills them in.
const filled = (expr: string): string =>
  expr.replaceAll("$__rate_interval", "1m").replaceAll("$__range", "1h").replaceAll("$model", ".*")

const panels = dashboard.panels
  .flatMap((panel) => [panel, ...(panel.panels ?? [])])
  .flatMap(({ targets = [], title }) => targets.map(({ expr }) => ({ title, expr: filled(expr) })))

interface Rules {
  readonly data: {
    readonly groups: ReadonlyArray<{
      readonly rules: ReadonlyArray<{
        readonly name: string
        readonly type: string
        readonly query: string
        readonly health: string
      }>
    }>
  }
}

// The number an alert looks at, in place of whether it is too much.
const withoutThreshold = (query: string): string => query.replaceAll(/ [<>] (\d+(\.\d+)?)/g, " <= bool $1")

describe.skipIf(binary === "")("a real Prometheus", () => {
  it.scopedLive("scrapes a program, and every panel and every alert comes to a number", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      yield* serve(
        process.execPath,
        ["test/telemetry/programs/traffic.mjs"],
        { PORT: String(port) },
        `http://127.0.0.1:${port}/metrics`
      )
      const url = yield* prometheus(port)
      const missing: Array<string> = []

      assert.isAbove(panels.length, 17)
      for (const { expr, title } of panels) {
        const values = yield* eventually(url, expr, 30)
        if (!values.some(Number.isFinite)) missing.push(`${title}: ${expr}: ${JSON.stringify(values)}`)
      }
      const { data } = yield* Effect.promise(() =>
        fetch(`${url}/api/v1/rules`).then((reply): Promise<Rules> => reply.json())
      )
      const rules = data.groups.flatMap(({ rules }) => rules)

      assert.lengthOf(rules, 9)
      for (const { health, name, query, type } of rules) {
        if (health !== "ok") missing.push(`${name} is ${health}`)
        const values = yield* eventually(url, type === "alerting" ? withoutThreshold(query) : query, 20)
        if (!values.some(Number.isFinite)) missing.push(`${name}: ${query}: ${JSON.stringify(values)}`)
      }
      assert.deepStrictEqual(missing, [])

      // And they say what happens: too much for the PTUs, by way of admission, with a Standard that is short as well.
      const one = (expr: string) => Effect.map(evaluate(url, expr), ([value]) => value ?? Number.NaN)
      assert.isAbove(yield* one(`sum(spillway_calls_total{outcome="fallback"})`), 0)
      assert.isAbove(yield* one(`max(max_over_time(spillway_utilization_estimate{deployment="ptu"}[1m]))`), 0.5)
      assert.isAbove(yield* one(`sum(spillway_attempts_total{kind="standard", status="429"})`), 0)
      assert.isAbove(yield* one(`sum(spillway_cost_total)`), 0)
    })
  )

  it.scopedLive("scrapes the demo while it runs", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const url = yield* prometheus(port)
      const demo = yield* node(["packages/cli/dist/bin.js", "demo", "--json"], {
        OTEL_EXPORTER_PROMETHEUS_PORT: String(port)
      })
      const one = (expr: string) => Effect.map(evaluate(url, expr), ([value]) => value ?? Number.NaN)

      assert.strictEqual(demo.code, 0, demo.stderr)
      const { calls } = JSON.parse(demo.stdout) as { readonly calls: number }
      // The last second of the demo may be after the last scrape; its warm-up is calls as well.
      assert.isAtLeast(yield* one(`sum(last_over_time(spillway_calls_total[5m]))`), calls / 2)
      assert.isAbove(yield* one(`sum(last_over_time(spillway_attempts_total{status="429"}[5m]))`), 0)
      const missing: Array<string> = []
      for (const title of [
        "Calls by outcome",
        "429 per request",
        "Wait p50, p95, p99",
        "Latency p95 by outcome",
        "Tokens per second"
      ]) {
        for (const { expr } of panels.filter((panel) => panel.title === title)) {
          const values = yield* evaluate(url, expr)
          if (!values.some(Number.isFinite)) missing.push(`${title}: ${JSON.stringify(values)}`)
        }
      }
      assert.deepStrictEqual(missing, [])
    })
  )
})
