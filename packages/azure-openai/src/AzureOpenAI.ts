/**
 * The operations of Azure OpenAI, answered by whatever deployment the program is given.
 *
 * @since 0.1.0
 */
import { Call } from "@spillway/core"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { CallError } from "./CallError.js"
import type { Usage } from "./ChatCompletion.js"
import { ChatCompletion, ChatRequest } from "./ChatCompletion.js"
import { Deployment } from "./Deployment.js"
import * as Reply from "./Reply.js"
import { attributes, values } from "./Telemetry.js"
import * as Tokens from "./Tokens.js"

/**
 * The answer to a chat request.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChatAnswer {
  /** The text of the first choice; empty where there is none, as when the model calls a tool. */
  readonly text: string
  readonly usage: Usage | undefined
  /** The completion as the service sent it, unknown fields included. */
  readonly completion: ChatCompletion
  /** Who served it and why: deployment, outcome, waits, attempts, request id. */
  readonly served: Call.Served
}

const defined = (entries: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined && value !== null))

const requestAttributes = (request: ChatRequest): Record<string, unknown> =>
  defined({
    [attributes.maxTokens]: request.max_completion_tokens ?? request.max_tokens,
    [attributes.temperature]: request.temperature,
    [attributes.topP]: request.top_p,
    [attributes.frequencyPenalty]: request.frequency_penalty,
    [attributes.presencePenalty]: request.presence_penalty,
    [attributes.seed]: request.seed,
    [attributes.choiceCount]: request.n === 1 ? undefined : request.n
  })

const answerAttributes = (completion: ChatCompletion): Record<string, unknown> =>
  defined({
    [attributes.responseId]: completion.id,
    [attributes.responseModel]: completion.model,
    // A string, because exporters write an array as one pretty-printed string anyway.
    [attributes.finishReasons]: completion.choices.map((choice) => choice.finish_reason ?? "none").join(","),
    [attributes.inputTokens]: completion.usage?.prompt_tokens,
    [attributes.outputTokens]: completion.usage?.completion_tokens
  })

const validate = Schema.validateEither(ChatRequest)
const decode = Reply.decode(ChatCompletion)

/**
 * Asks for a chat completion.
 *
 * Waits and falls back as the deployment's policy says, within what `CallSettings` allow. The request is checked before
 * anything is sent: one that cannot be right fails with `BadRequest` and no attempts. Interruption cancels the request in
 * flight or ends the wait; nothing is sent afterwards.
 *
 * One root span `chat {model}`, with a child for every attempt and every wait.
 *
 * @since 0.1.0
 * @category operations
 * @example
 * ```ts
 * import { Console, Effect } from "effect"
 * import { CallSettings } from "@spillway/core"
 * import { AzureOpenAI } from "@spillway/azure-openai"
 *
 * export const program = AzureOpenAI.chat({ messages: [{ role: "user", content: "Hi" }] }).pipe(
 *   CallSettings.withMaxWait("2 seconds"),
 *   Effect.tap((answer) => Console.log(answer.text, answer.served.outcome)),
 *   Effect.catchTag("RateLimited", (error) => Console.error(`${error.deployment} is out of capacity`))
 * )
 * ```
 */
export const chat = (request: ChatRequest): Effect.Effect<ChatAnswer, CallError, Deployment> =>
  Effect.flatMap(Deployment, (runner) =>
    Effect.gen(function* () {
      const call = yield* Call.Call
      const valid = yield* Effect.mapError(validate(request), (issue) =>
        Reply.toError(runner.primary.deployment, Reply.refused(Reply.pathOf(issue)), {
          attempts: [],
          since: call.startedAt
        })
      )
      const completion = yield* runner.execute((target) =>
        Effect.flatMap(target.post("chat/completions", valid), (reply) => decode(reply)).pipe(
          Effect.tap(({ usage }) => Effect.sync(() => call.recordUsage(Tokens.used(usage))))
        )
      )
      yield* Effect.annotateCurrentSpan(answerAttributes(completion))
      const served = yield* Call.served(runner.primary)
      return {
        text: completion.choices[0]?.message.content ?? "",
        usage: completion.usage ?? undefined,
        completion,
        served
      }
    }).pipe(
      Call.run({
        name: `chat ${runner.primary.model}`,
        demand: Tokens.demand(request),
        attributes: {
          [attributes.operation]: "chat",
          [attributes.provider]: values.provider,
          [attributes.resourceProvider]: values.resourceProvider,
          [attributes.requestModel]: runner.primary.model,
          ...requestAttributes(request)
        }
      }),
      Effect.scoped
    )
  )
