// Reading a request's body as its operation understands it.
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as ErrorReply from "../ErrorReply.js"
import type * as Wire from "../Wire.js"
import * as InvalidRequest from "./invalidRequest.js"
import * as Path from "./path.js"
import * as Problems from "./problems.js"

/** A parameter that may be left out, or be null. */
export const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

/** Reads bodies of a schema; the left side is the reply that refuses one, for the first thing that is wrong with it. */
export const decoder = <A, I>(schema: Schema.Schema<A, I>): ((body: unknown) => Either.Either<A, Wire.Reply>) => {
  const decode = Schema.decodeUnknownEither(schema)
  return (body) =>
    Either.mapLeft(decode(body), (error) => {
      const problem = Problems.of(error.issue)[0]
      const param = Path.render(problem?.path ?? [])
      return problem?.missing ? InvalidRequest.missingParameter(param) : ErrorReply.invalidType(param)
    })
}
