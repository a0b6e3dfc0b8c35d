/** One installed package, as npm's lockfile has it. */
export interface Installed {
  readonly version?: string
  readonly license?: string
  readonly hasInstallScript?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}

/** The `packages` of a lockfile, by their place. */
export type Lockfile = Readonly<Record<string, Installed>>

/** Where a package finds another: in its own folder, or in one above. */
const find = (lockfile: Lockfile, from: string, name: string): string | undefined => {
  const place = `${from === "" ? "" : `${from}/`}node_modules/${name}`
  if (lockfile[place] !== undefined) return place
  if (from === "") return undefined
  const above = from.lastIndexOf("/node_modules/")
  return find(lockfile, above === -1 ? "" : from.slice(0, above), name)
}

const needs = (installed: Installed, kinds: ReadonlyArray<"dependencies" | "peerDependencies">) =>
  kinds.flatMap((kind) => [
    ...Object.keys(installed[kind] ?? {}).filter(
      (name) => kind === "dependencies" || installed.peerDependenciesMeta?.[name]?.optional !== true
    ),
    ...(kind === "dependencies" ? Object.keys(installed.optionalDependencies ?? {}) : [])
  ])

/** The places of everything that comes with packages: what they need, and what that needs, peers as well. */
export const treeOf = (lockfile: Lockfile, roots: ReadonlyArray<string>): ReadonlySet<string> => {
  const seen = new Set<string>()
  const visit = (place: string): void => {
    if (seen.has(place)) return
    seen.add(place)
    const installed = lockfile[place] ?? {}
    for (const name of needs(installed, ["dependencies", "peerDependencies"])) {
      const found = find(lockfile, place, name)
      // An optional one may not be there, for want of a build for this machine.
      if (found !== undefined) visit(found)
    }
  }
  for (const name of roots) visit(`node_modules/${name}`)
  return seen
}

/** The packages of some places that want to run something when they are installed. */
export const withInstallScripts = (lockfile: Lockfile, places: Iterable<string>): ReadonlyArray<string> =>
  [...places]
    .filter((place) => lockfile[place]?.hasInstallScript === true)
    .map(nameOf)
    .toSorted()

export const nameOf = (place: string): string => place.slice(place.lastIndexOf("node_modules/") + 13)
