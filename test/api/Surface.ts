/** The public API of a package as text: its declarations, without comments, in an order of their own. */
import { posix } from "node:path"
import ts from "typescript"

/** Emitted declarations, by their path in the package: `dist/RetryAfter.d.ts`. */
export type Declarations = ReadonlyMap<string, string>

const parse = (path: string, text: string): ts.SourceFile =>
  ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS)

/** The declaration file behind a relative import. */
const target = (path: string, specifier: string): string =>
  posix.join(posix.dirname(path), specifier.replace(/\.js$/, ".d.ts"))

/** What can be imported, and what its types come from: internal modules too, as far as they show. */
const reachable = (declarations: Declarations): ReadonlyArray<string> => {
  const seen = new Set<string>()
  const visit = (path: string): void => {
    const text = declarations.get(path)
    if (text === undefined || seen.has(path)) return
    seen.add(path)
    for (const { fileName } of ts.preProcessFile(text, true, true).importedFiles) {
      if (fileName.startsWith(".")) visit(target(path, fileName))
    }
  }
  for (const path of declarations.keys()) if (/^dist\/[^/]+\.d\.ts$/.test(path)) visit(path)
  return [...seen].toSorted()
}

const nameOf = (statement: ts.Statement): string => {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations[0]?.name.getText() ?? ""
  if (ts.isExportDeclaration(statement) || ts.isExportAssignment(statement)) return statement.getText()
  if ("name" in statement && statement.name !== undefined) return (statement.name as ts.Node).getText()
  return statement.getText()
}

const isEmptyExport = (statement: ts.Statement): boolean =>
  ts.isExportDeclaration(statement) &&
  statement.exportClause !== undefined &&
  ts.isNamedExports(statement.exportClause) &&
  statement.exportClause.elements.length === 0

// Imports first. Overloads keep their order: it decides which of them is taken.
const rank = (statement: ts.Statement): string => `${ts.isImportDeclaration(statement) ? 0 : 1}${nameOf(statement)}`

const printer = ts.createPrinter({ removeComments: true })

const print = (path: string, text: string): string => {
  const file = parse(path, text)
  return file.statements
    .filter((statement) => !isEmptyExport(statement))
    .map((statement) => ({ rank: rank(statement), text: printer.printNode(ts.EmitHint.Unspecified, statement, file) }))
    .toSorted((left, right) => (left.rank < right.rank ? -1 : left.rank > right.rank ? 1 : 0))
    .map((statement) => statement.text)
    .join("\n")
}

/** The text to compare with the one that was committed. */
export const surfaceOf = (name: string, declarations: Declarations): string =>
  [
    `The public API of ${name}. A difference here is one that users see; \`npx -y pnpm@12 api:update\` writes it.`,
    ...reachable(declarations).map((path) => {
      const module = path.slice("dist/".length, -".d.ts".length)
      return `== ${module === "index" ? name : `${name}/${module}`}\n\n${print(path, declarations.get(path) ?? "")}`
    })
  ].join("\n\n") + "\n"
