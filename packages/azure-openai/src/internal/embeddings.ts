import { Call } from "@spillway/core"
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import * as Schema from "effect/Schema"
import type { CallError } from "../CallError.js"
import { Deployment } from "../Deployment.js"
import { Embeddings, EmbeddingsRequest } from "../Embeddings.js"
import * as Failure from "../Failure.js"
import * as Reply from "../Reply.js"
import { attributes } from "../Telemetry.js"
import * as Operation from "./operation.js"

/**
 * The answer to a request for embeddings.
 *
 * @since 0.1.0
 * @category models
 */
export interface EmbeddingsAnswer {
  /** One vector for each input, in the order of the inputs. */
  readonly vectors: ReadonlyArray<ReadonlyArray<number>>
  readonly inputTokens: number | undefined
  readonly model: string | undefined
  /** Who served it and why: deployment, outcome, waits, attempts, request id. */
  readonly served: Call.Served
}

const validate = Schema.validateEither(EmbeddingsRequest)
const decode = Reply.decode(Embeddings)

const inputsOf = ({ input }: EmbeddingsRequest): number =>
  typeof input === "string" || typeof input[0] === "number" ? 1 : input.length

interface Read {
  readonly answer: Embeddings
  readonly vectors: ReadonlyArray<ReadonlyArray<number>>
}

// Every input must have its vector: one that is missing would shift all that follow it.
const read = (reply: Failure.RawReply, inputs: number): Either.Either<Read, Failure.Failure> =>
  Either.flatMap(decode(reply), (answer) => {
    const byIndex = new Map(answer.data.map(({ embedding, index }) => [index, embedding]))
    const vectors = Array.filterMap(Array.range(0, inputs - 1), (n) => Option.fromNullable(byIndex.get(n)))
    return vectors.length === inputs
      ? Either.right({ answer, vectors })
      : Either.left(Failure.malformed(reply, `data.${vectors.length}`))
  })

/**
 * Asks for embeddings.
 *
 * Waits and falls back as the deployment's policy says, within what `CallSettings` allow. The vectors travel as Base64
 * unless the request says otherwise. A request that cannot be right fails with `BadRequest` and is not sent; an answer in
 * which a vector is missing fails with `Malformed`. Interruption cancels the request in flight or ends the wait.
 *
 * One root span `embeddings {model}`, with a child for every attempt and every wait.
 *
 * @since 0.1.0
 * @category operations
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { AzureOpenAI } from "@spillway/azure-openai"
 *
 * export const vectors = AzureOpenAI.embeddings({ input: ["one", "two"] }).pipe(Effect.map(({ vectors }) => vectors))
 * ```
 */
export const embeddings = (request: EmbeddingsRequest): Effect.Effect<EmbeddingsAnswer, CallError, Deployment> =>
  Effect.flatMap(Deployment, (runner) =>
    Effect.gen(function* () {
      const valid = yield* Operation.valid(
        runner,
        () => validate(request),
        ({ dimensions }) => ({ [attributes.dimensions]: dimensions })
      )
      const { answer, vectors } = yield* runner.execute((target) =>
        Effect.flatMap(target.post("embeddings", { encoding_format: "base64", ...valid }), (reply) =>
          read(reply, inputsOf(valid))
        )
      )
      yield* Effect.annotateCurrentSpan(
        Operation.defined({
          [attributes.responseModel]: answer.model,
          [attributes.inputTokens]: answer.usage?.prompt_tokens
        })
      )
      yield* Operation.recordUsage(answer.usage)
      const served = yield* Call.served(runner.primary)
      return { vectors, inputTokens: answer.usage?.prompt_tokens, model: answer.model, served }
    }).pipe(Operation.call(runner, "embeddings", {}))
  )

/** One text of a batch. */
class Embed extends Request.TaggedClass("Embed")<
  ReadonlyArray<number>,
  CallError,
  { readonly input: string; readonly dimensions: number | undefined }
> {}

// A request may have 2048 inputs, but not more tokens than a few hundred long paragraphs have.
const batchSize = 256

const resolver = RequestResolver.makeBatched((requests: ReadonlyArray<Embed>) =>
  Effect.forEach(
    Object.values(Array.groupBy(requests, ({ dimensions }) => String(dimensions))),
    (batch) => {
      const { dimensions } = batch[0]
      const input = batch.map(({ input }) => input)
      return Effect.matchCauseEffect(embeddings(dimensions === undefined ? { input } : { input, dimensions }), {
        onFailure: (cause) => Effect.forEach(batch, (request) => Request.failCause(request, cause), { discard: true }),
        onSuccess: ({ vectors }) =>
          Effect.forEach(batch, (request, n) => Request.succeed(request, vectors[n] ?? []), { discard: true })
      })
    },
    { concurrency: "unbounded", discard: true }
  )
).pipe(RequestResolver.batchN(batchSize))

/**
 * The embedding of one text. Texts that are asked for together, as with `Effect.forEach(texts, AzureOpenAI.embed, {
 * batching: true })`, go out in requests of up to 256; asked for one by one, each is a request of its own. A batch fails as
 * one. Otherwise as {@link embeddings}.
 *
 * @since 0.1.0
 * @category operations
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { AzureOpenAI } from "@spillway/azure-openai"
 *
 * export const vectors = (texts: ReadonlyArray<string>) =>
 *   Effect.forEach(texts, (text) => AzureOpenAI.embed(text), { batching: true })
 * ```
 */
export const embed = (
  input: string,
  options?: {
    /** The length of the vector, for models that can shorten it. Defaults to the model's own. */
    readonly dimensions?: number | undefined
  }
): Effect.Effect<ReadonlyArray<number>, CallError, Deployment> =>
  Effect.request(
    new Embed({ input, dimensions: options?.dimensions }),
    RequestResolver.contextFromServices(Deployment)(resolver)
  )
