/** What runs in processes of its own, as it is built. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Window from "../src/allocation/Window.js"
import * as Allocation from "../dist/allocation/Allocation.js"
import * as Startup from "../dist/startup/Startup.js"
import * as Chat from "../src/overhead/Chat.js"
import * as Policy from "../src/overhead/Policy.js"
import * as Server from "../src/server/Server.js"
import * as Size from "../src/size/Size.js"

const here = fileURLToPath(new URL(".", import.meta.url))

const built = (path: string) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url))

interface Ended {
  readonly code: number | string | null | undefined
  readonly stdout: string
  readonly stderr: string
}

const node = (...args: ReadonlyArray<string>) =>
  new Promise<Ended>((resolve) => {
    execFile(process.execPath, [...args], { cwd: here }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr })
    )
  })

const bench = (...args: ReadonlyArray<string>) => node(built("bin.js"), ...args)

const allocate = (flags: ReadonlyArray<string>, work: string) =>
  node(
    ...flags,
    "--input-type=module",
    "--eval",
    `import { Effect } from "effect"
     import { measure } from ${JSON.stringify(new URL("../dist/allocation/Window.js", import.meta.url))}
     const work = Effect.sync(() => { ${work} })
     const exit = await Effect.runPromiseExit(measure(work))
     console.log(exit._tag === "Success" ? exit.value[1] : exit.cause.error._tag)`
  )

describe("allocation", () => {
  it("what is allocated is counted, garbage or not, on the heap and beside it", async () => {
    // Without optimisation, so that nothing is left out. An object of four fields takes 56 bytes, its place in the array 8.
    const objects = await allocate(
      ["--no-opt", ...Window.flags],
      `class Four { constructor(i) { this.a = i; this.b = i; this.c = i; this.d = i } }
       const kept = new Array(1_000_000)
       for (let i = 0; i < 1_000_000; i++) kept[i] = new Four(i)`
    )
    assert.approximately(Number(objects.stdout) / 64_000_000, 1, 0.01)
    const buffers = await allocate(Window.flags, "for (let i = 0; i < 10; i++) Buffer.alloc(1_000_000)")
    assert.approximately(Number(buffers.stdout) / 10_000_000, 1, 0.02)
  })

  it.live("is told of every client and every subject", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const { origin } = yield* Server.start(new URL("../dist/server/main.js", import.meta.url))
      const few = { calls: 20, times: 1, settle: 20 }
      const tell = ({ name }: Allocation.Report) => Effect.sync(() => void told.push(name))
      const clients = yield* Allocation.run({ what: { origin, ids: ["openai", "undici"] }, ...few }, tell)
      assert.deepStrictEqual(told, ["undici", "openai"])
      assert.isAbove(clients.get("openai") ?? 0, clients.get("undici") ?? Infinity)
      const memory = yield* Allocation.run({ what: "overhead", ...few }, tell)
      const [policy, chat] = yield* Effect.all([Policy.subjects, Chat.subjects])
      assert.deepStrictEqual(
        [...memory.keys()],
        [...policy, ...chat].map(({ name }) => name)
      )
    }).pipe(Effect.scoped)
  )

  it("nothing is said of a heap that was collected meanwhile", async () => {
    const { stdout } = await allocate(
      ["--no-opt", "--expose-gc"],
      "let kept; for (let i = 0; i < 2_000_000; i++) kept = { a: i, b: i, c: i, d: i }"
    )
    assert.strictEqual(stdout.trim(), "Collected")
  })
})

describe("start-up", () => {
  it.live("imports are timed in fresh processes; one that fails ends it", () =>
    Effect.gen(function* () {
      const before = { name: "url", before: ["node:url"], specifier: "effect" }
      const [row] = yield* Startup.run([before], { rounds: 2, warmUp: 0 })
      assert.strictEqual(row?.name, "url")
      assert.isAbove(row?.ms ?? 0, 0)
      const missing = { name: "missing", before: [], specifier: "@spillway/none" }
      const error = yield* Effect.flip(Startup.run([missing], { rounds: 1, warmUp: 0 }))
      assert.match(error.message, /startup\/main\.js ended with 1/)
    })
  )
})

describe("size", () => {
  it.live("a package that is imported and not used leaves nothing in a bundle", () =>
    Effect.gen(function* () {
      for (const name of ["@spillway/core", "@spillway/azure-openai"]) {
        const source = `import * as unused from "${name}"`
        const { minified } = yield* Size.measure({ name, source, external: [] }, here)
        assert.isBelow(minified, 10)
      }
    })
  )

  it.live("what is left out is not counted, and what is used of a package is less than all of it", () =>
    Effect.gen(function* () {
      const size = (source: string, external: ReadonlyArray<string> = ["effect"]) =>
        Effect.map(Size.measure({ name: "core", source, external: [...external] }, here), ({ minified }) => minified)
      const all = yield* size('export * from "@spillway/core"')
      const one = yield* size('export { RetryAfter } from "@spillway/core"')
      assert.isBelow(one, all / 2)
      assert.isAbove(yield* size('export * from "@spillway/core"', []), all)
    })
  )

  it.live("what cannot be bundled is named", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Size.measure({ name: "missing", source: 'import "@spillway/none"', external: [] }, here)
      )
      assert.match(error.message, /missing cannot be bundled: .*@spillway\/none/s)
    })
  )
})

describe("bench", () => {
  it("measures what it is told, writes where it is told", { timeout: 240_000 }, async () => {
    const directory = await mkdtemp(join(tmpdir(), "bench-"))
    try {
      const out = join(directory, "new", "first.md")
      const { code, stderr, stdout } = await bench(
        "--quick",
        "--rows=fetch,undici",
        "--concurrency=2",
        `--out=${out}`,
        "requests"
      )
      assert.strictEqual(code, 0, stderr)
      assert.match(stdout, /^undici\.request( +[\d,.]+){4}$/m)
      assert.match(stdout, /^global fetch( +[\d,.]+){4}$/m)
      assert.notMatch(stdout, /openai SDK|streams at a time/)
      const written = await readFile(out, "utf8")
      assert.match(written, /^## 2 requests at a time$/m)
      assert.match(written, /^\| undici\.request \| +[\d,.]+ \|/m)
      assert.match(written, /^- node 2\d/m)
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  it("writes no results of a part", async () => {
    const results = new URL("../results", import.meta.url)
    const before = await stat(results).catch(() => undefined)
    const { code, stderr, stdout } = await bench("size")
    assert.strictEqual(code, 0, stderr)
    assert.match(stdout, /^@spillway\/core +[\d.]+ +[\d.]+$/m)
    assert.notInclude(stderr, "Written")
    const after = await stat(results).catch(() => undefined)
    assert.strictEqual(after?.mtimeMs, before?.mtimeMs)
  })

  for (const [args, complaint] of [
    [["--rows", "axios,undici"], /--rows: axios: expected some of undici,fetch/],
    [["--concurrency", "1,many"], /--concurrency: "many": expected whole numbers from 1 to 9999/],
    [["speed"], /requests, streaming, overhead, startup, size/]
  ] as const) {
    it(`${args.join(" ")} is wrong usage, and is told once`, async () => {
      const { code, stderr, stdout } = await bench(...args)
      assert.strictEqual(code, 2)
      assert.match(stderr, complaint)
      assert.strictEqual(stderr.match(/expected|Expected/g)?.length, 1)
      assert.strictEqual(stdout, "")
    })
  }
})
