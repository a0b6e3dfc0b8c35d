import { assert, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { packed } from "./support/packed.js"

const config: { readonly fixed: ReadonlyArray<ReadonlyArray<string>>; readonly access: string } = JSON.parse(
  readFileSync(new URL("../../.changeset/config.json", import.meta.url), "utf8")
)

it("everything that is published has one version, open to all, and is released together", () => {
  assert.deepStrictEqual(
    config.fixed.map((names) => names.toSorted()),
    [packed.map(({ manifest }) => manifest.name).toSorted()]
  )
  assert.strictEqual(config.access, "public")
  assert.strictEqual(new Set(packed.map(({ manifest }) => manifest.version)).size, 1)
})
