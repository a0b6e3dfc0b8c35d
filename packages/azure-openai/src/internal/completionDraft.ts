import * as Predicate from "effect/Predicate"
import type { ChatCompletion, Choice, Logprobs, ToolCall, ToolCallDelta, Usage } from "../ChatCompletion.js"
import type { ChatChunk, ChunkChoice } from "../ChatStream.js"

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields => Predicate.isRecord(value)

const without = (fields: Fields, ...names: ReadonlyArray<string>): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)))

// A piece of what is told in pieces: texts and lists go on, what is inside a record goes on for itself.
const grown = (known: unknown, piece: unknown): unknown => {
  if (piece === undefined || piece === null) return known ?? piece
  if (Predicate.isString(known) && Predicate.isString(piece)) return known + piece
  if (Array.isArray(known) && Array.isArray(piece)) return [...known, ...piece]
  return isFields(known) && isFields(piece) ? merged(known, piece, grown) : piece
}

const isEmpty = (value: unknown): boolean => value === undefined || value === null || value === "" || value === 0

// What is told as a whole: the last word counts. Annotations of the filter leave empty what they have no word on.
const latest = (known: unknown, next: unknown): unknown => {
  if (isEmpty(next)) return known ?? next
  return isFields(known) && isFields(next) ? merged(known, next, latest) : next
}

const merged = (known: Fields, next: Fields, merge: (known: unknown, next: unknown) => unknown): Fields => ({
  ...known,
  ...Object.fromEntries(Object.entries(next).map(([name, value]) => [name, merge(known[name], value)]))
})

const joined = <A>(
  known: ReadonlyArray<A> | null | undefined,
  more: ReadonlyArray<A> | null | undefined
): ReadonlyArray<A> | null | undefined => (known ? [...known, ...(more ?? [])] : more === undefined ? known : more)

class CallDraft {
  private id = ""
  private type: string | undefined
  private called: { readonly name: string; readonly arguments: string } | undefined
  private rest: Fields = {}

  add(piece: typeof ToolCallDelta.Type): void {
    // Some services repeat both in every piece, others send them empty from the second on.
    this.id = piece.id || this.id
    this.type = piece.type || this.type
    if (piece.function !== undefined) {
      const { arguments: text, name, ...rest } = piece.function
      this.called = {
        ...merged(this.called ?? {}, rest, grown),
        name: (this.called?.name ?? "") + (name ?? ""),
        arguments: (this.called?.arguments ?? "") + (text ?? "")
      }
    }
    this.rest = merged(this.rest, without(piece, "index", "id", "type", "function"), grown)
  }

  finished(): ToolCall {
    return {
      ...this.rest,
      id: this.id,
      type: this.type ?? "function",
      ...(this.called === undefined ? {} : { function: this.called })
    }
  }
}

class ChoiceDraft {
  private content: string | undefined
  private refusal: string | undefined
  private finish: string | undefined
  private logprobs: typeof Logprobs.Type | undefined
  private readonly calls = new Map<number, CallDraft>()
  private message: Fields = {}
  private rest: Fields = {}

  constructor(private readonly index: number) {}

  add(choice: typeof ChunkChoice.Type): void {
    const { delta = {}, finish_reason: finish, logprobs } = choice
    if (Predicate.isString(delta.content)) this.content = (this.content ?? "") + delta.content
    if (Predicate.isString(delta.refusal)) this.refusal = (this.refusal ?? "") + delta.refusal
    if (finish) this.finish = finish
    if (logprobs) {
      this.logprobs = {
        ...this.logprobs,
        ...logprobs,
        content: joined(this.logprobs?.content, logprobs.content),
        refusal: joined(this.logprobs?.refusal, logprobs.refusal)
      }
    }
    for (const piece of delta.tool_calls ?? []) {
      const call = this.calls.get(piece.index) ?? new CallDraft()
      this.calls.set(piece.index, call)
      call.add(piece)
    }
    this.message = merged(this.message, without(delta, "role", "content", "refusal", "tool_calls"), grown)
    this.rest = merged(this.rest, without(choice, "index", "delta", "finish_reason", "logprobs"), latest)
  }

  finished(): typeof Choice.Type {
    const calls = [...this.calls.values()].map((call) => call.finished())
    return {
      ...this.rest,
      index: this.index,
      finish_reason: this.finish ?? null,
      ...(this.logprobs === undefined ? {} : { logprobs: this.logprobs }),
      message: {
        ...this.message,
        role: "assistant",
        content: (calls.length === 0 ? this.content : this.content || undefined) ?? null,
        refusal: this.refusal ?? null,
        ...(calls.length === 0 ? {} : { tool_calls: calls })
      }
    }
  }
}

/** A completion, as far as its chunks have told. @internal */
export class CompletionDraft {
  private id = ""
  private model: string | undefined
  private usage: Usage | undefined
  private readonly choices = new Map<number, ChoiceDraft>()
  private rest: Fields = {}

  add(chunk: ChatChunk): void {
    this.id = chunk.id || this.id
    this.model = chunk.model || this.model
    this.usage = chunk.usage ?? this.usage
    for (const choice of chunk.choices) {
      const draft = this.choices.get(choice.index) ?? new ChoiceDraft(choice.index)
      this.choices.set(choice.index, draft)
      draft.add(choice)
    }
    // `obfuscation` pads a chunk, and is not part of the answer.
    this.rest = merged(this.rest, without(chunk, "id", "model", "usage", "choices", "obfuscation"), latest)
  }

  finished(): ChatCompletion {
    return {
      ...this.rest,
      ...("object" in this.rest ? { object: "chat.completion" } : {}),
      id: this.id,
      ...(this.model === undefined ? {} : { model: this.model }),
      ...(this.usage === undefined ? {} : { usage: this.usage }),
      choices: [...this.choices.values()].map((choice) => choice.finished())
    }
  }
}
