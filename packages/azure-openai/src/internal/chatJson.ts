import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import type { ChatCompletion } from "../ChatCompletion.js"
import * as Failure from "../Failure.js"
import { propertyNames, type StructuredOutput } from "../StructuredOutput.js"
import { parseJson } from "./serviceError.js"

const at = "choices.0.message"

// The model may have made up the names of what it was not asked for: only those of the schema are printed.
const pathIn = (output: StructuredOutput, issue: ParseResult.ParseError): string => {
  const known = new Set(propertyNames(output.schema))
  const path = ParseResult.ArrayFormatter.formatErrorSync(issue)[0]?.path ?? []
  return [
    `${at}.content`,
    ...path.map((key) => (typeof key === "number" || known.has(String(key)) ? String(key) : "*"))
  ].join(".")
}

/**
 * Decodes the JSON of a completion's first choice. Fails with `Malformed` that says where, with the finish reason, or
 * `refusal`, as its code where that explains it.
 *
 * @internal
 */
export const decoder = <A, I, R>(schema: Schema.Schema<A, I, R>, output: StructuredOutput) => {
  const decode = Schema.decodeUnknown(schema)
  return (reply: Failure.RawReply, completion: ChatCompletion): Effect.Effect<A, Failure.Failure, R> => {
    const choice = completion.choices[0]
    const { content, refusal } = choice?.message ?? {}
    const finish = choice?.finish_reason
    const malformed = (path: string): Failure.Failure => ({
      ...Failure.malformed(reply, path),
      ...(refusal ? { code: "refusal" } : finish && finish !== "stop" ? { code: finish } : {})
    })
    if (refusal || !content) return Effect.fail(malformed(refusal ? `${at}.refusal` : `${at}.content`))
    return Either.match(parseJson(content), {
      onLeft: () => Effect.fail(malformed(`${at}.content`)),
      onRight: (json) => Effect.mapError(decode(json), (issue) => malformed(pathIn(output, issue)))
    })
  }
}
