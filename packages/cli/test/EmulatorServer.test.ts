import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { FileSystem } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as EmulatorServer from "../src/EmulatorServer.js"

const problems = (port: string, config?: string) =>
  EmulatorServer.serve({ port, config: Option.fromNullable(config) }).pipe(
    Effect.flip,
    Effect.map((misuse) => misuse.problems)
  )

describe("EmulatorServer", () => {
  it.effect.each(["", "-1", "80.5", "http", "65536", "1e3"])("refuses the port %j", (port) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problems(port), [`--port: "${port}", expected a whole number from 0 to 65535`])
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.scoped("tells of everything that is wrong with a configuration, by its path, and of the port", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const file = (name: string, text: string) => {
        const path = `${folder}/${name}`
        return Effect.as(fs.writeFileString(path, text), path)
      }
      const wrong = yield* file(
        "wrong.json",
        '{"deployments":[{"name":"a","kind":"provisioned","model":"gpt-4o","ptus":-1},{"name":"b","kind":"standard"}]}'
      )
      const none = yield* file("none.json", '{"deployments":[]}')
      const broken = yield* file("broken.json", "{deployments")

      assert.deepStrictEqual(yield* problems("x", wrong), [
        '--port: "x", expected a whole number from 0 to 65535',
        `--config: ${wrong}: deployments[0].ptus: must be a whole number above 0`,
        `--config: ${wrong}: deployments[1].model: is missing`
      ])
      assert.deepStrictEqual(yield* problems("0", none), [
        `--config: ${none}: deployments: must list at least one deployment`
      ])
      const [notJson, ...others] = yield* problems("0", broken)
      assert.match(notJson ?? "", /^--config: .*broken\.json is not JSON: Expected property name/)
      assert.deepStrictEqual(others, [])
      // Node's own message quotes what is around the mistake.
      const holdsKey = yield* file("key.json", `{"apiKeys":[a-key-nobody-may-read]}`)
      const [quoting] = yield* problems("0", holdsKey)
      assert.match(quoting ?? "", /^--config: .*key\.json is not JSON: \w/)
      assert.notInclude(quoting ?? "", "nobody")
      assert.deepStrictEqual(yield* problems("0", `${folder}/absent.json`), [
        `--config: cannot read ${folder}/absent.json: there is no such file`
      ])
      assert.deepStrictEqual(yield* problems("0", folder), [`--config: cannot read ${folder}: it is no file`])
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
