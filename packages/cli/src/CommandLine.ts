/**
 * What the command line asks for, judged against the commands' own descriptors before @effect/cli parses it: so that everything
 * wrong is told at once, by the name of the option.
 */
import * as Descriptor from "@effect/cli/CommandDescriptor"
import type { Usage } from "@effect/cli/Usage"
import * as Data from "effect/Data"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"

/** A command, by its descriptor. */
export type Command = Descriptor.Command<unknown>

/** What to do. */
export type Request = Data.TaggedEnum<{
  /** Run a command. The arguments are in the one form that cannot be misread: `--name=value`, then `--`, then what has no name. */
  Run: { readonly command: string; readonly args: ReadonlyArray<string> }
  /** Show the help of one command, or of all. */
  Help: { readonly command: Option.Option<string> }
  Version: {}
  Wrong: { readonly problems: ReadonlyArray<string>; readonly command: Option.Option<string> }
}>

export const Request = Data.taggedEnum<Request>()

/** An option of a command: with the word for its value, if it takes one. */
export interface Flag {
  readonly name: string
  readonly value: Option.Option<string>
}

/** What a command takes. */
export interface Signature {
  readonly flags: ReadonlyArray<Flag>
  /** The arguments without a name, all of them required. */
  readonly operands: ReadonlyArray<string>
}

const empty: Signature = { flags: [], operands: [] }

/** Reads what a command takes from its usage. */
export const signature = (command: Command): Signature => fromUsage(Descriptor.getUsage(command))

const fromUsage = (usage: Usage): Signature => {
  switch (usage._tag) {
    case "Named": {
      const name = usage.names.find((name) => name.startsWith("--"))
      if (name !== undefined) return { ...empty, flags: [{ name, value: usage.acceptedValues }] }
      const operand = usage.names.find((name) => name.startsWith("<"))
      return operand === undefined ? empty : { ...empty, operands: [operand.slice(1, -1)] }
    }
    case "Optional":
    case "Repeated":
      return fromUsage(usage.usage)
    case "Concat":
    case "Alternation": {
      const left = fromUsage(usage.left)
      const right = fromUsage(usage.right)
      return { flags: [...left.flags, ...right.flags], operands: [...left.operands, ...right.operands] }
    }
    case "Empty":
    case "Mixed":
      return empty
  }
}

/** An option as it is written: `--system TEXT`. */
export const renderFlag = ({ name, value }: Flag): string =>
  Option.match(value, { onNone: () => name, onSome: (word) => `${name} ${word}` })

// A dash that begins a sentence or a number is no option.
const isFlag = (arg: string): boolean => /^--?[a-z][\w-]*(=|$)/is.test(arg)

const isHelp = (arg: string): boolean => arg === "--help" || arg === "-h"

const takes = (name: string, { flags }: Signature): string =>
  flags.length === 0 ? `${name} takes no options` : `${name} takes ${flags.map(renderFlag).join(", ")}`

/** Reads the arguments that follow the program's name. `root` is the command that holds all others. */
export const read = (root: Command, args: ReadonlyArray<string>): Request => {
  const commands = HashMap.filter(Descriptor.getSubcommands(root), (command) => command !== root)
  const names = Array.from(HashMap.keys(commands)).toSorted()
  const [first, ...rest] = args
  if (first === undefined) {
    return Request.Wrong({ problems: [`no command: expected ${names.join(", ")}`], command: Option.none() })
  }
  if (isHelp(first) || first === "help") {
    return Request.Help({ command: Option.filter(Option.fromNullable(rest[0]), (name) => names.includes(name)) })
  }
  if (first === "--version" || first === "-v") return Request.Version()
  return Option.match(HashMap.get(commands, first), {
    onNone: () =>
      Request.Wrong({
        problems: [`${first}: unknown ${isFlag(first) ? "option" : "command"}, expected ${names.join(", ")}`],
        command: Option.none()
      }),
    onSome: (command) => readCommand(first, signature(command), rest)
  })
}

const readCommand = (command: string, signature: Signature, args: ReadonlyArray<string>): Request => {
  const problems: Array<string> = []
  const values = new Map<string, string>()
  const operands: Array<string> = []
  const find = (arg: string) => signature.flags.find((flag) => flag.name === arg.split("=", 1)[0])

  let index = 0
  for (; index < args.length && args[index] !== "--"; index++) {
    const arg = args[index] ?? ""
    if (isHelp(arg)) return Request.Help({ command: Option.some(command) })
    if (!isFlag(arg)) {
      operands.push(arg)
      continue
    }
    const flag = find(arg)
    const name = arg.split("=", 1)[0] ?? arg
    const attached = arg.includes("=") ? arg.slice(name.length + 1) : undefined
    if (flag === undefined) {
      problems.push(`${name}: unknown option, ${takes(command, signature)}`)
      continue
    }
    if (values.has(name)) problems.push(`${name}: given twice`)
    if (Option.isNone(flag.value)) {
      if (attached !== undefined) problems.push(`${name}: takes no value`)
      values.set(name, name)
      continue
    }
    const next = args[index + 1]
    const value = attached ?? (next === undefined || next === "--" || find(next) !== undefined ? undefined : next)
    if (value === undefined) {
      problems.push(`${name}: without its value, expected ${renderFlag(flag)}`)
      continue
    }
    if (attached === undefined) index++
    values.set(name, `${name}=${value}`)
  }
  operands.push(...args.slice(index + 1))

  // Behind an option that is not known, who can tell what belongs to it.
  if (problems.length === 0) {
    signature.operands.slice(operands.length).forEach((operand) => problems.push(`${operand}: missing`))
    const [excess] = operands.slice(signature.operands.length)
    if (excess !== undefined) {
      problems.push(
        signature.operands.length === 0
          ? `${JSON.stringify(excess)}: unexpected, ${takes(command, signature)}`
          : `${JSON.stringify(excess)}: unexpected, put ${signature.operands.join(" ")} in quotes if it has spaces`
      )
    }
  }
  return problems.length > 0
    ? Request.Wrong({ problems, command: Option.some(command) })
    : Request.Run({
        command,
        args: [command, ...values.values(), ...(operands.length === 0 ? [] : ["--", ...operands])]
      })
}
