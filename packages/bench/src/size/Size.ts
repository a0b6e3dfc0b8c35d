/** How much code a library brings along, bundled and minified by esbuild, tree-shaken, for Node and ESM. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { BuildOptions } from "esbuild"
import { build } from "esbuild"
import { gzipSync } from "node:zlib"

export interface Row {
  readonly name: string
  readonly minified: number
  readonly gzipped: number
}

/** A program to bundle. */
export interface Subject {
  readonly name: string
  readonly source: string
  /** What is left out: the packages that an application has anyway. */
  readonly external: NonNullable<BuildOptions["external"]>
}

export class BundleFailed extends Data.TaggedError("BundleFailed")<{ readonly name: string; readonly cause: unknown }> {
  override get message(): string {
    return `${this.name} cannot be bundled: ${String(this.cause)}`
  }
}

const ours = [
  "@spillway/core",
  "@spillway/azure-openai",
  "@spillway/emulator",
  "@spillway/lab",
  "@spillway/opentelemetry"
]

const own = (name: string): Subject => ({
  name,
  source: `export * from "${name}"`,
  external: [
    "effect",
    "@effect/*",
    "@opentelemetry/*",
    "@observablehq/plot",
    "linkedom",
    "undici",
    "gpt-tokenizer",
    ...ours.filter((other) => other !== name)
  ]
})

const policy = `
import { AzureOpenAI, Deployment } from "@spillway/azure-openai"
import { RetryAfter } from "@spillway/core"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
const options = (deployment) => ({ deployment, endpoint: process.env.ENDPOINT, apiKey: Redacted.make(process.env.KEY) })
const Chat = Deployment.provisioned(options("ptu")).pipe(
  Deployment.retry(RetryAfter.within("4 seconds")),
  Deployment.orElse(Deployment.standard(options("standard")).pipe(Deployment.retry(RetryAfter.retries(2)))),
  Layer.provide(FetchHttpClient.layer)
)
Effect.runPromise(AzureOpenAI.chat({ messages: [{ role: "user", content: "Hi" }] }).pipe(Effect.provide(Chat))).then(console.log)
`

const platform = `
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
const Answer = Schema.Struct({ choices: Schema.NonEmptyArray(Schema.Struct({ message: Schema.Struct({ content: Schema.String }) })) })
const ask = HttpClientRequest.post(process.env.ENDPOINT).pipe(
  HttpClientRequest.setHeader("api-key", process.env.KEY),
  HttpClientRequest.bodyUnsafeJson({ messages: [{ role: "user", content: "Hi" }] }),
  HttpClient.execute,
  Effect.flatMap(HttpClientResponse.filterStatusOk),
  Effect.flatMap(HttpClientResponse.schemaBodyJson(Answer)),
  Effect.retry(Schedule.recurs(2))
)
Effect.runPromise(ask.pipe(Effect.provide(FetchHttpClient.layer))).then(console.log)
`

const sdk = `
import { AzureOpenAI } from "openai"
const client = new AzureOpenAI({ endpoint: process.env.ENDPOINT, apiKey: process.env.KEY, apiVersion: "2024-10-21" })
client.chat.completions.create({ model: "ptu", messages: [{ role: "user", content: "Hi" }] }).then(console.log)
`

/** Own code of each package, then whole programs with everything they need. */
export const subjects: ReadonlyArray<Subject> = [
  ...ours.map(own),
  { name: "program: Effect and its HttpClient, by hand", source: platform, external: [] },
  { name: "program: the same call with Spillway", source: policy, external: [] },
  { name: "program: the openai SDK", source: sdk, external: [] }
]

/** Packages are resolved as from `directory`. */
export const measure = (subject: Subject, directory: string): Effect.Effect<Row, BundleFailed> =>
  Effect.tryPromise({
    try: () =>
      build({
        stdin: { contents: subject.source, resolveDir: directory, loader: "js" },
        bundle: true,
        format: "esm",
        platform: "node",
        target: "node20",
        minify: true,
        legalComments: "none",
        logLevel: "silent",
        write: false,
        external: [...subject.external]
      }),
    catch: (cause) => new BundleFailed({ name: subject.name, cause })
  }).pipe(
    Effect.map(({ outputFiles: [file] }) => {
      const bytes = file?.contents ?? new Uint8Array()
      return { name: subject.name, minified: bytes.length, gzipped: gzipSync(bytes, { level: 9 }).length }
    })
  )
