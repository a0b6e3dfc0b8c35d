/** The help text of commands, from their @effect/cli descriptors: two aligned columns. */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Descriptor from "@effect/cli/CommandDescriptor"
import type { HelpDoc } from "@effect/cli/HelpDoc"
import type { Span } from "@effect/cli/HelpDoc/Span"
import * as CommandLine from "./CommandLine.js"
import type { Style } from "./Style.js"

/** A line of two columns. */
export type Row = readonly [term: string, meaning: string]

/** A command, and what else there is to say of it. */
export interface Entry {
  readonly name: string
  readonly descriptor: CommandLine.Command
  readonly notes: ReadonlyArray<{ readonly title: string; readonly rows: ReadonlyArray<Row> }>
}

const textOf = (span: Span): string => {
  switch (span._tag) {
    case "Text":
    case "URI":
      return span.value
    case "Sequence":
      return textOf(span.left) + textOf(span.right)
    case "Highlight":
    case "Strong":
    case "Weak":
      return textOf(span.value)
  }
}

const paragraphs = (doc: HelpDoc): ReadonlyArray<string> => {
  switch (doc._tag) {
    case "Paragraph":
      return [textOf(doc.value)]
    case "Sequence":
      return [...paragraphs(doc.left), ...paragraphs(doc.right)]
    default:
      return []
  }
}

// The first paragraph of a definition says what the value's type is, the last may say that it is optional: the usage line says both.
const rowsOf = (doc: HelpDoc): ReadonlyArray<Row> => {
  switch (doc._tag) {
    case "DescriptionList":
      return doc.definitions.map(([term, definition]): Row => [
        textOf(term).trim().replaceAll(/[<>]/g, ""),
        paragraphs(definition)
          .slice(1)
          .filter((text) => text !== "This setting is optional.")
          .join(" ")
      ])
    case "Sequence":
      return [...rowsOf(doc.left), ...rowsOf(doc.right)]
    default:
      return []
  }
}

const config = CliConfig.make({ showBuiltIns: false })

const table = (rows: ReadonlyArray<Row>): ReadonlyArray<string> => {
  const width = Math.max(0, ...rows.map(([term]) => term.length))
  return rows.map(([term, meaning]) => `  ${term.padEnd(width)}  ${meaning}`.trimEnd())
}

const description = (entry: Entry): string => paragraphs(Descriptor.getHelp(entry.descriptor, config))[0] ?? ""

// More options than fit a line are left to the list below it.
const mostFlags = 4

const usage = ({ descriptor, name }: Entry): string => {
  const { flags, operands } = CommandLine.signature(descriptor)
  const options = flags.length > mostFlags ? ["[OPTIONS]"] : flags.map((flag) => `[${CommandLine.renderFlag(flag)}]`)
  return [name, ...operands, ...options].join(" ")
}

/** The help of one command. */
export const command = (entry: Entry, style: Style): string =>
  [
    description(entry),
    "",
    `${style.bold("Usage")}  spillway ${usage(entry)}`,
    "",
    ...table([...rowsOf(Descriptor.getHelp(entry.descriptor, config)), ["--help", "Show this"]]),
    ...entry.notes.flatMap(({ rows, title }) => ["", style.bold(title), ...table(rows)])
  ].join("\n")

/** The help of the program. */
export const program = (
  entries: ReadonlyArray<Entry>,
  about: { readonly summary: string; readonly footer: string },
  style: Style
): string =>
  [
    about.summary,
    "",
    `${style.bold("Usage")}  spillway COMMAND`,
    "",
    ...table(entries.map((entry): Row => [usage(entry), description(entry)])),
    "",
    ...table([
      ["COMMAND --help", "Show what a command takes"],
      ["--version", "Show the version"]
    ]),
    "",
    about.footer
  ].join("\n")
