// Embeddings: vectors of length one that depend on the text and the model alone. They mean nothing: texts that are alike have vectors that are not.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Schema from "effect/Schema"
import * as ErrorReply from "../ErrorReply.js"
import * as Wire from "../Wire.js"
import * as Body from "./body.js"
import type { Deployment } from "./deployment.js"
import { hash, numbers } from "./hash.js"
import * as InvalidRequest from "./invalidRequest.js"
import type { Context, Job, Work } from "./job.js"
import { refused } from "./job.js"
import * as Pace from "./pace.js"
import * as Timed from "./timed.js"
import * as Tokens from "./tokens.js"

const TokenIds = Schema.Array(Schema.Int)
const EmbeddingsRequest = Schema.Struct({
  input: Schema.Union(Schema.String, TokenIds, Schema.Array(Schema.Union(Schema.String, TokenIds))),
  dimensions: Body.optional(Schema.Int),
  encoding_format: Body.optional(Schema.String)
})
interface EmbeddingsRequest extends Schema.Schema.Type<typeof EmbeddingsRequest> {}

const decode = Body.decoder(EmbeddingsRequest)

type Input = string | ReadonlyArray<number>

const isTokenIds = (input: ReadonlyArray<number> | ReadonlyArray<Input>): input is ReadonlyArray<number> =>
  typeof input[0] === "number"

/** Each thing to embed: one for a text or a list of tokens, several for a list of either. */
const inputs = ({ input }: EmbeddingsRequest): ReadonlyArray<Input> =>
  typeof input === "string" || isTokenIds(input) ? [input] : input

const tokensOf = (input: Input): number => (typeof input === "string" ? Tokens.estimate(input) : input.length)

const promptTokens = (request: EmbeddingsRequest): number =>
  inputs(request).reduce((total, input) => total + tokensOf(input), 0)

/** How long a model's vectors are, and whether they can be asked for shorter. */
const sizes: Readonly<Record<string, { readonly full: number; readonly fixed: boolean }>> = {
  "text-embedding-3-large": { full: 3072, fixed: false },
  "text-embedding-3-small": { full: 1536, fixed: false },
  "text-embedding-ada-002": { full: 1536, fixed: true }
}

const sizeOf = (model: string) =>
  (Object.hasOwn(sizes, model) ? sizes[model] : undefined) ?? { full: 1536, fixed: false }

const vector = (model: string, input: Input, dimensions: number): Float32Array => {
  const next = numbers(hash(`${model}/${JSON.stringify(input)}`))
  const values = Array.from({ length: dimensions }, () => next(2_000_001) / 1_000_000 - 1)
  // A short vector may happen to be all zeros.
  const norm = Math.hypot(...values) || 1
  return Float32Array.from(values, (value) => value / norm)
}

const base64 = (values: Float32Array): string => {
  const bytes = new DataView(new ArrayBuffer(values.length * 4))
  values.forEach((value, index) => bytes.setFloat32(index * 4, value, true))
  return Encoding.encodeBase64(new Uint8Array(bytes.buffer))
}

const refusal = ({ model }: Deployment, request: EmbeddingsRequest): Wire.Reply | undefined => {
  const all = inputs(request)
  if (all.length === 0 || all.some((input) => input.length === 0)) return InvalidRequest.emptyInput
  if (all.length > 2048) return InvalidRequest.tooManyInputs(2048, all.length)
  const { fixed, full } = sizeOf(model.name)
  const asked = request.dimensions ?? undefined
  if (asked !== undefined && fixed) return InvalidRequest.fixedDimensions
  if (asked !== undefined && (asked < 1 || asked > full)) {
    return InvalidRequest.invalidValue("dimensions", `expected a value from 1 to ${full}.`)
  }
  const format = request.encoding_format ?? "float"
  if (format !== "float" && format !== "base64") {
    return InvalidRequest.invalidValue("encoding_format", "expected 'float' or 'base64'.")
  }
  const longest = Math.max(...all.map(tokensOf))
  return longest > model.contextWindow
    ? ErrorReply.contextLengthExceeded(model.contextWindow, longest, "input")
    : undefined
}

const reply = (request: EmbeddingsRequest, context: Context): Effect.Effect<Wire.Reply> =>
  Effect.map(Timed.until(context.time, context.began, Pace.timeOf(context.pace, 0)), () => {
    const dimensions = request.dimensions ?? sizeOf(context.model).full
    const tokens = promptTokens(request)
    return Wire.json(
      200,
      {
        object: "list",
        data: inputs(request).map((input, index) => {
          const values = vector(context.model, input, dimensions)
          return {
            object: "embedding",
            index,
            embedding: request.encoding_format === "base64" ? base64(values) : Array.from(values)
          }
        }),
        model: context.model,
        usage: { prompt_tokens: tokens, total_tokens: tokens }
      },
      context.headers
    )
  })

const job = (request: EmbeddingsRequest): Job => ({
  usage: () => ({ promptTokens: promptTokens(request), completionTokens: 0 }),
  reply: (context) => reply(request, context)
})

/** Reads a request to a deployment. */
export const read = (body: unknown, deployment: Deployment): Work =>
  Either.match(decode(body), {
    onLeft: (refusal) => refused(refusal, 0),
    onRight: (request): Work => ({
      demand: { promptTokens: promptTokens(request), maxTokens: 0, choices: 1 },
      judge: () => {
        const refused = refusal(deployment, request)
        return refused === undefined ? Either.right(job(request)) : Either.left(refused)
      }
    })
  })
