import { cpSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Tarball } from "./tarball.js"
import { execute } from "./tarball.js"

const sources = fileURLToPath(new URL("../consumer", import.meta.url))

const project = (folder: string, dependencies: Readonly<Record<string, string>>): void => {
  mkdirSync(folder)
  cpSync(sources, folder, { recursive: true })
  const manifest = { name: "consumer", version: "1.0.0", private: true, type: "module", dependencies }
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest, null, 2))
}

const files = (tarballs: ReadonlyArray<Tarball>): Record<string, string> =>
  Object.fromEntries(tarballs.map(({ manifest, path }) => [manifest.name, `file:${path}`]))

/** All packages, as a project that uses npm gets them: with the peers that the workspace is built against. */
export const installWithNpm = async (tarballs: ReadonlyArray<Tarball>, folder: string): Promise<string> => {
  const peers = tarballs.flatMap(({ manifest }) =>
    Object.keys(manifest.peerDependencies ?? {}).map((name) => [name, manifest.devDependencies?.[name] ?? "latest"])
  )
  project(folder, { ...Object.fromEntries(peers), ...files(tarballs) })
  await execute("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], folder)
  return folder
}

/** The oldest version that a range takes, where the range begins with it. */
const oldest = (range: string): string => {
  const [version, major, minor = "0", patch = "0"] = /^>=(\d+)(?:\.(\d+))?(?:\.(\d+))?(?= |$)/.exec(range) ?? []
  if (version === undefined) throw new Error(`the range ${range} does not begin with its oldest version`)
  return `${major}.${minor}.${patch}`
}

/**
 * The libraries that leave the version of Effect to their users, over the oldest they accept, with pnpm at its strictest:
 * what a package does not declare is not there for it.
 */
export const installWithPnpm = async (tarballs: ReadonlyArray<Tarball>, folder: string): Promise<string> => {
  const libraries = tarballs.filter(({ manifest }) =>
    Object.keys(manifest.dependencies ?? {}).every((name) => !name.startsWith("@effect/"))
  )
  const peers = libraries.flatMap(({ manifest }) =>
    Object.entries(manifest.peerDependencies ?? {}).map(([name, range]) => [name, oldest(range)])
  )
  project(folder, { ...Object.fromEntries(peers), ...files(libraries) })
  const workspace = {
    packages: [],
    hoist: false,
    autoInstallPeers: false,
    strictPeerDependencies: true,
    overrides: files(tarballs),
    allowBuilds: { "msgpackr-extract": false }
  }
  // JSON is YAML.
  writeFileSync(join(folder, "pnpm-workspace.yaml"), JSON.stringify(workspace, null, 2))
  await execute("npx", ["-y", "pnpm@12", "install", "--prefer-offline", "--no-frozen-lockfile"], folder)
  return folder
}
