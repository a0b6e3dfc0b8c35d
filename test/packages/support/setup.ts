import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { TestProject } from "vitest/node"
import { installWithNpm, installWithPnpm } from "./consumers.js"
import { execute, readManifest, unpack } from "./tarball.js"

/** Where the tests find what was made before them. */
export interface Folders {
  /** The tarballs, by the folder of their package. */
  readonly tarballs: Readonly<Record<string, string>>
  readonly unpacked: string
  readonly npm: string
  readonly pnpm: string
}

declare module "vitest" {
  export interface ProvidedContext {
    folders: Folders
  }
}

const packages = fileURLToPath(new URL("../../../packages", import.meta.url))

const pack = async (folder: string, into: string): Promise<string> => {
  mkdirSync(into)
  await execute("npx", ["-y", "pnpm@12", "pack", "--pack-destination", into], folder)
  const [file] = readdirSync(into)
  if (file === undefined) throw new Error(`pnpm pack made no tarball of ${folder}`)
  return join(into, file)
}

/** Packs every package that is published, and installs the tarballs in projects outside the workspace. */
export const setup = async (project: TestProject) => {
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), "spillway-packages-")))
  const unpacked = join(scratch, "unpacked")
  const packed = join(scratch, "packed")
  mkdirSync(unpacked)
  mkdirSync(packed)
  const published = readdirSync(packages).filter(
    (name) => existsSync(join(packages, name, "package.json")) && readManifest(join(packages, name)).private !== true
  )
  const tarballs: Record<string, string> = {}
  for (const name of published) tarballs[name] = await pack(join(packages, name), join(packed, name))
  const all = await Promise.all(Object.values(tarballs).map((path) => unpack(path, unpacked)))
  const [npm, pnpm] = await Promise.all([
    installWithNpm(all, join(scratch, "npm")),
    installWithPnpm(all, join(scratch, "pnpm"))
  ])
  project.provide("folders", { tarballs, unpacked, npm, pnpm })
  return () => rmSync(scratch, { recursive: true, force: true })
}
