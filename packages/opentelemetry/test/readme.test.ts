import { assert, describe, it } from "@effect/vitest"
import { Telemetry } from "@spillway/core"
import { Telemetry as GenAi } from "@spillway/azure-openai"
import { readFileSync } from "node:fs"
import { parse } from "yaml"
import * as Dashboard from "./dashboard.js"

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8")
const readme = read("README.md")

describe("the page", () => {
  it("names every attribute, event, metric and label there is", () => {
    const names = [Telemetry, GenAi].flatMap(({ attributes, metrics }) => [
      ...Object.values(attributes),
      ...Object.values(metrics)
    ])
    const all = [...names, ...Object.values(Telemetry.events), ...Object.values(Telemetry.labels), Telemetry.spans.wait]

    assert.isAbove(all.length, 50)
    for (const name of all) assert.include(readme, `\`${name}\``)
  })

  it("explains every panel and names every alert", () => {
    const rules: ReadonlyArray<{ readonly alert?: string }> = parse(read("compose/prometheus/alerts.yml")).groups[0]
      .rules

    for (const { title } of Dashboard.panels) assert.match(readme, new RegExp(`\\| [^|]*${title}[^|]* \\|`))
    for (const { alert } of rules) if (alert !== undefined) assert.include(readme, `\`${alert}\``)
  })
})
