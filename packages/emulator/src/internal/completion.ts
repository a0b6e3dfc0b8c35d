// An answer before it is written down in the form that an operation gives it.
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import * as Answer from "./answer.js"
import type { Usage } from "./capacity.js"
import type { Said } from "./job.js"
import * as JsonInstance from "./jsonInstance.js"
import * as Tokens from "./tokens.js"
import type * as Tools from "./tools.js"

/** One answer: a text, or the arguments of a function call. */
export interface Choice {
  /** Token by token. */
  readonly pieces: ReadonlyArray<string>
  /** The function to call, whose arguments the pieces are; undefined for a text. */
  readonly call: string | undefined
  readonly finishReason: string
}

/** The answers to one request. */
export interface Completion {
  readonly choices: ReadonlyArray<Choice>
  readonly promptTokens: number
  /** Tokens of thought that go before every answer. */
  readonly reasoningTokens: number
}

/** What a request asks for, whatever operation it came by. */
export interface Wish {
  /** What alone decides the answer. */
  readonly subject: string
  readonly promptTokens: number
  readonly choices: number
  /** The longest that an answer may be, thought included. */
  readonly limit: number
  readonly form: Form
  /** Tokens of thought before the answer. */
  readonly reasoningTokens: number
}

/** What an answer is to look like. */
export type Form = Data.TaggedEnum<{
  Text: {}
  /** JSON of a schema, or any. */
  Json: { readonly schema: unknown }
  /** A call of a function; `named` where the request said which. */
  Call: { readonly tool: Tools.Tool; readonly named: boolean }
}>

export const Form = Data.taggedEnum<Form>()

/** The whole of an answer. */
export const text = (choice: Choice): string => choice.pieces.join("")

/** Tokens generated before the last answer is out; all answers are generated at once. */
export const length = ({ choices, reasoningTokens }: Completion): number =>
  choices.reduce((longest, { pieces }) => Math.max(longest, reasoningTokens + pieces.length), 0)

/** What was used when so many tokens of each answer are out; by default, all of them. */
export const usage = (
  { choices, promptTokens, reasoningTokens }: Completion,
  generated: number = Number.POSITIVE_INFINITY
): Usage => ({
  promptTokens,
  completionTokens: choices.reduce(
    (total, { pieces }) => total + Math.min(reasoningTokens + pieces.length, generated),
    0
  )
})

/** Makes answers up from the subject alone, so that neither the URL's style nor the deployment's kind changes them. */
export const make = (wish: Wish, length: { readonly min: number; readonly max: number }): Completion => {
  const reasoningTokens = Math.min(wish.reasoningTokens, wish.limit)
  const limit = wish.limit - reasoningTokens
  return {
    choices: Array.from({ length: wish.choices }, (_, index) =>
      makeChoice(index === 0 ? wish.subject : `${wish.subject}${index}`, wish.form, length, limit)
    ),
    promptTokens: wish.promptTokens,
    reasoningTokens
  }
}

const makeChoice = (
  subject: string,
  form: Form,
  length: { readonly min: number; readonly max: number },
  limit: number
): Choice => {
  if (form._tag === "Text") {
    const answer = Answer.makeUp(subject, length, limit)
    return { pieces: answer.pieces, call: undefined, finishReason: answer.cut ? "length" : "stop" }
  }
  const schema = form._tag === "Json" ? form.schema : (form.tool.parameters ?? { type: "object" })
  const whole = Tokens.split(JSON.stringify(Option.getOrNull(JsonInstance.make(schema, Answer.word(subject)))))
  // A call that was asked for by name ends as a text does.
  const finished = form._tag === "Call" && !form.named ? "tool_calls" : "stop"
  return {
    pieces: whole.slice(0, limit),
    call: form._tag === "Call" ? form.tool.name : undefined,
    finishReason: whole.length > limit ? "length" : finished
  }
}

/** The answer that is wanted instead: its text, never cut, and its finish reason. What the content filter stops is there to the half. */
export const override = (self: Completion, said: Said | undefined): Completion => {
  if (said === undefined) return self
  const { finishReason, text } = said
  const choices: ReadonlyArray<Choice> =
    text === undefined ? self.choices : [{ pieces: Tokens.split(text), call: undefined, finishReason: "stop" }]
  const stopped = finishReason === "content_filter" && text === undefined
  return {
    ...self,
    choices: choices.map((choice) => ({
      call: choice.call,
      pieces: stopped ? choice.pieces.slice(0, Math.ceil(choice.pieces.length / 2)) : choice.pieces,
      finishReason: finishReason ?? choice.finishReason
    }))
  }
}
