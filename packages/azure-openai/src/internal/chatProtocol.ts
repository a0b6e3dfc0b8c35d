import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { Usage } from "../ChatCompletion.js"
import { ChatChunk } from "../ChatStream.js"
import * as Failure from "../Failure.js"
import * as Reply from "../Reply.js"
import { pathOf } from "./issuePath.js"
import type * as Sse from "../Sse.js"
import { attributes } from "../Telemetry.js"
import type { Protocol, Step } from "./eventStream.js"
import { onFirstUse } from "./firstUse.js"
import { codeOf, holdsError, labelOf, parseJson, record } from "./serviceError.js"

const decode = onFirstUse(() => Schema.decodeUnknownEither(ChatChunk))

const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0)

// A role alone, the filter's verdict on the prompt, an empty text: nothing that could not come again from elsewhere.
const isOutput = (chunk: ChatChunk): boolean =>
  !isEmpty(chunk.usage) ||
  chunk.choices.some(
    (choice) =>
      !isEmpty(choice.finish_reason) ||
      Object.entries(choice.delta ?? {}).some(([key, value]) => key !== "role" && !isEmpty(value))
  )

/** How a stream of chat chunks is read. @internal */
export class ChatProtocol implements Protocol<ChatChunk> {
  private parts = ""
  private id: string | undefined
  private model: string | undefined
  private counted: Usage | undefined
  private readonly finish = new Map<number, string | undefined>()

  private readonly choices: number
  private readonly counts: boolean

  /** `request` says what is to come: how many choices, and whether their usage. */
  constructor(
    private readonly reply: Failure.Head,
    private readonly asked: Reply.Asked,
    request: Readonly<Record<string, unknown>>
  ) {
    this.choices = Predicate.isNumber(request["n"]) ? request["n"] : 1
    this.counts = record(request["stream_options"])["include_usage"] === true
  }

  read(event: Sse.Event, now: number): Step<ChatChunk> {
    if (event.data.trim() === "[DONE]") return { _tag: "done" }
    const json = parseJson(event.data)
    if (Either.isLeft(json)) return { _tag: "failed", failure: Failure.brokenBody(this.reply) }
    const { kind, model } = this.asked
    const classify = (error: unknown) => Reply.classifyInStream({ ...this.reply, kind, model, error, now })
    if (event.event === "error" || holdsError(json.right)) {
      return { _tag: "failed", failure: classify(json.right) }
    }
    return Either.match(decode(json.right), {
      onLeft: (issue) => ({ _tag: "failed", failure: Failure.malformed(this.reply, pathOf(issue)) }),
      onRight: (chunk) => {
        this.keep(chunk)
        return { _tag: isOutput(chunk) ? "output" : "preamble", value: chunk }
      }
    })
  }

  private keep(chunk: ChatChunk): void {
    if (chunk.id) this.id = chunk.id
    if (chunk.model) this.model = chunk.model
    if (chunk.usage) this.counted = chunk.usage
    for (const { delta, finish_reason: finish, index } of chunk.choices) {
      if (index === 0) this.parts += delta?.content ?? ""
      // An annotation without a delta may come for a choice that is finished.
      if (finish) this.finish.set(index, finish)
      else if (!this.finish.has(index)) this.finish.set(index, undefined)
    }
  }

  complete(terminated: boolean): boolean {
    const finished = this.finish.size > 0 && [...this.finish.values()].every(Predicate.isNotUndefined)
    if (terminated) return finished
    return finished && this.finish.size >= this.choices && (!this.counts || this.counted !== undefined)
  }

  text(): string {
    return this.parts
  }

  usage(): unknown {
    return this.counted
  }

  attributes(): Record<string, unknown> {
    return {
      [attributes.responseId]: labelOf(this.id),
      [attributes.responseModel]: labelOf(this.model),
      [attributes.finishReasons]:
        this.finish.size === 0
          ? undefined
          : [...this.finish.values()].map((finish) => codeOf(finish) ?? "none").join(","),
      [attributes.inputTokens]: this.counted?.prompt_tokens,
      [attributes.cachedTokens]: this.counted?.prompt_tokens_details?.cached_tokens || undefined,
      [attributes.outputTokens]: this.counted?.completion_tokens
    }
  }
}
