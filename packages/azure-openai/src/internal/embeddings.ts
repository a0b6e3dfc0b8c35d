import type { Call } from "@spillway/core"
import { CallSettings } from "@spillway/core"
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Option from "effect/Option"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import * as Schema from "effect/Schema"
import type { CallError } from "../CallError.js"
import type { Service } from "../Deployment.js"
import { Deployment } from "../Deployment.js"
import { Embeddings, EmbeddingsRequest } from "../Embeddings.js"
import * as Failure from "../Failure.js"
import * as Reply from "../Reply.js"
import { attributes } from "../Telemetry.js"
import { onFirstUse } from "./firstUse.js"
import * as Operation from "./operation.js"
import { labelOf } from "./serviceError.js"

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

const operation: Operation.Operation<EmbeddingsRequest> = {
  name: "embeddings",
  path: "embeddings",
  check: (request) => Either.map(check(request), (request) => ({ encoding_format: "base64" as const, ...request })),
  describe: ({ dimensions }) => ({ [attributes.dimensions]: dimensions }),
  // The conventions have no attribute for the texts of embeddings.
  prompt: () => ({})
}

const check = Operation.checkWith(onFirstUse(() => Schema.validateEither(EmbeddingsRequest)))
const decode = Reply.decode(Embeddings)

type Vector = ReadonlyArray<number>

const inputsOf = ({ input }: EmbeddingsRequest): number =>
  typeof input === "string" || typeof input[0] === "number" ? 1 : input.length

interface Read {
  readonly answer: Embeddings
  readonly vectors: ReadonlyArray<Vector>
}

// Every input must have its vector: one that is missing would shift all that follow it.
const read = (reply: Failure.RawReply, inputs: number): Either.Either<Read, Failure.Failure> =>
  Either.flatMap(decode(reply), (answer) => {
    const byIndex = new Map(answer.data.map(({ embedding, index }) => [index, embedding]))
    const vectors = Arr.filterMap(Arr.range(0, inputs - 1), (n) => Option.fromNullable(byIndex.get(n)))
    return vectors.length === inputs
      ? Either.right({ answer, vectors })
      : Either.left(Failure.malformed(reply, `data.${vectors.length}`))
  })

const said = ({ answer }: Read): Operation.Said => ({
  attributes: {
    [attributes.responseModel]: labelOf(answer.model),
    [attributes.inputTokens]: answer.usage?.prompt_tokens
  },
  answer: () => ({}),
  usage: answer.usage
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
  Effect.map(
    Operation.whole(operation, request, (reply, _, request) => read(reply, inputsOf(request)), said),
    ([{ answer, vectors }, served]) => ({
      vectors,
      inputTokens: answer.usage?.prompt_tokens,
      model: answer.model,
      served
    })
  )

interface Asked {
  readonly input: string
  readonly dimensions: number | undefined
  readonly runner: Service
  readonly settings: CallSettings.Settings
}

/**
 * One text of a batch. Two are the same where the text, the deployment and the settings are: an answer may be cached.
 */
class Embed extends Request.Class<Vector, CallError, Asked & { readonly context: Context.Context<Deployment> }> {
  /** What it has in common with those it may go out with. */
  readonly batch: unknown = Data.struct({
    dimensions: this.dimensions,
    runner: this.runner,
    settings: Data.struct(this.settings)
  });

  [Equal.symbol](that: Equal.Equal): boolean {
    return that instanceof Embed && this.input === that.input && Equal.equals(this.batch, that.batch)
  }

  [Hash.symbol](): number {
    return Hash.combine(Hash.hash(this.batch))(Hash.string(this.input))
  }
}

// A request may have 2048 inputs, but not more tokens than a few hundred long paragraphs have.
const batchSize = 256

// More at once would be a burst that no quota takes.
const concurrency = 4

const send = (batch: Arr.NonEmptyReadonlyArray<Embed>): Effect.Effect<void> => {
  const { context, dimensions } = batch[0]
  const input = batch.map(({ input }) => input)
  return Effect.matchCauseEffect(embeddings(dimensions === undefined ? { input } : { input, dimensions }), {
    onFailure: (cause) => Effect.forEach(batch, Request.failCause(cause), { discard: true }),
    // There are as many vectors as inputs, or it would have failed.
    onSuccess: ({ vectors }) =>
      Effect.forEach(Arr.zip(batch, vectors), ([request, vector]) => Request.succeed(request, vector), {
        discard: true
      })
  }).pipe(Effect.mapInputContext((_: Context.Context<never>) => context))
}

const resolver = RequestResolver.makeBatched((requests: Arr.NonEmptyReadonlyArray<Embed>) =>
  Effect.forEach(Arr.flatMap(groups(requests), Arr.chunksOf(batchSize)), send, { concurrency, discard: true })
)

const groups = (requests: Arr.NonEmptyReadonlyArray<Embed>): ReadonlyArray<Arr.NonEmptyArray<Embed>> => {
  const groups: Array<Arr.NonEmptyArray<Embed>> = []
  for (const request of requests) {
    const group = groups.find(([first]) => Equal.equals(first.batch, request.batch))
    if (group === undefined) groups.push([request])
    else group.push(request)
  }
  return groups
}

/**
 * The embedding of one text. Texts that are asked for together, as with `Effect.forEach(texts, AzureOpenAI.embed, {
 * batching: true })`, go out in requests of up to 256, of which 4 are under way at a time; asked for one by one, each is a
 * request of its own. Only texts for the same deployment, of the same dimensions and under equal `CallSettings` go
 * together. A batch is one call, with its root span below that of the first text's caller, and fails as one; but a text
 * that cannot be right fails alone and is not sent.
 *
 * Effect does not interrupt what waits for a batch of several: `Effect.timeout` around one returns when its requests have
 * ended. Bound a batch by `CallSettings.withDeadline`, which cancels its requests, or ask for {@link embeddings}, which can
 * be interrupted at any time.
 *
 * With `Effect.withRequestCaching` a text is asked for once for each deployment. Otherwise as {@link embeddings}.
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
): Effect.Effect<Vector, CallError, Deployment> =>
  Effect.contextWithEffect((context: Context.Context<Deployment>) => {
    const dimensions = options?.dimensions
    const alone = dimensions === undefined ? { input } : { input, dimensions }
    // Fails as it would alone, and takes no other text with it.
    if (Either.isLeft(check(alone))) return Effect.map(embeddings(alone), ({ vectors }) => vectors[0] ?? [])
    return Effect.request(
      new Embed({
        input,
        dimensions,
        runner: Context.get(context, Deployment),
        settings: Context.get(context, CallSettings.CallSettings),
        context
      }),
      resolver
    )
  })
