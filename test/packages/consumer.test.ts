import { assert, describe, it } from "@effect/vitest"
import { existsSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { consumers, isLibrary, named, packed } from "./support/packed.js"
import { entryPoints, readManifest, run } from "./support/tarball.js"

const require = createRequire(import.meta.url)

const projects = [
  // What users of Effect 3 have.
  { tool: "npm", folder: consumers.npm, compiler: require.resolve("typescript/bin/tsc") },
  // What the repository itself is built with.
  { tool: "pnpm", folder: consumers.pnpm, compiler: join(require.resolve("ts7/package.json"), "../bin/tsc") }
]

const node = (args: ReadonlyArray<string>, cwd: string) => run(process.execPath, args, cwd)

const installed = (folder: string) =>
  packed.filter(({ manifest }) => isLibrary(manifest) && existsSync(join(folder, "node_modules", manifest.name)))

/** Type-checks the application and an import of everything there is; emits the application as JavaScript. */
const compile = (compiler: string, folder: string, resolution: "nodenext" | "bundler") => {
  const modules = installed(folder).flatMap(entryPoints)
  writeFileSync(
    join(folder, "everything.ts"),
    modules.map((module, index) => `export * as m${index} from "${module}"`).join("\n")
  )
  const config = {
    compilerOptions: {
      target: "ES2022",
      lib: ["ES2022", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
      module: resolution === "nodenext" ? "nodenext" : "esnext",
      moduleResolution: resolution,
      strict: true,
      skipLibCheck: true,
      types: [],
      outDir: `out-${resolution}`
    },
    files: ["app.ts", "everything.ts"]
  }
  const name = `tsconfig.${resolution}.json`
  writeFileSync(join(folder, name), JSON.stringify(config))
  return node([compiler, "-p", name], folder)
}

describe.each(projects)("a project of its own, installed with $tool", ({ compiler, folder, tool }) => {
  it("has what was packed, over the versions of Effect it is to have", () => {
    const effect = readManifest(join(folder, "node_modules/effect")).version
    const { devDependencies, peerDependencies } = named("@spillway/core").manifest

    assert.deepStrictEqual(
      installed(folder).map(({ manifest }) => manifest.name),
      tool === "npm"
        ? packed.map(({ manifest }) => manifest.name).filter((name) => name !== "spillway")
        : ["@spillway/azure-openai", "@spillway/core", "@spillway/emulator", "@spillway/lab"]
    )
    if (tool === "npm") assert.strictEqual(effect, devDependencies?.["effect"])
    else assert.match(peerDependencies?.["effect"] ?? "", new RegExp(`^>=${effect} `))
  })

  it.each(["nodenext", "bundler"] as const)("type-checks with moduleResolution %s", async (resolution) => {
    const { status, stderr, stdout } = await compile(compiler, folder, resolution)

    assert.strictEqual(stdout, "")
    assert.strictEqual(status, 0, stderr)
  })

  it("every module can be imported", async () => {
    const modules = installed(folder).flatMap(entryPoints)
    const source = `for (const name of ${JSON.stringify(modules)}) console.log(name, Object.keys(await import(name)).length)`
    const { stderr, stdout } = await node(["--input-type=module", "-e", source], folder)

    assert.strictEqual(stderr, "")
    assert.deepStrictEqual(
      stdout
        .trim()
        .split("\n")
        .map((line) => line.split(" ")[0]),
      modules
    )
  })

  it("the application runs: one call waits for PTU, one falls back", async () => {
    const { stderr, stdout } = await node(["out-nodenext/app.js"], folder)

    assert.strictEqual(stderr, "")
    assert.strictEqual(stdout, "from PTU: served_after_wait after 2\nfrom Standard: fallback after 2\n")
  })
})

describe("the command, installed with npm", () => {
  const bin = join(consumers.npm, "node_modules/.bin/spillway")

  it("is there for npx, and tells its version and what it can do", async () => {
    const version = await run("npx", ["--no-install", "spillway", "--version"], consumers.npm)
    const help = await run(bin, ["--help"], consumers.npm)

    assert.strictEqual(version.stdout, `${named("spillway").manifest.version}\n`)
    assert.strictEqual(help.status, 0)
    for (const command of ["demo", "ask", "emulate", "simulate"]) assert.include(help.stdout, command)
  })

  it("demo: calls over real sockets, some of them answered by Standard", async () => {
    const { status, stderr, stdout } = await run(bin, ["demo", "--json"], consumers.npm)
    assert.strictEqual(status, 0, stderr)
    const report = JSON.parse(stdout)

    assert.strictEqual(report.failed, 0)
    assert.isAbove(report.servedBy.provisioned, 0)
    assert.isAbove(report.servedBy.standard, 0)
  })
})
