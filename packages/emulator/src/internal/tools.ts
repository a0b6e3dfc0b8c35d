// Functions a model may call, and the one it must.
import * as Either from "effect/Either"
import type * as Wire from "../Wire.js"
import * as InvalidRequest from "./invalidRequest.js"

export interface Tool {
  readonly name: string
  /** JSON Schema of its arguments. */
  readonly parameters: unknown
}

/** Which of them is to be called: none or any, at least one, or the one that is named. */
export type Choice = "none" | "auto" | "required" | { readonly name: string }

/** The function that a request forces a call of; undefined where the model is free, and then it answers with text. */
export const forced = (
  tools: ReadonlyArray<Tool>,
  choice: Choice | undefined
): Either.Either<Tool | undefined, Wire.Reply> => {
  if (choice === undefined) return Either.right(undefined)
  if (tools.length === 0) return Either.left(InvalidRequest.toolChoiceWithoutTools)
  if (choice === "none" || choice === "auto") return Either.right(undefined)
  const tool = choice === "required" ? tools[0] : tools.find(({ name }) => name === choice.name)
  return tool === undefined ? Either.left(InvalidRequest.unknownTool) : Either.right(tool)
}
