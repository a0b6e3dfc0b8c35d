import { assert, describe, it } from "@effect/vitest"
import { Telemetry } from "@spillway/core"
import { Telemetry as GenAi } from "@spillway/azure-openai"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { expect } from "vitest"
import { parse } from "yaml"
import * as Dashboard from "./dashboard.js"

const compose = fileURLToPath(new URL("../compose", import.meta.url))
const read = (path: string) => readFileSync(`${compose}/${path}`, "utf8")

/** The metrics an expression asks for, as Prometheus calls them. */
const asked = (expr: string): ReadonlyArray<string> =>
  [...expr.matchAll(/\b(?:spillway|gen_ai_client)_\w+/g)].map(([name]) => name.replace(/_(bucket|total)$/, ""))

const known = new Set(
  [...Object.values(Telemetry.metrics), ...Object.values(GenAi.metrics)].map((name) => name.replaceAll(".", "_"))
)

describe("the dashboard", () => {
  it("is what is built with Grafana's types", async () => {
    await expect(`${JSON.stringify(Dashboard.build(), null, 2)}\n`).toMatchFileSnapshot(
      `${compose}/grafana/dashboards/spillway.json`
    )
  })

  it("shows every metric, and none that is not there", () => {
    const shown = new Set(Dashboard.panels.flatMap(({ queries }) => queries.flatMap(({ expr }) => asked(expr))))

    assert.isAbove(Dashboard.panels.length, 12)
    // Operations of Azure OpenAI give their duration the name of the conventions.
    assert.sameMembers(
      [...known].filter((name) => !shown.has(name)),
      ["spillway_call_duration"]
    )
    assert.deepStrictEqual(
      [...shown].filter((name) => !known.has(name)),
      []
    )
  })

  it("says of every panel what it means", () => {
    for (const { description, title } of Dashboard.panels) assert.isAbove(description.length, 30, title)
    const titles = Dashboard.panels.map(({ title }) => title)
    assert.lengthOf(new Set(titles), titles.length)
  })
})

describe("the alerts", () => {
  const rules: ReadonlyArray<{ readonly alert?: string; readonly record?: string; readonly expr: string }> = parse(
    read("prometheus/alerts.yml")
  ).groups.flatMap(({ rules }: { readonly rules: unknown }) => rules)
  const alerts = rules.flatMap(({ alert }) => (alert === undefined ? [] : [alert]))

  it("ask for metrics that are there", () => {
    const recorded = rules.flatMap(({ record }) => (record === undefined ? [] : [record]))

    assert.isAbove(alerts.length, 4)
    for (const { alert, expr, record } of rules) {
      const derived = [...expr.matchAll(/spillway:[\w:]+/g)].map(([name]) => name)
      assert.isAbove(asked(expr).length + derived.length, 0, alert ?? record)
      assert.includeMembers([...known], [...asked(expr)])
      assert.includeMembers(recorded, derived)
    }
  })

  it("each have a test of their own that fires it", () => {
    const tests = parse(read("prometheus/alerts.test.yml")).tests.flatMap(
      ({ alert_rule_test: each }: { readonly alert_rule_test: unknown }) => each
    )
    const fired = tests
      .filter(({ exp_alerts: expected }: { readonly exp_alerts: ReadonlyArray<unknown> }) => expected.length > 0)
      .map(({ alertname }: { readonly alertname: string }) => alertname)
    assert.sameMembers([...new Set(fired)], alerts)
  })
})

describe("the compose file", () => {
  it("mounts what is there, and binds to this machine alone", () => {
    const { services } = parse(read("compose.yaml"))
    for (const { image, ports, volumes = [] } of Object.values<{
      readonly image: string
      readonly ports: ReadonlyArray<string>
      readonly volumes?: ReadonlyArray<string>
    }>(services)) {
      assert.match(image, /:v?\d+\.\d+\.\d+$/)
      for (const port of ports) assert.match(port, /^127\.0\.0\.1:/)
      for (const volume of volumes.filter((volume) => volume.startsWith("./"))) {
        assert.match(volume, /:ro$/)
      }
    }
    assert.sameMembers(Object.keys(services), ["jaeger", "prometheus", "grafana"])
    assert.include(read("prometheus/prometheus.yml"), "alerts.yml")
    const [{ uid }] = parse(read("grafana/provisioning/datasources/datasources.yaml")).datasources
    assert.strictEqual(uid, "prometheus")
  })
})
