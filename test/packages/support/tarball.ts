import { spawn } from "node:child_process"
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs"
import { basename, join } from "node:path"

/** The parts of a package.json that the checks look at. */
export interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: string
  readonly private?: boolean
  readonly sideEffects?: boolean
  readonly bin?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, unknown>>
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}

/** A packed package, unpacked again. */
export interface Tarball {
  readonly path: string
  readonly manifest: Manifest
  /** The files and what is in them, by their path in the tarball. */
  readonly files: ReadonlyMap<string, string>
}

/** What a command printed, and how it ended. */
export interface Done {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command. Not synchronously: the test runner has to go on meanwhile. */
export const run = (command: string, args: ReadonlyArray<string>, cwd: string): Promise<Done> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined },
      stdio: ["ignore", "pipe", "pipe"]
    })
    const written = { stdout: "", stderr: "" }
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream].setEncoding("utf8").on("data", (text: string) => {
        written[stream] += text
      })
    }
    child.once("error", reject)
    child.once("close", (status) => resolve({ status, ...written }))
  })

/** Runs a command that has to succeed. */
export const execute = async (command: string, args: ReadonlyArray<string>, cwd: string): Promise<string> => {
  const { status, stderr, stdout } = await run(command, args, cwd)
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: status ${status}\n${stdout}\n${stderr}`)
  return stdout
}

export const readManifest = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))

export const filesOf = (folder: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(folder, { recursive: true })
      .map(String)
      .filter((file) => statSync(join(folder, file)).isFile())
      .toSorted()
      .map((file) => [file, readFileSync(join(folder, file), "utf8")])
  )

export const unpack = async (path: string, into: string): Promise<Tarball> => {
  const folder = join(into, basename(path, ".tgz"))
  mkdirSync(folder)
  await execute("tar", ["-xzf", path, "--strip-components=1", "-C", folder], into)
  return { path, manifest: readManifest(folder), files: filesOf(folder) }
}

/** The modules that can be imported, as their names behind the package's. */
export const entryPoints = ({ files, manifest }: Tarball): ReadonlyArray<string> =>
  manifest.exports?.["./*"] === undefined
    ? []
    : [...files.keys()].flatMap((file) => {
        const module = /^dist\/([^/]+)\.js$/.exec(file)?.[1]
        return module === undefined ? [] : [module === "index" ? manifest.name : `${manifest.name}/${module}`]
      })
