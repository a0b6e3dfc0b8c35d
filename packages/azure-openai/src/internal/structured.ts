import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Failure from "../Failure.js"
import * as StructuredOutput from "../StructuredOutput.js"
import { pathTo } from "./issuePath.js"
import { parseJson } from "./serviceError.js"

/** What is asked of the model, and the names that it was given to fill in. @internal */
export interface Output {
  readonly format: StructuredOutput.StructuredOutput
  readonly names: ReadonlySet<string>
}

/** Or what was expected of a Schema that will not do. */
type Derived = Either.Either<Output, string>

const derive = <A, I, R>(schema: Schema.Schema<A, I, R>): Derived =>
  Either.map(StructuredOutput.fromSchema(schema), (format) => ({
    format,
    names: new Set(StructuredOutput.propertyNames(format.schema))
  }))

const made = new WeakMap<object, Derived>()

/** Derived once for each Schema: a Schema is usually a constant, and deriving takes longer than all else. @internal */
export const of = <A, I, R>(schema: Schema.Schema<A, I, R>): Derived => {
  const found = made.get(schema.ast)
  if (found !== undefined) return found
  const fresh = derive(schema)
  made.set(schema.ast, fresh)
  return fresh
}

/** What the model said where its JSON is expected. @internal */
export interface Spoken {
  readonly content: string | null | undefined
  /** Where it is in the reply. */
  readonly at: string
  /** Where the model refused, if it did. */
  readonly refusal: string | undefined
  /** Why it stopped before its end, if it did. */
  readonly cut: string | undefined
}

/**
 * Decodes the JSON that the model was asked for. Fails with `Malformed` that says where, with `refusal`, or why it was cut
 * off, as its code where that explains it.
 *
 * @internal
 */
export const decoder = <A, I, R>(schema: Schema.Schema<A, I, R>, output: Derived) => {
  const decode = Schema.decodeUnknown(schema)
  const names = Either.match(output, { onLeft: () => new Set<string>(), onRight: ({ names }) => names })
  // The model may have made up the names of what it was not asked for: only those of the schema are printed.
  const known = (key: PropertyKey): string => (typeof key === "number" || names.has(String(key)) ? String(key) : "*")
  const pathIn = (at: string, { issue }: ParseResult.ParseError): string => [at, ...pathTo(issue).map(known)].join(".")
  return (reply: Failure.Head, { at, content, cut, refusal }: Spoken): Effect.Effect<A, Failure.Failure, R> => {
    const code = refusal === undefined ? cut : "refusal"
    const malformed = (path: string): Failure.Failure => ({
      ...Failure.malformed(reply, path),
      ...(code === undefined ? {} : { code })
    })
    if (refusal !== undefined || !content) return Effect.fail(malformed(refusal ?? at))
    return Either.match(parseJson(content), {
      onLeft: () => Effect.fail(malformed(at)),
      onRight: (json) => Effect.mapError(decode(json), (issue) => malformed(pathIn(at, issue)))
    })
  }
}
