import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { packed } from "./support/packed.js"
import { rules } from "./support/rules.js"
import { run } from "./support/tarball.js"

const attw = fileURLToPath(new URL("node_modules/.bin/attw", import.meta.url))

it("the packages that are published", () => {
  assert.deepStrictEqual(packed.map(({ manifest }) => manifest.name).toSorted(), [
    "@spillway/azure-openai",
    "@spillway/core",
    "@spillway/emulator",
    "@spillway/lab",
    "@spillway/opentelemetry",
    "spillway"
  ])
})

describe.each([...packed])("$manifest.name", (tarball) => {
  it.each(Object.entries(rules))("%s", (_, rule) => {
    assert.deepStrictEqual(rule(tarball), [])
  })

  it("publint has nothing to say", async () => {
    const { messages, pkg } = await publint({
      pack: { tarball: Uint8Array.from(readFileSync(tarball.path)).buffer },
      strict: true
    })

    assert.deepStrictEqual(
      messages.map((message) => formatMessage(message, pkg)),
      []
    )
  })

  it("are the types wrong? No", async () => {
    const { status, stderr, stdout } = await run(
      attw,
      [tarball.path, "--profile", "esm-only", "--format", "ascii"],
      "."
    )

    assert.strictEqual(status, 0, `${stdout}${stderr}`)
    assert.include(stdout, `"${tarball.manifest.name}/package.json"`)
  })
})
