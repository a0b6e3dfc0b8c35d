/**
 * A record of real traffic: when each request came and how many tokens it had, and nothing of what was said.
 *
 * The format is that of Azure's published traces (Azure/AzurePublicDataset, "Azure LLM inference traces"): CSV with the
 * columns `TIMESTAMP`, `ContextTokens` and `GeneratedTokens`, in any order, beside others; rows in order of time.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"

/**
 * A trace in memory: 16 bytes a row.
 *
 * @since 0.1.0
 * @category models
 */
export interface Trace {
  readonly rows: number
  /** Milliseconds from the first request. */
  readonly times: Float64Array
  readonly promptTokens: Uint32Array
  readonly outputTokens: Uint32Array
}

/**
 * What is wrong with a trace, and in which line (from 1).
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidTrace extends Data.TaggedError("InvalidTrace")<{
  readonly line: number
  readonly reason: string
}> {
  override get message(): string {
    return `line ${this.line}: ${this.reason}`
  }
}

const columns = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"] as const

const invalid = (line: number, reason: string): Either.Either<never, InvalidTrace> =>
  Either.left(new InvalidTrace({ line, reason }))

const quoted = (text: string): string => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)

const dated = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(\.\d+)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?$/
const decimal = /^\d+(\.\d+)?$/
const whole = /^\d+$/
const largest = 2 ** 32 - 1

/** Milliseconds of a date and time or of a number of seconds; NaN of anything else. */
const readTime = (text: string): number => {
  if (decimal.test(text)) return Number(text) * 1000
  const parts = dated.exec(text)
  if (parts === null) return Number.NaN
  const [, day, time, fraction = "", zone = "Z"] = parts
  const offset = zone === "UTC" ? "Z" : zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone
  return Date.parse(`${day}T${time}${offset}`) + Number(`0${fraction}`) * 1000
}

class Reader {
  private line = 0
  private rest = ""
  private order: readonly [number, number, number] | undefined = undefined
  private width = 0
  private size = 0
  private first = 0
  private last = 0
  private times = new Float64Array(1024)
  private prompts = new Uint32Array(1024)
  private outputs = new Uint32Array(1024)

  text(chunk: string): Either.Either<void, InvalidTrace> {
    const text = this.rest + chunk
    let from = 0
    for (let to = text.indexOf("\n"); to >= 0; to = text.indexOf("\n", from)) {
      const read = this.row(text.slice(from, text.charCodeAt(to - 1) === 13 ? to - 1 : to))
      if (Either.isLeft(read)) return read
      from = to + 1
    }
    this.rest = text.slice(from)
    return Either.void
  }

  end(): Either.Either<Trace, InvalidTrace> {
    const read = this.rest === "" ? Either.void : this.row(this.rest)
    if (Either.isLeft(read)) return Either.left(read.left)
    if (this.order === undefined) return invalid(1, `empty: expected a header line with ${columns.join(", ")}`)
    if (this.size === 0) return invalid(this.line + 1, "no rows after the header")
    if (this.last === this.first) {
      return invalid(this.line, "all requests come at the same instant: a trace has to last some time")
    }
    return Either.right({
      rows: this.size,
      times: this.times.subarray(0, this.size),
      promptTokens: this.prompts.subarray(0, this.size),
      outputTokens: this.outputs.subarray(0, this.size)
    })
  }

  private row(text: string): Either.Either<void, InvalidTrace> {
    this.line++
    if (text.trim() === "") return Either.void
    const cells = text.split(",")
    if (this.order === undefined) return this.header(cells)
    const { line, order } = this
    if (cells.length !== this.width) {
      return invalid(line, `${cells.length} columns: expected ${this.width} as in the header`)
    }
    const [time, prompt, output] = order.map((column) => cells[column]?.trim() ?? "")
    const at = readTime(time ?? "")
    if (Number.isNaN(at)) {
      return invalid(
        line,
        `TIMESTAMP ${quoted(time ?? "")}: expected a date and time such as 2023-11-16 18:15:46.680, or seconds`
      )
    }
    if (this.size === 0) this.first = at
    else if (at < this.last) {
      return invalid(line, `TIMESTAMP ${quoted(time ?? "")} lies before the line above: rows must be in order of time`)
    }
    for (const [index, text] of [prompt, output].entries()) {
      if (text === undefined || !whole.test(text) || Number(text) > largest) {
        return invalid(
          line,
          `${columns[index + 1]} ${quoted(text ?? "")}: expected a whole number of tokens, 0 or more`
        )
      }
    }
    this.last = at
    this.push(at - this.first, Number(prompt), Number(output))
    return Either.void
  }

  private header(cells: ReadonlyArray<string>): Either.Either<void, InvalidTrace> {
    const names = cells.map((cell) =>
      cell
        .trim()
        .replace(/^\uFEFF/, "")
        .replaceAll('"', "")
    )
    const [time = -1, prompt = -1, output = -1] = columns.map((column) =>
      names.findIndex((name) => name.toLowerCase() === column.toLowerCase())
    )
    const missing = columns.filter((_, index) => [time, prompt, output][index] === -1)
    if (missing.length > 0) {
      return invalid(this.line, `no column ${missing.join(", ")}: found ${names.map(quoted).join(", ")}`)
    }
    this.order = [time, prompt, output]
    this.width = cells.length
    return Either.void
  }

  private push(time: number, prompt: number, output: number): void {
    if (this.size === this.times.length) {
      const double = <A extends Float64Array | Uint32Array>(from: A, to: A): A => {
        to.set(from)
        return to
      }
      this.times = double(this.times, new Float64Array(2 * this.size))
      this.prompts = double(this.prompts, new Uint32Array(2 * this.size))
      this.outputs = double(this.outputs, new Uint32Array(2 * this.size))
    }
    this.times[this.size] = time
    this.prompts[this.size] = prompt
    this.outputs[this.size] = output
    this.size++
  }
}

/**
 * Reads a trace from the bytes of a CSV file, as they come: the file is never in memory as a whole. The first thing that
 * is wrong ends it, with its line.
 *
 * @since 0.1.0
 * @category parsing
 * @example
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Trace } from "@spillway/lab"
 *
 * const csv = "TIMESTAMP,ContextTokens,GeneratedTokens\n0.0,374,44\n4.3,396,109\n"
 *
 * export const rows = Stream.make(csv).pipe(
 *   Stream.encodeText,
 *   Trace.parse,
 *   Effect.map((trace) => trace.rows) // => 2
 * )
 * ```
 */
export const parse = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Effect.Effect<Trace, InvalidTrace | E, R> =>
  Effect.suspend(() => {
    const reader = new Reader()
    return Stream.decodeText(bytes).pipe(
      Stream.runForEachChunk((texts) => Effect.forEach(texts, (text) => reader.text(text), { discard: true })),
      Effect.zipRight(Effect.suspend(() => reader.end()))
    )
  })
