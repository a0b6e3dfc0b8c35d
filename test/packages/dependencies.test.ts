import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Lockfile } from "./support/dependencies.js"
import { nameOf, treeOf, withInstallScripts } from "./support/dependencies.js"
import { consumers, packed } from "./support/packed.js"
import { printTable } from "./support/table.js"
import { run } from "./support/tarball.js"

const lockfile: Lockfile = JSON.parse(readFileSync(join(consumers.npm, "package-lock.json"), "utf8")).packages

const treeIn = (lockfile: Lockfile, name: string, peers: ReadonlyArray<string>) => {
  const all = treeOf(lockfile, [name])
  const given = treeOf(lockfile, peers)
  const beyond = [...all].filter((place) => !given.has(place) && place !== `node_modules/${name}`)
  return { all: all.size - 1, beyond }
}

const trees = packed.map(({ manifest }) => {
  const required = Object.keys(manifest.peerDependencies ?? {}).filter(
    (name) => manifest.peerDependenciesMeta?.[name]?.optional !== true
  )
  return { manifest, required, ...treeIn(lockfile, manifest.name, required) }
})

// Neither is needed: they are faster builds of what is there without them, and everything here is installed with scripts off.
const known = ["@parcel/watcher", "msgpackr-extract"]

const licences = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "ISC",
  "MIT",
  "Unlicense"
])

describe("what comes with each package", () => {
  it("is what the table says", () => {
    printTable(
      trees.map(({ all, beyond, manifest, required }) => ({
        package: manifest.name,
        dependencies: Object.keys(manifest.dependencies ?? {}).length,
        "required peers": required.join(" "),
        "packages beyond its peers'": beyond.length,
        "packages in all": all
      }))
    )

    // A new one is a decision.
    assert.deepStrictEqual(
      trees.map(({ manifest }) => [manifest.name, Object.keys(manifest.dependencies ?? {}).length]),
      [
        ["@spillway/azure-openai", 1],
        ["spillway", 18],
        ["@spillway/core", 0],
        ["@spillway/emulator", 0],
        ["@spillway/lab", 4],
        ["@spillway/opentelemetry", 12]
      ]
    )
    for (const { all, manifest } of trees) assert.isAbove(all, 0, manifest.name)
  })

  it.each(trees)("$manifest.name: nothing beyond its peers runs when it is installed", ({ beyond, manifest }) => {
    assert.deepStrictEqual(
      withInstallScripts(lockfile, beyond).filter((name) => manifest.name !== "spillway" || !known.includes(name)),
      []
    )
  })

  it("and in all, only what is known to do without", () => {
    assert.deepStrictEqual([...new Set(withInstallScripts(lockfile, Object.keys(lockfile)))], known)
  })

  it("has a licence that lets anybody use it", () => {
    const found = Object.entries(lockfile).filter(([place]) => place !== "" && !place.includes("@spillway/"))
    const counts = new Map<string, number>()
    for (const [, { license = "none" }] of found) counts.set(license, (counts.get(license) ?? 0) + 1)
    printTable([...counts].map(([licence, packages]) => ({ licence, packages })))

    assert.deepStrictEqual(
      found
        .filter(([, { license }]) => license === undefined || !licences.has(license))
        .map(([place, { license }]) => `${nameOf(place)}: ${license}`),
      []
    )
  })
})

describe("the checks", () => {
  const small: Lockfile = {
    "node_modules/one": { dependencies: { two: "1" }, peerDependencies: { peer: "1", absent: "1" } },
    "node_modules/two": { optionalDependencies: { three: "1", missing: "1" } },
    "node_modules/three": { hasInstallScript: true },
    "node_modules/two/node_modules/three": { dependencies: { one: "1" }, hasInstallScript: true },
    "node_modules/peer": { dependencies: { four: "1" } },
    "node_modules/four": {}
  }

  it("find what is nested before what is above, and go round in circles once", () => {
    assert.deepStrictEqual(
      treeOf(small, ["one"]),
      new Set([
        "node_modules/one",
        "node_modules/two",
        "node_modules/two/node_modules/three",
        "node_modules/peer",
        "node_modules/four"
      ])
    )
    assert.deepStrictEqual(treeIn(small, "one", ["peer"]), {
      all: 4,
      beyond: ["node_modules/two", "node_modules/two/node_modules/three"]
    })
  })

  it("see an install script, however deep", () => {
    assert.deepStrictEqual(withInstallScripts(small, treeIn(small, "one", ["peer"]).beyond), ["three"])
  })
})

describe("the audit", () => {
  const advisory = {
    id: 1,
    url: "https://example.com/advisories/1",
    title: "an advisory",
    severity: "high",
    vulnerable_versions: "<99",
    cwe: [],
    cvss: { score: 8 }
  }
  const replies = [
    { registry: "knows of nothing", status: 200, body: {}, ends: 0, says: "No known vulnerabilities" },
    { registry: "knows of something", status: 200, body: { effect: [advisory] }, ends: 1, says: "an advisory" },
    { registry: "has no audit", status: 405, body: {}, ends: 0, says: "NOTICE: the registry answers no audit" }
  ]

  it.each(replies)("of a registry that $registry ends with $ends", async ({ body, ends, says, status }) => {
    const server = createServer((request, response) => {
      request.resume().once("end", () => {
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    const script = fileURLToPath(new URL("audit", import.meta.url))
    const done = await run(script, [`--registry=http://127.0.0.1:${port}`], ".")
    server.close()

    assert.strictEqual(done.status, ends, done.stdout)
    assert.include(done.stdout + done.stderr, says)
  })
})
