import { posix } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import type { Tarball } from "./tarball.js"

/** What a published package must be. Each rule names every place that breaks it. */
export type Rule = (tarball: Tarball) => ReadonlyArray<string>

const named =
  (pattern: RegExp): Rule =>
  ({ files }) =>
    [...files.keys()].filter((file) => pattern.test(file))

const lifecycle = ["preinstall", "install", "postinstall", "preprepare", "prepare", "postprepare", "prepublish"]

const withoutInstallScripts: Rule = ({ files, manifest }) => [
  ...lifecycle.filter((script) => manifest.scripts?.[script] !== undefined).map((script) => `scripts.${script}`),
  // npm runs node-gyp for it without being told to.
  ...[...files.keys()].filter((file) => posix.basename(file) === "binding.gyp")
]

const localPath = /file:\/\/\/|(?<![\w.:/-])\/(?:home|Users|root|tmp|work|mnt|builds?|github)\/|\b[A-Z]:\\{1,2}\w/

const repository = fileURLToPath(new URL("../../../", import.meta.url))

const withoutLocalPaths: Rule = ({ files }) =>
  [...files].flatMap(([file, content]) =>
    content.split("\n").flatMap((line, index) => {
      const at = line.includes(repository) ? line.indexOf(repository) : line.search(localPath)
      return at === -1 ? [] : [`${file}:${index + 1}: ${line.slice(at, at + 60)}`]
    })
  )

const mapsLeadIntoTarball: Rule = ({ files }) =>
  [...files].flatMap(([file, content]) => {
    if (!file.endsWith(".map")) {
      const target = /\/\/# sourceMappingURL=(\S+)\s*$/.exec(content)?.[1]
      return target === undefined || files.has(posix.join(posix.dirname(file), target)) ? [] : [`${file}: ${target}`]
    }
    const map: { sources: ReadonlyArray<string>; sourceRoot?: string } = JSON.parse(content)
    return map.sources
      .map((source) => posix.join(posix.dirname(file), map.sourceRoot ?? "", source))
      .filter((source) => !files.has(source))
      .map((source) => `${file}: ${source}`)
  })

// A chunk is what some of the joined modules share: its map says what it was built from.
const chunk = /^dist\/joined\/internal\/chunk-\w+\.js(?:\.map)?$/

const builtFromItsSources: Rule = ({ files }) =>
  [...files.keys()].flatMap((file) => {
    const module = /^dist\/(?:joined\/)?(.*?)(?:\.d\.ts|\.js)(?:\.map)?$/.exec(file)?.[1]
    return module === undefined || files.has(`src/${module}.ts`) || chunk.test(file) ? [] : [file]
  })

const withLicenceAndReadme: Rule = ({ files, manifest }) => [
  ...(manifest.license === "MIT" ? [] : ["package.json: license"]),
  ...(files.get("LICENSE")?.startsWith("MIT License") === true ? [] : ["LICENSE"]),
  ...(files.get("README.md")?.startsWith(`# ${manifest.name}\n`) === true ? [] : ["README.md"])
]

const linksLeadIntoTarball: Rule = ({ files }) =>
  [...files].flatMap(([file, content]) =>
    file.endsWith(".md")
      ? [...content.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
          .map((link) => posix.join(posix.dirname(file), link[1] ?? ""))
          .filter((target) => !files.has(target))
          .map((target) => `${file}: ${target}`)
      : []
  )

const rangesOfTheRegistry: Rule = ({ manifest }) =>
  (["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"] as const).flatMap((kind) =>
    Object.entries(manifest[kind] ?? {}).flatMap(([name, range]) =>
      /^[a-z]+:/.test(range) ? [`${kind}.${name}: ${range}`] : []
    )
  )

const packageOf = (specifier: string): string => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier

const importsWhatItDeclares: Rule = ({ files, manifest }) => {
  const declared = new Set([
    manifest.name,
    ...Object.keys(manifest.dependencies ?? {}),
    ...Object.keys(manifest.peerDependencies ?? {})
  ])
  return [...files].flatMap(([file, content]) =>
    /^dist\/.*(?:\.js|\.d\.ts)$/.test(file)
      ? ts
          .preProcessFile(content, true, true)
          .importedFiles.map((found) => found.fileName)
          .filter((name) => !name.startsWith(".") && !name.startsWith("node:") && !declared.has(packageOf(name)))
          .map((name) => `${file}: ${name}`)
      : []
  )
}

const saysItHasNoSideEffects: Rule = ({ manifest }) =>
  manifest.bin !== undefined || manifest.sideEffects === false ? [] : ["package.json: sideEffects"]

export const rules: Readonly<Record<string, Rule>> = {
  "carries no tests": named(/(?:^|\/)(?:tests?|__tests__|dtslint|fixtures?)\/|\.(?:test|spec|tst|long)\.|vitest/),
  "carries no state of a build or a machine": named(
    /\.tsbuildinfo$|(?:^|\/)(?:node_modules|\.DS_Store|\.env[^/]*|\.npmrc|pnpm-lock\.yaml|tsconfig[^/]*\.json)(?:\/|$)|\.(?:log|tgz)$/
  ),
  "runs nothing when it is installed": withoutInstallScripts,
  "holds no path of the machine it was built on": withoutLocalPaths,
  "has source and declaration maps that lead into the tarball": mapsLeadIntoTarball,
  "was built from the sources it holds": builtFromItsSources,
  "has a licence and a README of its own": withLicenceAndReadme,
  "has links that lead into the tarball": linksLeadIntoTarball,
  "asks for ranges that a registry knows": rangesOfTheRegistry,
  "imports only what it declares": importsWhatItDeclares,
  "says that importing it has no side effects": saysItHasNoSideEffects
}
