import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Wire from "../Wire.js"
import * as Completion from "./completion.js"
import * as ContentFilter from "./contentFilter.js"
import { hash, identifier } from "./hash.js"
import type { Context } from "./job.js"
import * as Logprobs from "./logprobs.js"
import * as Pace from "./pace.js"
import * as Timed from "./timed.js"

/** What every answer of a chat has in common, whole or in chunks. */
export const identity = ({ id, model }: Context) => ({
  id: `chatcmpl-${identifier(id, 29)}`,
  model,
  system_fingerprint: `fp_${hash(model).toString(16).padStart(8, "0")}`
})

export const headers = (context: Context): Readonly<Record<string, string>> => ({
  "x-ms-rai-invoked": "true",
  "x-accel-buffering": "no",
  ...context.headers
})

export const usage = (completion: Completion.Completion): object => {
  const { completionTokens, promptTokens } = Completion.usage(completion)
  return {
    completion_tokens: completionTokens,
    completion_tokens_details: {
      accepted_prediction_tokens: 0,
      audio_tokens: 0,
      reasoning_tokens: completion.reasoningTokens * completion.choices.length,
      rejected_prediction_tokens: 0
    },
    prompt_tokens: promptTokens,
    prompt_tokens_details: { audio_tokens: 0, cached_tokens: 0 },
    total_tokens: promptTokens + completionTokens
  }
}

/** The results that go with an answer that ended so. */
export const filterResults = (finishReason: string): object =>
  finishReason === "content_filter" ? ContentFilter.stopped : ContentFilter.clean

/** Identifier of the call of a function that the answer of that index is. */
export const callId = ({ id }: Context, index: number): string => `call_${identifier(`${id}/call/${index}`, 24)}`

const message = (choice: Completion.Choice, index: number, context: Context): object =>
  choice.call === undefined
    ? { annotations: [], content: Completion.text(choice), refusal: null, role: "assistant" }
    : {
        annotations: [],
        content: null,
        refusal: null,
        role: "assistant",
        tool_calls: [
          {
            function: { arguments: Completion.text(choice), name: choice.call },
            id: callId(context, index),
            type: "function"
          }
        ]
      }

/** Likelihoods as a choice carries them; null where none were asked for. */
export const likelihoods = (pieces: ReadonlyArray<string>, top: number | undefined): object | null =>
  top === undefined ? null : { content: Logprobs.make(pieces, top), refusal: null }

/** Writes an answer down when it is complete; with the `logprobs` likeliest tokens, if that is a number. */
export const make = (
  completion: Completion.Completion,
  context: Context,
  logprobs: number | undefined
): Effect.Effect<Wire.Reply> =>
  Effect.zipRight(
    Timed.until(context.time, context.began, Pace.timeOf(context.pace, Completion.length(completion))),
    Effect.map(Clock.currentTimeMillis, (now) =>
      Wire.json(
        200,
        {
          choices: completion.choices.map((choice, index) => ({
            ...ContentFilter.annotation(context.contentFilter, filterResults(choice.finishReason)),
            finish_reason: choice.finishReason,
            index,
            logprobs: likelihoods(choice.pieces, logprobs),
            message: message(choice, index, context)
          })),
          created: Math.floor(now / 1000),
          ...identity(context),
          object: "chat.completion",
          prompt_filter_results: ContentFilter.prompt(context.contentFilter),
          usage: usage(completion)
        },
        headers(context)
      )
    )
  )
