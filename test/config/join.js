/**
 * The last step of a build: a library's modules as one file, for runtimes. Node takes longer to find, open and link a module
 * than to run it. Each module can still be imported by its own name, and is the one in that file. Bundlers are given the
 * modules as they are, by the condition `module`, and leave out what a program does not use.
 */
import { build } from "esbuild"
import { readdirSync, rmSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const join = async (library) => {
  const modules = fileURLToPath(new URL(`../../packages/${library}/dist/`, import.meta.url))
  const joined = `${modules}joined/`
  rmSync(joined, { recursive: true, force: true })
  const index = await import(`${modules}index.js`)
  const names = readdirSync(modules).flatMap((file) => /^(.+)\.js$/.exec(file)?.[1] ?? [])
  await build({
    // What needs an optional peer is not in the index, and stays by itself.
    entryPoints: names.filter((name) => !(name in index)).map((name) => `${modules}${name}.js`),
    outdir: joined,
    chunkNames: "internal/[name]-[hash]",
    bundle: true,
    splitting: true,
    packages: "external",
    format: "esm",
    target: "node20",
    sourcemap: true,
    sourcesContent: false
  })
  for (const [name, module] of Object.entries(index)) {
    const exported = `export const { ${Object.keys(module).join(", ")} } = module`
    writeFileSync(`${joined}${name}.js`, `import { ${name} as module } from "./index.js"\n${exported}\n`)
  }
}

// One after the other: the second imports the first.
await join("core")
await join("azure-openai")
