/** What doc comments of public modules owe their readers, and which of it is missing. */
import ts from "typescript"

type Declared = ts.Declaration

const docOf = (node: ts.Node): ts.JSDoc | undefined => ts.getJSDocCommentsAndTags(node).findLast(ts.isJSDoc)

const textOf = (doc: ts.JSDoc | undefined): string => ts.getTextOfJSDocComment(doc?.comment) ?? ""

const tagsOf = (doc: ts.JSDoc | undefined, name: string): ReadonlyArray<string> =>
  (doc?.tags ?? [])
    .filter(({ tagName }) => tagName.text === name)
    .map(({ comment }) => (ts.getTextOfJSDocComment(comment) ?? "").trim())

/** The node that a declaration's comment stands before. */
const commented = (declaration: Declared): ts.Node =>
  ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration

const isFunctionOrLayer = (checker: ts.TypeChecker, declaration: Declared): boolean => {
  if (ts.isFunctionDeclaration(declaration)) return true
  if (!ts.isVariableDeclaration(declaration)) return false
  const type = checker.getTypeAtLocation(declaration)
  const name = (type.aliasSymbol ?? type.symbol)?.name
  // A Schema can be called, but is no function to its readers.
  return type.getCallSignatures().length > 0
    ? type.getProperty("ast") === undefined
    : name === "Layer" || name === "Effect"
}

const needsExample = (checker: ts.TypeChecker, declaration: Declared, category: string | undefined): boolean =>
  // How errors are met is shown once, where their union is.
  (ts.isClassDeclaration(declaration) && category !== "errors") || isFunctionOrLayer(checker, declaration)

const ofDeclaration = (checker: ts.TypeChecker, declaration: Declared): ReadonlyArray<string> => {
  const doc = docOf(commented(declaration))
  if (doc === undefined) return ["no doc comment"]
  const categories = tagsOf(doc, "category")
  const since = tagsOf(doc, "since")
  return [
    ...(textOf(doc).trim() === "" ? ["no description"] : []),
    ...(categories.length === 1 && /^[a-z][\w ]*$/.test(categories[0] ?? "") ? [] : ["not exactly one @category"]),
    ...(since.length === 1 && /^\d+\.\d+\.\d+$/.test(since[0] ?? "") ? [] : ["not exactly one @since"]),
    ...(needsExample(checker, declaration, categories[0]) && tagsOf(doc, "example").length === 0 ? ["no @example"] : [])
  ]
}

/** How a field says what happens where it is left out. */
const absence =
  /\bdefaults? to\b|\bwithout\b|\bonly\b|\bthis or\b|\bwhere it is\b|\bwhen absent\b|\bif absent\b|\bnone:/i

/** How a field that is a number says of what. */
const unit =
  /(?:Ms|Seconds|Bytes|Tokens|Share|Requests|PerMinute|PerSecond|Weight)$|\b(?:milliseconds?|ms|seconds?|minutes?|bytes?|tokens?|PTUs?|requests?|retries|attempts?|calls?|share|percent|per|factor|number of|how many|how much|units?|spans|port)\b/i

const isNumber = (type: ts.Type): boolean => {
  const parts = type.isUnion() ? type.types : [type]
  const defined = parts.filter((part) => (part.flags & ts.TypeFlags.Undefined) === 0)
  return defined.length > 0 && defined.every((part) => (part.flags & ts.TypeFlags.NumberLike) !== 0)
}

const ofFields = (checker: ts.TypeChecker, declaration: ts.InterfaceDeclaration): ReadonlyArray<string> => {
  const above = textOf(docOf(declaration))
  return declaration.members.filter(ts.isPropertySignature).flatMap((member) => {
    const name = member.name.getText()
    const own = textOf(docOf(member))
    // A list in the interface's own comment will do: one line for each field.
    const listed = above.split("\n").find((line) => line.includes(`\`${name}\``)) ?? ""
    const text = `${own} ${listed}`.trim()
    return [
      ...(text === "" ? [`${name}: no description`] : []),
      ...(text !== "" && member.questionToken !== undefined && !absence.test(text) ? [`${name}: no default`] : []),
      ...(text !== "" && isNumber(checker.getTypeAtLocation(member)) && !unit.test(`${name} ${text}`)
        ? [`${name}: no unit`]
        : [])
    ]
  })
}

/** The interfaces that callers fill in. */
const isOptions = (declaration: Declared): declaration is ts.InterfaceDeclaration =>
  ts.isInterfaceDeclaration(declaration) && /(?:Options|Settings|Config|Prices)$/.test(declaration.name.text)

const isInternal = (declaration: Declared): boolean => /@internal\b/.test(commented(declaration).getFullText())

/** What a module's doc comments lack: `export: problem`, or `export.field: problem`. */
export const problemsOf = (program: ts.Program, path: string): ReadonlyArray<string> => {
  const checker = program.getTypeChecker()
  const file = program.getSourceFile(path)
  const module = file === undefined ? undefined : checker.getSymbolAtLocation(file)
  if (file === undefined || module === undefined) return [`no module at ${path}`]
  const header = /^\/\*\*(?:(?!\*\/)[\s\S])+?@since \d+\.\d+\.\d+\s*\*\//.test(file.text)
    ? []
    : ["no header with @since"]
  const exported = checker.getExportsOfModule(module).flatMap((alias) => {
    const symbol = (alias.flags & ts.SymbolFlags.Alias) === 0 ? alias : checker.getAliasedSymbol(alias)
    return (symbol.declarations ?? [])
      .filter((declaration) => !isInternal(declaration))
      .flatMap((declaration) => [
        ...ofDeclaration(checker, declaration).map((problem) => `${alias.name}: ${problem}`),
        ...(isOptions(declaration) ? ofFields(checker, declaration) : []).map((problem) => `${alias.name}.${problem}`)
      ])
  })
  return [...header, ...exported]
}
