// A response as named server-sent events, numbered from 0, at the times the deployment's pace gives.
import * as ServerSentEvent from "../ServerSentEvent.js"
import type { Choice } from "./completion.js"
import { hash, identifier } from "./hash.js"
import * as Logprobs from "./logprobs.js"
import * as Pace from "./pace.js"
import * as ResponseObject from "./responseObject.js"
import type * as Timed from "./timed.js"

interface Due {
  readonly at: number
  readonly type: string
  readonly fields: object
}

/** How what is generated is let out. */
export interface Release {
  readonly pace: Pace.Pace
  /** Tokens that leave together. */
  readonly burstTokens: number
}

const answerEvents = (
  response: ResponseObject.Response,
  choice: Choice,
  index: number,
  { burstTokens, pace }: Release
): ReadonlyArray<Due> => {
  const { reasoningTokens } = response.completion
  const timeOf = (tokens: number): number => Pace.timeOf(pace, reasoningTokens + tokens)
  const end = timeOf(choice.pieces.length)
  const item = { item_id: ResponseObject.itemId(response), output_index: index }
  const obfuscate = response.request.stream_options?.include_obfuscation !== false
  const top = ResponseObject.logprobs(response)
  const status = ResponseObject.finalStatus(response)
  const deltas = choice.pieces.map((piece, i) => {
    const seed = `${response.seed}/${i}`
    return {
      at: timeOf(Math.min(choice.pieces.length, (Math.floor(i / burstTokens) + 1) * burstTokens)),
      piece,
      padding: obfuscate ? { obfuscation: identifier(seed, 1 + (hash(seed) % 16)) } : {}
    }
  })
  const added: Due = {
    at: timeOf(0),
    type: "response.output_item.added",
    fields: { output_index: index, item: ResponseObject.answerItem(response, choice, "in_progress") }
  }
  const done: Due = {
    at: end,
    type: "response.output_item.done",
    fields: { output_index: index, item: ResponseObject.answerItem(response, choice, status) }
  }
  if (choice.call !== undefined) {
    return [
      added,
      ...deltas.map(({ at, padding, piece }): Due => ({
        at,
        type: "response.function_call_arguments.delta",
        fields: { ...item, delta: piece, ...padding }
      })),
      {
        at: end,
        type: "response.function_call_arguments.done",
        fields: { ...item, arguments: choice.pieces.join(""), name: choice.call }
      },
      done
    ]
  }
  const content = { ...item, content_index: 0 }
  return [
    added,
    {
      at: timeOf(0),
      type: "response.content_part.added",
      fields: { ...content, part: ResponseObject.textPart(response, []) }
    },
    ...deltas.map(({ at, padding, piece }): Due => ({
      at,
      type: "response.output_text.delta",
      fields: {
        ...content,
        delta: piece,
        logprobs: top === undefined ? [] : Logprobs.make([piece], top),
        ...padding
      }
    })),
    {
      at: end,
      type: "response.output_text.done",
      fields: {
        ...content,
        logprobs: top === undefined ? [] : Logprobs.make(choice.pieces, top),
        text: choice.pieces.join("")
      }
    },
    {
      at: end,
      type: "response.content_part.done",
      fields: { ...content, part: ResponseObject.textPart(response, choice.pieces) }
    },
    done
  ]
}

const reasoningEvents = (response: ResponseObject.Response, { pace }: Release): ReadonlyArray<Due> => {
  const { reasoningTokens } = response.completion
  if (reasoningTokens === 0) return []
  const fields = { output_index: 0, item: ResponseObject.reasoningItem(response) }
  return [
    { at: Pace.timeOf(pace, 0), type: "response.output_item.added", fields },
    { at: Pace.timeOf(pace, reasoningTokens), type: "response.output_item.done", fields }
  ]
}

/** Everything that is said, and when, in milliseconds since it was begun; `after` skips the events up to that number. */
export const writes = (response: ResponseObject.Response, release: Release, after = -1): ReadonlyArray<Timed.Write> => {
  const queued = response.request.background === true
  const preamble = (type: string, status: ResponseObject.Status): Due => ({
    at: 0,
    type: `response.${type}`,
    fields: { response: ResponseObject.show(response, status) }
  })
  const thought = reasoningEvents(response, release)
  const answers = response.completion.choices
    .filter(({ pieces }) => pieces.length > 0)
    .flatMap((choice) => answerEvents(response, choice, thought.length > 0 ? 1 : 0, release))
  const said = [
    preamble("created", queued ? "queued" : "in_progress"),
    ...(queued ? [preamble("queued", "queued")] : []),
    preamble("in_progress", "in_progress"),
    ...thought,
    ...answers
  ]
  const status = ResponseObject.finalStatus(response)
  const last: Due = {
    at: Math.max(0, ...said.map(({ at }) => at)),
    type: `response.${status}`,
    fields: { response: ResponseObject.show(response, status) }
  }
  const packets = new Map<number, string>()
  for (const [sequence, { at, fields, type }] of [...said, last].entries()) {
    if (sequence <= after) continue
    const event = ServerSentEvent.encode({ type, sequence_number: sequence, ...fields })
    packets.set(at, (packets.get(at) ?? "") + event)
  }
  return Array.from(packets, ([at, data]) => ({ at, data }))
}
