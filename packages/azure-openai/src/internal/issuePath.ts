import type * as ParseResult from "effect/ParseResult"

/** The path of the first thing that is wrong, without its value. @internal */
export const pathOf = (issue: ParseResult.ParseError): string => {
  const path = pathTo(issue.issue)
  return path.length === 0 ? "the top" : path.map(String).join(".")
}

// By hand, because every formatter also writes out the value, which is what must not be printed and may be very deep.
/** @internal */
export const pathTo = (issue: ParseResult.ParseIssue): ReadonlyArray<PropertyKey> => {
  switch (issue._tag) {
    case "Pointer":
      return [...(Array.isArray(issue.path) ? issue.path : [issue.path]), ...pathTo(issue.issue)]
    case "Composite": {
      const first = Array.isArray(issue.issues) ? issue.issues[0] : issue.issues
      return first === undefined ? [] : pathTo(first)
    }
    case "Refinement":
    case "Transformation":
      return pathTo(issue.issue)
    default:
      return []
  }
}
