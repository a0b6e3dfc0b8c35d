import { nodeResolve } from "@rollup/plugin-node-resolve"
import * as esbuild from "esbuild"
import { rollup } from "rollup"

/** A program made one file. */
export interface Bundle {
  readonly code: string
  /** The modules that something was taken from. */
  readonly modules: ReadonlyArray<string>
}

export interface Options {
  /** The project whose packages are found. */
  readonly folder: string
  /** Left outside, with all that is below it. Defaults to nothing: not even a module of Node is there. */
  readonly external?: ReadonlyArray<string>
  readonly minify?: boolean
}

/** What is published of Spillway, in a path of a bundled module: `azure-openai/Sse`. */
const own = (path: string): ReadonlyArray<string> => {
  const found = /node_modules\/@spillway\/([^/]+)\/dist\/(.+)\.js$/.exec(path)
  return found === null ? [] : [`${found[1]}/${found[2]}`]
}

/** The modules of Spillway in a bundle. */
export const ownModules = ({ modules }: Bundle): ReadonlyArray<string> => modules.flatMap(own).toSorted()

export const withEsbuild = async (source: string, options: Options): Promise<Bundle> => {
  const { metafile, outputFiles } = await esbuild.build({
    stdin: { contents: source, resolveDir: options.folder, loader: "js" },
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    // No module of Node is there, so that a bundle that is made runs in a browser and a worker as well.
    platform: "browser",
    target: "es2022",
    minify: options.minify ?? false,
    external: [...(options.external ?? [])],
    logLevel: "silent"
  })
  const used = Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : []))
  )
  return { code: outputFiles[0]?.text ?? "", modules: used.filter((path) => path !== "<stdin>") }
}

export const withRollup = async (source: string, options: Options): Promise<Bundle> => {
  const entry = `${options.folder}/entry-of-the-bundle.js`
  const outside = options.external ?? []
  const bundle = await rollup({
    input: entry,
    external: (id) => outside.some((name) => id === name || id.startsWith(`${name}/`)),
    plugins: [
      { name: "entry", resolveId: (id) => (id === entry ? id : null), load: (id) => (id === entry ? source : null) },
      nodeResolve({ browser: true, rootDir: options.folder })
    ],
    onwarn: (warning) => {
      if (warning.code === "UNRESOLVED_IMPORT") throw new Error(warning.message)
    }
  })
  const { output } = await bundle.generate({ format: "es" })
  await bundle.close()
  const used = output[0].modules
  return {
    code: output[0].code,
    modules: Object.entries(used).flatMap(([id, { renderedLength }]) =>
      renderedLength > 0 && id !== entry ? [id] : []
    )
  }
}
