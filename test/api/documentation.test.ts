import { assert, describe, it } from "@effect/vitest"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import { problemsOf } from "./Documentation.js"

const root = fileURLToPath(new URL("../../", import.meta.url))

const isLibrary = (folder: string): boolean => {
  const path = join(root, "packages", folder, "package.json")
  if (!existsSync(path)) return false
  const { bin, private: unpublished } = JSON.parse(readFileSync(path, "utf8"))
  return bin === undefined && unpublished !== true
}

const sources = readdirSync(join(root, "packages"))
  .filter(isLibrary)
  .flatMap((folder) =>
    readdirSync(join(root, "packages", folder, "src"))
      .filter((file) => file.endsWith(".ts"))
      .map((file) => `packages/${folder}/src/${file}`)
  )
const modules = sources.filter((path) => !path.endsWith("/index.ts"))

// Something of everything that can be missing.
const faulty = `
import { Layer, Schema } from "effect"

export const bare = 1

/**
 * @since 0.1.0
 * @category models
 */
export type Wordless = string

/** No tags. */
export const untagged = 1

/**
 * Two of them.
 *
 * @since 0.1.0
 * @category models
 * @category Constructors
 */
export type Twice = string

/**
 * No example.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): number => 1

/**
 * No example either.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<never> = Layer.empty

/**
 * Nor here.
 *
 * @since 0.1.0
 * @category tags
 */
export class Tag {}

/**
 * An error needs none.
 *
 * @since 0.1.0
 * @category errors
 */
export class Broken extends Error {}

/**
 * A Schema needs none.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Name = Schema.String

/** @internal */
export const hidden = () => 1

/**
 * Some options.
 *
 * - \`listed\`: described here. Defaults to 1 second.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly listed?: string
  readonly silent: string
  /** What it is. */
  readonly vague?: string
  /** How long it takes. */
  readonly long: number
  /** How long it takes, in seconds. Defaults to 10. */
  readonly wait?: number
}
`

/** One program for both, because to read Effect's types takes longest. */
const { path: faultyPath, program } = (() => {
  const folder = join(root, "test/.generated/documentation")
  mkdirSync(folder, { recursive: true })
  const path = join(folder, "faulty.ts")
  writeFileSync(path, faulty)
  const { config } = ts.readConfigFile(join(root, "test/config/tsconfig.tests.json"), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, join(root, "test/config"))
  return { path, program: ts.createProgram([...modules.map((module) => join(root, module)), path], options) }
})()

describe("doc comments", () => {
  it(
    "of everything public say what it does, since when, under which category, with an example",
    { timeout: 120_000 },
    () => {
      const problems = modules.flatMap((path) =>
        problemsOf(program, join(root, path)).map((problem) => `${path}: ${problem}`)
      )

      assert.isAbove(modules.length, 50)
      assert.deepStrictEqual(problems, [])
    }
  )

  it("of every module that a package exports are there", () => {
    const bare = sources
      .filter((path) => path.endsWith("/index.ts"))
      .flatMap((path) => {
        const text = readFileSync(join(root, path), "utf8")
        return [...text.matchAll(/^export \* as (\w+)/gm)]
          .filter((found) => !/@since \d+\.\d+\.\d+\s*\*\/\s*$/.test(text.slice(0, found.index)))
          .map((found) => `${path}: ${found[1]}`)
      })

    assert.deepStrictEqual(bare, [])
  })
})

describe("what doc comments lack", () => {
  it("is named, each with its place", { timeout: 120_000 }, () => {
    assert.deepStrictEqual(problemsOf(program, faultyPath), [
      "no header with @since",
      "bare: no doc comment",
      "Wordless: no description",
      "untagged: not exactly one @category",
      "untagged: not exactly one @since",
      "Twice: not exactly one @category",
      "make: no @example",
      "layer: no @example",
      "Tag: no @example",
      "Options.silent: no description",
      "Options.vague: no default",
      "Options.long: no unit"
    ])
  })
})
