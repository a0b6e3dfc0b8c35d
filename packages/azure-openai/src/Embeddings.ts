/**
 * Embeddings on the wire. Fields that are not named here pass through unchanged, in both directions.
 *
 * Source: Azure OpenAI REST specification 2024-10-21.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

const open = Schema.Record({ key: Schema.String, value: Schema.Unknown })

/**
 * The most inputs that one request may have.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxInputs = 2048

const Tokens = Schema.Array(Schema.Int)

/**
 * A request for embeddings: of a text, of several, or of tokens in their place. Provisioned throughput is not sold for
 * embedding models, so the deployment is usually a Standard one.
 *
 * @since 0.1.0
 * @category schemas
 * @example
 * ```ts
 * import type { Embeddings } from "@spillway/azure-openai"
 *
 * export const request: Embeddings.EmbeddingsRequest = { input: ["one", "two"], dimensions: 256 }
 * ```
 */
export const EmbeddingsRequest = Schema.Struct(
  {
    input: Schema.Union(
      Schema.NonEmptyString,
      Schema.Array(Schema.NonEmptyString).pipe(Schema.minItems(1), Schema.maxItems(maxInputs)),
      Tokens.pipe(Schema.minItems(1)),
      Schema.Array(Tokens.pipe(Schema.minItems(1))).pipe(Schema.minItems(1), Schema.maxItems(maxInputs))
    ),
    /** The length of the vectors, for models that can shorten them. Defaults to the model's own. */
    dimensions: Schema.optional(Schema.Int.pipe(Schema.greaterThanOrEqualTo(1))),
    /** How the vectors travel. Defaults to `base64`, a third of the size; they come out as numbers either way. */
    encoding_format: Schema.optional(Schema.Literal("base64", "float")),
    user: Schema.optional(Schema.String)
  },
  open
)

/**
 * The type of {@link EmbeddingsRequest}.
 *
 * @since 0.1.0
 * @category models
 */
export interface EmbeddingsRequest extends Schema.Schema.Type<typeof EmbeddingsRequest> {}

const fromBase64 = (text: string): Either.Either<ReadonlyArray<number>, string> =>
  Either.flatMap(
    Either.mapLeft(Encoding.decodeBase64(text), () => "Base64"),
    (bytes) => {
      if (bytes.length % 4 !== 0) return Either.left("32-bit floats")
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      const numbers: Array<number> = []
      for (let at = 0; at < bytes.length; at += 4) numbers.push(view.getFloat32(at, true))
      return Either.right(numbers)
    }
  )

const isNumbers = (value: unknown): value is ReadonlyArray<number> =>
  Array.isArray(value) && value.every((item) => typeof item === "number")

// A batch holds hundreds of thousands of numbers: a Schema for each would block the process for a tenth of a second.
const Numbers = Schema.declare(isNumbers, { identifier: "Numbers" })

/**
 * A vector: numbers, or the Base64 of little-endian 32-bit floats.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Vector = Schema.Union(
  Numbers,
  Schema.transformOrFail(Schema.String, Numbers, {
    strict: true,
    decode: (text, _, ast) => Either.mapLeft(fromBase64(text), (expected) => new ParseResult.Type(ast, text, expected)),
    encode: (numbers) => {
      const floats = new DataView(new ArrayBuffer(numbers.length * 4))
      for (const [n, value] of numbers.entries()) floats.setFloat32(n * 4, value, true)
      return Effect.succeed(Encoding.encodeBase64(new Uint8Array(floats.buffer)))
    }
  })
)

/**
 * Embeddings as the service sends them.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Embeddings = Schema.Struct(
  {
    data: Schema.Array(Schema.Struct({ index: Schema.Int, embedding: Vector }, open)),
    model: Schema.optional(Schema.String),
    usage: Schema.optional(
      Schema.NullOr(Schema.Struct({ prompt_tokens: Schema.Number, total_tokens: Schema.Number }, open))
    )
  },
  open
)

/**
 * The type of {@link Embeddings}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Embeddings extends Schema.Schema.Type<typeof Embeddings> {}
