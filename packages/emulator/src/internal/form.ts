// What form the answer is to have, by tools and by format.
import * as Either from "effect/Either"
import type * as Wire from "../Wire.js"
import { Form } from "./completion.js"
import * as InvalidRequest from "./invalidRequest.js"
import * as Tools from "./tools.js"

const anyObject = { type: "object", properties: { answer: { type: "string" } }, required: ["answer"] }

/** A format as either operation names it; `schema` where it comes with one. */
export interface Format {
  readonly type: string
  readonly schema: unknown
}

/** Whether any of the texts has the word in it that JSON mode wants. */
const mentionsJson = (texts: Iterable<string>): boolean => {
  for (const text of texts) if (/json/i.test(text)) return true
  return false
}

/** The form of an answer, or the reply that refuses the request. `texts` are those of the prompt, under the parameter `prompt`. */
export const make = (request: {
  readonly tools: ReadonlyArray<Tools.Tool>
  readonly choice: Tools.Choice | undefined
  readonly format: Format | undefined
  readonly texts: Iterable<string>
  readonly prompt: string
}): Either.Either<Form, Wire.Reply> =>
  Either.flatMap(Tools.forced(request.tools, request.choice), (tool): Either.Either<Form, Wire.Reply> => {
    if (tool !== undefined) return Either.right(Form.Call({ tool, named: typeof request.choice === "object" }))
    const { format } = request
    if (format?.type === "json_schema") return Either.right(Form.Json({ schema: format.schema }))
    if (format?.type !== "json_object") return Either.right(Form.Text())
    return mentionsJson(request.texts)
      ? Either.right(Form.Json({ schema: anyObject }))
      : Either.left(InvalidRequest.noMentionOfJson(request.prompt))
  })
