import { assert, describe, it } from "@effect/vitest"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import ts from "typescript"
import { consumers, isLibrary, packed } from "./support/packed.js"
import { printTable } from "./support/table.js"
import { entryPoints, execute, run } from "./support/tarball.js"

const folder = consumers.npm
const libraries = packed.filter(({ manifest }) => isLibrary(manifest))

/** What others' packages do when they are loaded is theirs: they are loaded first. */
const foreign = [
  ...new Set(
    libraries.flatMap(({ files }) =>
      [...files]
        .filter(([file]) => file.startsWith("dist/") && file.endsWith(".js"))
        .flatMap(([, content]) => ts.preProcessFile(content, true, true).importedFiles.map(({ fileName }) => fileName))
        .filter((name) => !name.startsWith(".") && !name.startsWith("@spillway/"))
    )
  )
]

/** Prints what the import of a module changes in the process around it. */
const observer = `
  for (const name of ${JSON.stringify(foreign)}) await import(name)
  // By their descriptors: to read a global that is made when it is first read would make it.
  const described = (object) => Reflect.ownKeys(object).map((key) => [key, Object.getOwnPropertyDescriptor(object, key)])
  const properties = (name, object) =>
    described(object).map(([key, { get, value }]) =>
      [name + "." + String(key), typeof value === "object" ? typeof value : (get ?? value)])
  const builtins = described(globalThis).flatMap(([name, { value }]) =>
    typeof value === "function" || (typeof value === "object" && value !== null && value !== globalThis)
      ? [[String(name), value]]
      : [])
  const look = () => new Map([
    ...properties("globalThis", globalThis),
    ...builtins.flatMap(([name, value]) => [
      ...properties(name, value),
      ...(value.prototype ? properties(name + ".prototype", value.prototype) : [])
    ]),
    ...Object.entries(process.env).map(([name, value]) => ["process.env." + name, value]),
    ...process.eventNames().map((name) => ["process.on " + String(name), process.listenerCount(name)]),
    ["open", process.getActiveResourcesInfo().toSorted().join()]
  ])
  const before = look()
  await import(process.argv[1])
  const after = look()
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    if (!Object.is(before.get(key), after.get(key))) console.log(key)
  }
`
const observe = (module: string) => run(process.execPath, ["--input-type=module", "-e", observer, "--", module], folder)

describe("importing", () => {
  it.each(libraries.map(({ manifest }) => manifest.name))("%s, and each of its modules, does nothing", async (name) => {
    const library = libraries.find(({ manifest }) => manifest.name === name)
    const all = join(folder, "all.mjs")
    const modules = library === undefined ? [] : entryPoints(library)
    writeFileSync(all, modules.map((module) => `import "${module}"`).join("\n"))

    assert.isAbove(modules.length, 0)
    assert.deepStrictEqual(await observe(all), { status: 0, stdout: "", stderr: "" })
  })

  it.each([
    { does: "sets a global", code: "globalThis.spilled = 1", seen: "globalThis.spilled" },
    { does: "changes a built-in", code: "Array.prototype.at = () => 1", seen: "Array.prototype.at" },
    { does: "listens to the process", code: "process.on('exit', () => {})", seen: "process.on exit" },
    { does: "leaves a timer", code: "setTimeout(() => {}, 50)", seen: "open" },
    { does: "prints", code: "console.log('hello')", seen: "hello" },
    { does: "sets a variable", code: "process.env.SPILLED = '1'", seen: "process.env.SPILLED" }
  ])("what $does is seen", async ({ code, seen }) => {
    const careless = join(folder, "careless.mjs")
    writeFileSync(careless, code)

    assert.include((await observe(careless)).stdout.split("\n"), seen)
  })
})

describe("start-up", () => {
  const limit = 150
  // How long effect itself takes where the limit was set: a machine that is slower now, or busy, is as much slower for both.
  const yardstick = 450
  const measure = async (before: ReadonlyArray<string>, module: string) => {
    const source = `
      for (const name of ${JSON.stringify(before)}) await import(name)
      const began = performance.now()
      await import("${module}")
      console.log(performance.now() - began)`
    return Number(await execute(process.execPath, ["--input-type=module", "-e", source], folder))
  }
  const subject = "@spillway/azure-openai, after effect"
  const cases = [
    { what: "effect", before: [], module: "effect" },
    { what: "@effect/platform/HttpClient, after effect", before: ["effect"], module: "@effect/platform/HttpClient" },
    { what: "@spillway/core, after effect", before: ["effect"], module: "@spillway/core" },
    { what: subject, before: ["effect"], module: "@spillway/azure-openai" }
  ]

  it(`@spillway/azure-openai adds under ${limit} ms to effect`, { timeout: 300_000 }, async () => {
    const times = new Map(cases.map(({ what }): [string, Array<number>] => [what, []]))
    const sorted = (what: string) => (times.get(what) ?? []).toSorted((a, b) => a - b).map(Math.round)
    // What else the machine does only adds: the least is the import's own.
    const least = (what: string) => sorted(what)[0] ?? Number.NaN
    for (let round = 0; round < 7; round += 1) {
      for (const { before, module, what } of cases) times.get(what)?.push(await measure(before, module))
    }
    printTable(
      cases.map(({ what }) => ({
        import: what,
        "least (ms)": least(what),
        "median (ms)": sorted(what)[Math.floor(sorted(what).length / 2)] ?? Number.NaN
      }))
    )

    assert.isBelow(least(subject), limit * Math.max(1, least("effect") / yardstick))
  })
})
