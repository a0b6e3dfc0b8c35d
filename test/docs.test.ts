import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const read = (path: string) => readFileSync(join(root, path), "utf8")
const packages = readdirSync(join(root, "packages")).filter((name) => existsSync(join(root, "packages", name, "src")))

const sources = packages.flatMap((name) =>
  readdirSync(join(root, "packages", name, "src"), { recursive: true })
    .map(String)
    .filter((path) => path.endsWith(".ts"))
    .map((path) => join("packages", name, "src", path))
)

const guides = [
  "README.md",
  ...packages.flatMap((name) =>
    readdirSync(join(root, "packages", name), { recursive: true })
      .map(String)
      .filter((path) => path.endsWith(".md") && !/node_modules|dist/.test(path))
      .map((path) => join("packages", name, path))
  )
]

/** The TypeScript blocks of a text, with the line each begins at. */
const blocks = (text: string) =>
  [...text.matchAll(/^[ \t*]*```ts\n([\s\S]*?)^[ \t*]*```/gm)].map((match) => ({
    line: text.slice(0, match.index).split("\n").length + 1,
    code: (match[1] ?? "").replace(/^[ \t]*\* ?/gm, "")
  }))

describe("documentation", () => {
  it("every TypeScript block of the guides and of the doc comments compiles", { timeout: 60_000 }, () => {
    const folder = join(root, "test/.generated/docs")
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    let written = 0
    for (const path of [...guides, ...sources]) {
      const text = read(path)
      // Indented code is no list: only comments have their stars taken off.
      const found = path.endsWith(".md")
        ? [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match) => ({
            line: text.slice(0, match.index).split("\n").length + 1,
            code: match[1] ?? ""
          }))
        : blocks(text)
      for (const { code, line } of found) {
        // The name leads back from a compiler's message to the place.
        writeFileSync(join(folder, `${path.replaceAll("/", "__")}.${line}.ts`), `${code}\nexport {}\n`)
        written += 1
      }
    }
    const config = {
      extends: "../../config/tsconfig.tests.json",
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
      include: ["./*.ts"],
      exclude: []
    }
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config))
    const compiled = spawnSync(process.execPath, [join(root, "node_modules/ts7/bin/tsc"), "-p", folder], {
      encoding: "utf8"
    })

    assert.isAbove(written, 20)
    assert.strictEqual(compiled.stdout, "")
    assert.strictEqual(compiled.status, 0)
  })

  it("the span tree of the README is one that a test sees", () => {
    const tree = /```text\n([\s\S]*?)```/.exec(read("README.md"))?.[1]?.trimEnd() ?? "none"
    const seen = [...read("test/spans.test.ts").matchAll(/\[\n((?:\s*"[^\n]*",?\n)+)\s*\]\.join/g)].map((match) =>
      [...(match[1] ?? "").matchAll(/"(.*)"/g)].map((line) => line[1]).join("\n")
    )

    assert.isAbove(seen.length, 4)
    assert.include(seen, tree)
  })

  it("the tests that the page on threats names are there", () => {
    const page = read("packages/azure-openai/docs/threats.md")
    const cited = [...page.matchAll(/`((?:packages|test)\/[\w/.-]+\.test\.ts)`: "([^"]+)"/g)]
    const missing = cited.filter(([, path, title]) => !read(path ?? "").includes(title ?? "none"))

    assert.isAbove(cited.length, 25)
    assert.deepStrictEqual(
      missing.map(([citation]) => citation),
      []
    )
  })

  it("the repository speaks of itself alone", () => {
    for (const path of guides)
      assert.notMatch(read(path), /\/work\/|\/tmp\/|127\.0\.0\.1:\d{5}.*registry|agent session/i, path)
  })
})
