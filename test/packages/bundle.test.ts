import { assert, describe, it } from "@effect/vitest"
import { transformSync } from "esbuild"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { builtinModules } from "node:module"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { ownModules, withEsbuild, withRollup } from "./support/bundlers.js"
import { consumers, isLibrary, named, packed } from "./support/packed.js"
import { printTable } from "./support/table.js"
import { entryPoints, run } from "./support/tarball.js"

const folder = consumers.npm
const libraries = packed.filter(({ manifest }) => isLibrary(manifest))
// What runs in a browser or a worker. Telemetry is for Node by its name.
const portable = libraries.filter(({ manifest }) => manifest.name !== "@spillway/opentelemetry")
const bundlers = { esbuild: withEsbuild, rollup: withRollup }

/** The code without comments and white space. */
const left = (code: string) => transformSync(code, { minify: true, legalComments: "none" }).code.trim()

const use = (name: string, from: string) => `import { ${name} } from "${from}"\nconsole.log(${name})`
const useAll = (from: string) => `import * as all from "${from}"\nconsole.log(all)`

describe.each(Object.entries(bundlers))("a bundle made with %s", (tool, bundle) => {
  it("of the application, minified, runs", async () => {
    const { code } = transformSync(readFileSync(join(folder, "app.ts"), "utf8"), { loader: "ts", target: "es2022" })
    const made = await bundle(code, { folder, minify: true })
    const file = join(folder, `bundle-${tool}.mjs`)
    writeFileSync(file, transformSync(made.code, { minify: true }).code)
    const { stderr, stdout } = await run(process.execPath, [file], folder)

    assert.strictEqual(stderr, "")
    assert.strictEqual(stdout, "from PTU: served_after_wait after 2\nfrom Standard: fallback after 2\n")
    // Nothing of what it does not use.
    const modules = ownModules(made)
    assert.include(modules, "azure-openai/Deployment")
    for (const unused of ["azure-openai/FetchBridge", "azure-openai/HttpClientBridge", "azure-openai/Entra"]) {
      assert.notInclude(modules, unused)
    }
    assert.deepStrictEqual(
      modules.filter((name) => name.startsWith("lab/")),
      []
    )
  })

  it("of imports alone is empty: sideEffects is false, and believed", async () => {
    const everything = libraries.flatMap(entryPoints)
    const { code } = await bundle(everything.map((name) => `import "${name}"`).join("\n"), {
      folder,
      // Telemetry and undici are for Node; they and the lab's plots need a bundler that takes CommonJS.
      external: [
        ...builtinModules.flatMap((name) => [name, `node:${name}`]),
        "@effect/opentelemetry",
        "@observablehq/plot",
        "@opentelemetry",
        "linkedom",
        "undici"
      ]
    })

    assert.isAbove(everything.length, 60)
    assert.strictEqual(left(code), "")
  })

  it("of an import that does something is not empty", async () => {
    const careless = join(folder, "node_modules/careless")
    mkdirSync(careless, { recursive: true })
    writeFileSync(join(careless, "package.json"), `{"name":"careless","type":"module","exports":"./index.js"}`)
    writeFileSync(join(careless, "index.js"), `globalThis.careless = true`)
    const { code } = await bundle(`import "careless"`, { folder })
    rmSync(careless, { recursive: true })

    assert.strictEqual(left(code), "globalThis.careless=!0;")
  })

  it.each([
    { module: "Sse", from: "@spillway/azure-openai", carries: ["azure-openai/Sse"], effect: false },
    { module: "Endpoint", from: "@spillway/azure-openai", carries: ["azure-openai/Endpoint"], effect: true },
    { module: "Recovery", from: "@spillway/core", carries: ["core/Recovery"], effect: true },
    {
      module: "RetryAfter",
      from: "@spillway/core",
      carries: ["core/CallSettings", "core/Recovery", "core/RetryAfter", "core/internal/time"],
      effect: true
    },
    { module: "Statistics", from: "@spillway/lab", carries: ["lab/Statistics"], effect: false }
  ])("of $module carries $carries", async ({ carries, effect, from, module }) => {
    const made = await bundle(use(module, from), { folder, external: ["effect", "@observablehq/plot", "linkedom"] })

    assert.deepStrictEqual(ownModules(made), carries)
    assert.strictEqual(/from ["']effect\//.test(made.code), effect)
  })
})

describe("every module", () => {
  const external = ["effect", "@effect/platform", "@observablehq/plot", "linkedom"]
  const modules = portable.flatMap((library) =>
    entryPoints(library)
      .filter((name) => name !== library.manifest.name)
      .map((name) => ({ name, library: library.manifest.name, module: name.slice(library.manifest.name.length + 1) }))
  )

  it("carries the same by its package's name as by its own", async () => {
    const byPackageToo = modules.filter(({ library, module }) =>
      // What needs an optional peer is reached by its own name alone, so that nobody else needs the peer.
      named(library).files.get("dist/index.js")?.includes(`export * as ${module} from`)
    )
    assert.deepStrictEqual(
      modules.filter((module) => !byPackageToo.includes(module)).map(({ name }) => name),
      ["@spillway/azure-openai/Tokenizer", "@spillway/azure-openai/UndiciHttpClient"]
    )
    for (const { library, module, name } of byPackageToo) {
      const [byPackage, byName] = await Promise.all([
        withEsbuild(use(module, library), { folder, external }),
        withEsbuild(useAll(name), { folder, external })
      ])
      const barrel = `${library.replace("@spillway/", "")}/index`

      assert.deepStrictEqual(
        ownModules(byPackage).filter((path) => path !== barrel),
        ownModules(byName),
        name
      )
    }
  })

  it("weighs what the table says", async () => {
    const rows: Array<Record<string, string | number>> = []
    const kib = (code: string) => Number((code.length / 1024).toFixed(1))
    for (const name of portable.map(({ manifest }) => manifest.name)) {
      const alone = await withEsbuild(useAll(name), { folder, external, minify: true })
      const inAll = await withEsbuild(useAll(name), { folder, minify: true })
      rows.push({
        package: name,
        "own, minified (KiB)": kib(alone.code),
        "own, gzip": Number((gzipSync(alone.code).length / 1024).toFixed(1)),
        "with everything it needs": kib(inAll.code),
        "that, gzip": Number((gzipSync(inAll.code).length / 1024).toFixed(1))
      })
    }
    printTable(rows)

    assert.strictEqual(rows.length, portable.length)
  })
})
