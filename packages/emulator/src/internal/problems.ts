// What a value from outside has wrong, in words that hold nothing of it: it may be a key, a prompt, or deeper than any formatter can go.
import type * as ParseResult from "effect/ParseResult"
import type * as SchemaAST from "effect/SchemaAST"

/** One thing that is wrong. */
export interface Problem {
  readonly path: ReadonlyArray<PropertyKey>
  readonly message: string
  /** Whether nothing is there. */
  readonly missing: boolean
}

const alternatives = (types: ReadonlyArray<SchemaAST.AST>): string =>
  types.every((type) => type._tag === "Literal")
    ? `one of ${types.map(expected).join(", ")}`
    : [...new Set(types.map(expected))].join(" or ")

const expected = (ast: SchemaAST.AST): string => {
  switch (ast._tag) {
    case "StringKeyword":
      return "a string"
    case "NumberKeyword":
      return "a number"
    case "BooleanKeyword":
      return "true or false"
    case "Literal":
      return JSON.stringify(ast.literal)
    case "TupleType":
      return "a list"
    case "TypeLiteral":
      return "an object"
    case "Refinement":
    case "Transformation":
      return expected(ast.from)
    case "Union":
      return alternatives(ast.types)
    default:
      return "another value"
  }
}

const kindOf = (value: unknown): string => {
  if (value === undefined) return "nothing"
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  if (typeof value === "boolean") return String(value)
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}

const listOf = <A>(one: A | ReadonlyArray<A>): ReadonlyArray<A> => (Array.isArray(one) ? one : [one as A])

const isMismatch = (issue: ParseResult.ParseIssue): boolean => {
  if (issue._tag === "Refinement" && issue.kind === "From") return isMismatch(issue.issue)
  return issue._tag === "Type" && issue.message === undefined
}

const mismatch = (ast: SchemaAST.AST, actual: unknown): Problem => ({
  path: [],
  message: `expected ${expected(ast)}, got ${kindOf(actual)}`,
  missing: false
})

/** All of them, in the order of the schema. */
export const of = (issue: ParseResult.ParseIssue): ReadonlyArray<Problem> => {
  switch (issue._tag) {
    case "Pointer":
      return of(issue.issue).map((problem) => ({ ...problem, path: [...listOf(issue.path), ...problem.path] }))
    case "Composite": {
      const issues = listOf(issue.issues)
      // None of several kinds: one problem, not one for each.
      return issue.ast._tag === "Union" && issues.every(isMismatch)
        ? [mismatch(issue.ast, issue.actual)]
        : issues.flatMap(of)
    }
    case "Refinement":
    case "Transformation":
      return of(issue.issue)
    case "Missing":
      return [{ path: [], message: issue.message ?? "is missing", missing: true }]
    case "Unexpected":
      return [{ path: [], message: issue.message ?? "is unexpected", missing: false }]
    case "Type":
      return issue.message === undefined
        ? [mismatch(issue.ast, issue.actual)]
        : [{ path: [], message: issue.message, missing: false }]
    case "Forbidden":
      return [{ path: [], message: "is forbidden", missing: false }]
  }
}
