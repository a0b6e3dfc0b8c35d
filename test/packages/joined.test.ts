import { assert, describe, it } from "@effect/vitest"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { consumers, packed } from "./support/packed.js"
import type { Tarball } from "./support/tarball.js"
import { entryPoints, execute } from "./support/tarball.js"

const folder = consumers.npm
const libraries = packed.filter(({ files }) => files.has("dist/joined/index.js"))

const node = (source: string) => execute(process.execPath, ["--input-type=module", "-e", source], folder)

const moduleOf = (name: string, { manifest }: Tarball): string =>
  name === manifest.name ? "index" : name.slice(manifest.name.length + 1)

/** What Node opens of Spillway for an import. */
const opened = async (name: string): Promise<ReadonlyArray<string>> => {
  const hooks = `
    import { writeSync } from "node:fs"
    export const load = (url, context, next) => {
      writeSync(1, url + "\\n")
      return next(url, context)
    }`
  const loaded = await node(`
    import { register } from "node:module"
    register("data:text/javascript," + encodeURIComponent(${JSON.stringify(hooks)}))
    await import("${name}")`)
  return loaded.split("\n").flatMap((url) => /@spillway\/(.+)$/.exec(url)?.[1] ?? [])
}

describe("the modules of a library as one file", () => {
  it("of the libraries that an application waits for when it starts", () => {
    assert.deepStrictEqual(libraries.map(({ manifest }) => manifest.name).toSorted(), [
      "@spillway/azure-openai",
      "@spillway/core"
    ])
  })

  it("is all that Node opens", async () => {
    const core = ["core/dist/joined/index.js"]
    const whole = await opened("@spillway/azure-openai")

    assert.deepStrictEqual(await opened("@spillway/core"), core)
    assert.deepStrictEqual(
      whole.filter((file) => !/^azure-openai\/dist\/joined\/internal\/chunk-\w+\.js$/.test(file)).toSorted(),
      ["azure-openai/dist/joined/index.js", ...core]
    )
    assert.isAtMost(whole.length, 3)
  })

  it.each([...libraries])("of $manifest.name: a module by its own name is the one in it", async (library) => {
    const names = entryPoints(library)
    const places = names.map((name) => ({
      name,
      module: moduleOf(name, library),
      file: pathToFileURL(join(folder, "node_modules", library.manifest.name, "dist", `${moduleOf(name, library)}.js`))
    }))
    const different = await node(`
      const index = await import("${library.manifest.name}")
      for (const { name, module, file } of ${JSON.stringify(places)}) {
        const byName = await import(name)
        const written = Object.keys(await import(file)).toSorted()
        if (Object.keys(byName).toSorted().join() !== written.join()) console.log(name, "has other exports")
        for (const [key, value] of Object.entries(byName)) {
          if (module in index && index[module][key] !== value) console.log(name, key, "is there twice")
        }
      }`)

    assert.isAbove(names.length, 10)
    assert.strictEqual(different, "")
  })
})
