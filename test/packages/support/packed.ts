import { inject } from "vitest"
import { basename, join } from "node:path"
import type { Manifest, Tarball } from "./tarball.js"
import { filesOf, readManifest } from "./tarball.js"

const folders = inject("folders")

/** The packages as they were packed. */
export const packed: ReadonlyArray<Tarball> = Object.values(folders.tarballs).map((path) => {
  const folder = join(folders.unpacked, basename(path, ".tgz"))
  return { path, manifest: readManifest(folder), files: filesOf(folder) }
})

export const named = (name: string): Tarball => {
  const found = packed.find(({ manifest }) => manifest.name === name)
  if (found === undefined) throw new Error(`no tarball of ${name}`)
  return found
}

export const isLibrary = ({ bin }: Manifest): boolean => bin === undefined

export const consumers = { npm: folders.npm, pnpm: folders.pnpm }
