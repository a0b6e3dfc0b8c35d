// A chat as server-sent events: the shapes and their order as Azure sends them, at the times the deployment's pace gives.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as ServerSentEvent from "../ServerSentEvent.js"
import type * as Wire from "../Wire.js"
import * as ChatReply from "./chatReply.js"
import type { Choice, Completion } from "./completion.js"
import * as ContentFilter from "./contentFilter.js"
import { hash, identifier } from "./hash.js"
import type { Context } from "./job.js"
import * as Pace from "./pace.js"
import * as Timed from "./timed.js"

/** What a caller can ask of a stream. */
export interface Options {
  readonly includeUsage: boolean
  readonly obfuscate: boolean
  /** Characters of the prompt: an asynchronous filter counts from its beginning. */
  readonly promptCharacters: number
  /** How many of the likeliest tokens come with each; undefined for no likelihoods. */
  readonly logprobs: number | undefined
}

interface Due {
  readonly at: number
  readonly event: object
}

/** Makes the chunks of one stream. */
const chunks = (context: Context, options: Options, created: number) => {
  const identity = ChatReply.identity(context)
  const usage = options.includeUsage ? { usage: null } : {}
  let count = 0
  // Padding, so that the length of a packet does not tell the length of a token.
  const padding = (): { readonly obfuscation?: string } => {
    const seed = `${context.id}/${count++}`
    return options.obfuscate ? { obfuscation: identifier(seed, 1 + (hash(seed) % 16)) } : {}
  }
  const chunk = (choices: ReadonlyArray<object>, rest: object = usage): object => ({
    choices,
    created,
    id: identity.id,
    model: identity.model,
    ...padding(),
    object: "chat.completion.chunk",
    service_tier: "default",
    system_fingerprint: identity.system_fingerprint,
    ...rest
  })
  // Neither an answer nor a part of one: it has no identity.
  const annotation = (choices: ReadonlyArray<object>, rest: object = {}): object => ({
    choices,
    created: 0,
    id: "",
    model: "",
    object: "",
    ...rest,
    ...usage
  })
  return { chunk, annotation }
}

/** What an answer begins with: its role and, for a call, which function. */
const opening = (choice: Choice, index: number, context: Context): object =>
  choice.call === undefined
    ? { content: "", refusal: null, role: "assistant" }
    : {
        content: null,
        refusal: null,
        role: "assistant",
        tool_calls: [
          {
            function: { arguments: "", name: choice.call },
            id: ChatReply.callId(context, index),
            index: 0,
            type: "function"
          }
        ]
      }

/** One token more. */
const delta = (choice: Choice, piece: string): object =>
  choice.call === undefined ? { content: piece } : { tool_calls: [{ function: { arguments: piece }, index: 0 }] }

const choiceEvents = (
  choice: Choice,
  index: number,
  completion: Completion,
  context: Context,
  options: Options,
  { annotation, chunk }: ReturnType<typeof chunks>
): ReadonlyArray<Due> => {
  const { burstTokens, contentFilter, pace } = context
  const { pieces } = choice
  const timeOf = (tokens: number): number => Pace.timeOf(pace, completion.reasoningTokens + tokens)
  const immediate = contentFilter === "asynchronous"
  const results = ChatReply.filterResults(choice.finishReason)
  const events: Array<Due> = []
  const say = (
    at: number,
    delta: object,
    filter: object,
    {
      finishReason = null,
      logprobs = null
    }: { readonly finishReason?: string | null; readonly logprobs?: object | null } = {}
  ): void => {
    events.push({ at, event: chunk([{ ...filter, delta, finish_reason: finishReason, index, logprobs }]) })
  }
  const annotate = (at: number, from: number, to: number, finishReason: string | null = null): void => {
    events.push({
      at,
      event: annotation([
        {
          content_filter_offsets: {
            check_offset: options.promptCharacters + from,
            start_offset: options.promptCharacters + from,
            end_offset: options.promptCharacters + to
          },
          content_filter_results: finishReason === null ? ContentFilter.clean : results,
          finish_reason: finishReason,
          index
        }
      ])
    })
  }
  const bare = { content_filter_results: {} }
  const vetted = immediate ? bare : ContentFilter.annotation(contentFilter, ContentFilter.clean)
  const filtered = choice.finishReason === "content_filter"

  say(timeOf(0), opening(choice, index, context), bare)
  let characters = 0
  let annotated = 0
  pieces.forEach((piece, i) => {
    const burstEnd = Math.min(pieces.length, (Math.floor(i / burstTokens) + 1) * burstTokens)
    say(timeOf(immediate ? i + 1 : burstEnd), delta(choice, piece), vetted, {
      logprobs: ChatReply.likelihoods([piece], options.logprobs)
    })
    characters += piece.length
    if (immediate && i + 1 === burstEnd && burstEnd < pieces.length) {
      annotate(timeOf(burstEnd), annotated, characters)
      annotated = characters
    }
  })
  const end = timeOf(pieces.length)
  if (immediate && filtered) {
    // The verdict comes after the text it is about, and is the end.
    annotate(end, annotated, characters, choice.finishReason)
  } else {
    say(end, {}, filtered ? { content_filter_results: results } : bare, {
      finishReason: choice.finishReason
    })
    if (immediate) annotate(end, annotated, characters)
  }
  return events
}

/** Everything a stream says, and when, in milliseconds since the call was taken on. */
export const writes = (
  completion: Completion,
  context: Context,
  options: Options,
  created: number
): ReadonlyArray<Timed.Write> => {
  const make = chunks(context, options, created)
  const first: Due = {
    at: Pace.timeOf(context.pace, 0),
    event: make.annotation([], { prompt_filter_results: ContentFilter.prompt(context.contentFilter) })
  }
  const answers = completion.choices.flatMap((choice, index) =>
    choiceEvents(choice, index, completion, context, options, make)
  )
  // Several answers are generated at once. The sort keeps what is due at one time in order.
  const ordered = [first, ...answers].toSorted((a, b) => a.at - b.at)
  const last = ordered.at(-1)?.at ?? first.at
  const usage: ReadonlyArray<Due> = options.includeUsage
    ? [{ at: last, event: make.chunk([], { usage: ChatReply.usage(completion) }) }]
    : []
  const packets = new Map<number, string>()
  for (const { at, event } of [...ordered, ...usage]) {
    packets.set(at, (packets.get(at) ?? "") + ServerSentEvent.encode(event))
  }
  packets.set(last, (packets.get(last) ?? "") + ServerSentEvent.done)
  return Array.from(packets, ([at, data]) => ({ at, data }))
}

/** Answers when the first token is there, and goes on as the others come. */
export const make = (completion: Completion, context: Context, options: Options): Effect.Effect<Wire.Reply> =>
  Effect.zipRight(
    Timed.until(context.time, context.began, Pace.timeOf(context.pace, 0)),
    Effect.map(Clock.currentTimeMillis, (now): Wire.Reply => ({
      status: 200,
      headers: { "content-type": "text/event-stream; charset=utf-8", ...ChatReply.headers(context) },
      body: Timed.play(writes(completion, context, options, Math.floor(now / 1000)), context)
    }))
  )
