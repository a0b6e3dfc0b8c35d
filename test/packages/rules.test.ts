import { assert, describe, it } from "@effect/vitest"
import { rules } from "./support/rules.js"
import type { Manifest, Tarball } from "./support/tarball.js"

const map = (source: string, more: object = {}) => JSON.stringify({ version: 3, sources: [source], ...more })

const sound: Tarball = {
  path: "sound.tgz",
  manifest: {
    name: "sound",
    version: "1.0.0",
    license: "MIT",
    sideEffects: false,
    dependencies: { effect: "^3.22.0" }
  },
  files: new Map([
    ["LICENSE", "MIT License"],
    ["README.md", "# sound\n\n[more](docs/more.md#part), [elsewhere](https://example.com), [here](#here)"],
    ["docs/more.md", "[back](../README.md)"],
    ["package.json", "{}"],
    ["src/One.ts", "export const one = 1"],
    ["dist/One.js", `import * as Effect from "effect/Effect"\nimport "node:fs"\n//# sourceMappingURL=One.js.map`],
    ["dist/One.js.map", map("../src/One.ts")],
    ["dist/joined/One.js", `import { shared } from "./internal/chunk-A1.js"`],
    ["dist/joined/internal/chunk-A1.js", "export const shared = 1"],
    ["dist/One.d.ts", `import type { Two } from "./Two.js"\n//# sourceMappingURL=One.d.ts.map`],
    ["dist/One.d.ts.map", map("One.ts", { sourceRoot: "../src" })]
  ])
}

const withFile = (name: string, content: string): Tarball => ({
  ...sound,
  files: new Map([...sound.files, [name, content]])
})
const withManifest = (more: Partial<Manifest>): Tarball => ({ ...sound, manifest: { ...sound.manifest, ...more } })
const without = (name: string): Tarball => ({
  ...sound,
  files: new Map([...sound.files].filter(([file]) => file !== name))
})

const faults: ReadonlyArray<{ readonly rule: string; readonly fault: string; readonly tarball: Tarball }> = [
  { rule: "carries no tests", fault: "src/One.test.ts", tarball: withFile("src/One.test.ts", "") },
  { rule: "carries no tests", fault: "test/support/wire.js", tarball: withFile("test/support/wire.js", "") },
  { rule: "carries no tests", fault: "rules/alerts.test.yml", tarball: withFile("rules/alerts.test.yml", "") },
  {
    rule: "carries no state of a build or a machine",
    fault: "dist/.tsbuildinfo",
    tarball: withFile("dist/.tsbuildinfo", "")
  },
  { rule: "carries no state of a build or a machine", fault: ".env.local", tarball: withFile(".env.local", "") },
  {
    rule: "runs nothing when it is installed",
    fault: "scripts.postinstall",
    tarball: withManifest({ scripts: { postinstall: "node ." } })
  },
  { rule: "runs nothing when it is installed", fault: "binding.gyp", tarball: withFile("binding.gyp", "{}") },
  {
    rule: "holds no path of the machine it was built on",
    fault: "dist/Two.txt:2: /home/someone/spillway/src/Two.ts",
    tarball: withFile("dist/Two.txt", "first\nat /home/someone/spillway/src/Two.ts")
  },
  {
    rule: "holds no path of the machine it was built on",
    fault: `dist/One.js.map:1: file:///builds/one/src/One.ts"]}`,
    tarball: withFile("dist/One.js.map", `{"sources":["file:///builds/one/src/One.ts"]}`)
  },
  {
    rule: "has source and declaration maps that lead into the tarball",
    fault: "dist/One.js.map: lib/One.ts",
    tarball: withFile("dist/One.js.map", map("../lib/One.ts"))
  },
  {
    rule: "has source and declaration maps that lead into the tarball",
    fault: "dist/One.d.ts: One.d.ts.map",
    tarball: without("dist/One.d.ts.map")
  },
  { rule: "was built from the sources it holds", fault: "dist/Gone.js", tarball: withFile("dist/Gone.js", "") },
  {
    rule: "was built from the sources it holds",
    fault: "dist/joined/Gone.js",
    tarball: withFile("dist/joined/Gone.js", "")
  },
  { rule: "has a licence and a README of its own", fault: "LICENSE", tarball: without("LICENSE") },
  { rule: "has a licence and a README of its own", fault: "README.md", tarball: withFile("README.md", "# other\n") },
  {
    rule: "has links that lead into the tarball",
    fault: "README.md: docs/gone.md",
    tarball: withFile("README.md", "# sound\n\n[gone](docs/gone.md)")
  },
  {
    rule: "asks for ranges that a registry knows",
    fault: "dependencies.effect: workspace:^",
    tarball: withManifest({ dependencies: { effect: "workspace:^" } })
  },
  {
    rule: "asks for ranges that a registry knows",
    fault: "peerDependencies.effect: catalog:",
    tarball: withManifest({ peerDependencies: { effect: "catalog:" } })
  },
  {
    rule: "imports only what it declares",
    fault: "dist/One.d.ts: @effect/platform/HttpClient",
    tarball: withFile("dist/One.d.ts", `export type C = import("@effect/platform/HttpClient").HttpClient`)
  },
  {
    rule: "imports only what it declares",
    fault: "dist/One.js: left-pad",
    tarball: withFile("dist/One.js", `export * from "left-pad"`)
  },
  {
    rule: "says that importing it has no side effects",
    fault: "package.json: sideEffects",
    tarball: withManifest({ sideEffects: true })
  }
]

describe("the rules of a published package", () => {
  it("a sound one keeps them all", () => {
    assert.deepStrictEqual(
      Object.entries(rules).flatMap(([name, rule]) => rule(sound).map((problem) => `${name}: ${problem}`)),
      []
    )
  })

  it("each of them is broken by one of the faults below", () => {
    assert.deepStrictEqual(new Set(faults.map(({ rule }) => rule)), new Set(Object.keys(rules)))
  })

  it.each([...faults])("$rule: not one with $fault", ({ fault, rule, tarball }) => {
    assert.deepStrictEqual(rules[rule]?.(tarball), [fault])
  })
})
