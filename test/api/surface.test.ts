import { assert, describe, expect, it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { surfaceOf } from "./Surface.js"

const packages = fileURLToPath(new URL("../../packages/", import.meta.url))

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly bin?: unknown
}

const libraries = readdirSync(packages)
  .filter((folder) => existsSync(join(packages, folder, "package.json")))
  .map((folder) => ({
    folder,
    manifest: JSON.parse(readFileSync(join(packages, folder, "package.json"), "utf8")) as Manifest
  }))
  .filter(({ manifest }) => manifest.private !== true && manifest.bin === undefined)

const declarationsOf = (folder: string) =>
  new Map(
    readdirSync(join(packages, folder, "dist"), { recursive: true })
      .map(String)
      .filter((path) => path.endsWith(".d.ts"))
      // What an earlier build left behind is not part of it.
      .filter((path) => existsSync(join(packages, folder, "src", path.replace(/\.d\.ts$/, ".ts"))))
      .toSorted()
      .map((path) => [`dist/${path}`, readFileSync(join(packages, folder, "dist", path), "utf8")])
  )

describe("the public API", () => {
  it.each(libraries)("of $folder is the one that was committed", async ({ folder, manifest }) => {
    const surface = surfaceOf(manifest.name, declarationsOf(folder))

    assert.include(surface, `== ${manifest.name}\n`)
    await expect(surface).toMatchFileSnapshot(
      join(packages, folder, "api.txt"),
      "if the change is meant: npx -y pnpm@12 api:update, and commit what it wrote"
    )
  })
})

describe("a surface", () => {
  const index = `/** One. */\nexport * as One from "./One.js";\n`
  const one = `import type { Two } from "./internal/two.js";\n/** A. */\nexport declare const a: Two;\nexport declare const b: string;\n`
  const two = `export interface Two {\n    readonly n: number;\n}\nexport {};\n`
  const files = (more: Readonly<Record<string, string>> = {}) =>
    new Map(
      Object.entries({
        "dist/index.d.ts": index,
        "dist/One.d.ts": one,
        "dist/internal/two.d.ts": two,
        "dist/internal/hidden.d.ts": "export declare const hidden: 1;",
        ...more
      })
    )
  const surface = surfaceOf("pkg", files())

  it("has every module that can be imported and what its types come from, and nothing else", () => {
    assert.strictEqual(
      surface.slice(surface.indexOf("==")),
      [
        "== pkg/One",
        "",
        `import type { Two } from "./internal/two.js";`,
        "export declare const a: Two;",
        "export declare const b: string;",
        "",
        "== pkg",
        "",
        `export * as One from "./One.js";`,
        "",
        "== pkg/internal/two",
        "",
        "export interface Two {\n    readonly n: number;\n}",
        ""
      ].join("\n")
    )
  })

  it.each([
    ["a comment", { "dist/index.d.ts": index.replace("One.", "The first.") }],
    [
      "the order",
      {
        "dist/One.d.ts": one
          .split("\n")
          .slice(2, 3)
          .concat(one.split("\n").slice(0, 2), one.split("\n").slice(3))
          .join("\n")
      }
    ],
    ["what is hidden", { "dist/internal/hidden.d.ts": "export declare const hidden: 2;" }]
  ])("is not changed by %s", (_, change) => {
    assert.strictEqual(surfaceOf("pkg", files(change)), surface)
  })

  it.each([
    ["a type", { "dist/One.d.ts": one.replace("b: string", "b: number") }],
    ["a type behind it", { "dist/internal/two.d.ts": two.replace("number", "bigint") }],
    ["a name", { "dist/One.d.ts": one.replace("const b", "const c") }],
    ["what is no longer exported", { "dist/index.d.ts": "export {};" }],
    ["what can be left out", { "dist/internal/two.d.ts": two.replace("n:", "n?:") }],
    ["a new module", { "dist/Three.d.ts": "export declare const three: 3;" }]
  ])("is changed by %s", (_, change) => {
    assert.notStrictEqual(surfaceOf("pkg", files(change)), surface)
  })

  it("keeps overloads in their order", () => {
    const overloads = ["export declare function f(a: string): 1;", "export declare function f(a: number): 2;"]
    const one = surfaceOf("pkg", files({ "dist/Three.d.ts": overloads.join("\n") }))
    const other = surfaceOf("pkg", files({ "dist/Three.d.ts": overloads.toReversed().join("\n") }))

    assert.notStrictEqual(one, other)
  })
})
