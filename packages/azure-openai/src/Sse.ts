/**
 * Server-sent events, read from bytes that may be cut anywhere: within a character, a line ending, a field.
 *
 * Source: WHATWG HTML, 9.2.6 "Interpreting an event stream". Ids and reconnection times are not kept: nothing here
 * reconnects.
 *
 * @since 0.1.0
 */

/**
 * One event.
 *
 * @since 0.1.0
 * @category models
 */
export interface Event {
  /** The `event` field; absent where there was none. */
  readonly event: string | undefined
  /** The `data` fields, joined by line feeds. */
  readonly data: string
}

/**
 * What a parser made of the bytes it was fed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Parser {
  /** The events that these bytes complete. An event that never gets its empty line is never returned. */
  readonly feed: (bytes: Uint8Array) => ReadonlyArray<Event>
  /** Whether a line or an event grew over the limit. From then on nothing more comes out. */
  readonly overflown: () => boolean
}

const lineEnd = /\r\n|\r|\n/g

/**
 * A parser for one stream. `limit` is the most characters an unfinished event may hold, so that a stream without line
 * endings cannot fill the memory.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Sse } from "@spillway/azure-openai"
 *
 * const parser = Sse.parser(1024)
 * const bytes = new TextEncoder().encode(": a comment\r\ndata: one\r\ndata: two\r\n\r\ndata: unfin")
 *
 * parser.feed(bytes) // => [{ event: undefined, data: "one\ntwo" }]
 * ```
 */
export const parser = (limit: number): Parser => {
  // Takes a byte order mark away, and holds back a character that is not complete.
  const decoder = new TextDecoder()
  // Pieces of a line whose end has not come; joined once, so that a long line in small pieces stays linear.
  let pieces: Array<string> = []
  let held = 0
  let afterReturn = false
  let event: string | undefined
  let data: Array<string> = []
  let size = 0
  let overflown = false

  const field = (line: string): void => {
    const colon = line.indexOf(":")
    const name = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? "" : line.slice(line.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1)
    if (name === "data") {
      data.push(value)
      size += value.length + 1
    } else if (name === "event") {
      event = value === "" ? undefined : value
    }
  }

  const feed = (bytes: Uint8Array): ReadonlyArray<Event> => {
    const events: Array<Event> = []
    if (overflown) return events
    let text = decoder.decode(bytes, { stream: true })
    if (text === "") return events
    // A line ends with the return already; the feed that follows it, here or in the next piece, belongs to the same end.
    if (afterReturn && text.startsWith("\n")) text = text.slice(1)
    afterReturn = text === "" ? false : text.endsWith("\r")
    let start = 0
    for (const end of text.matchAll(lineEnd)) {
      pieces.push(text.slice(start, end.index))
      const line = pieces.length === 1 ? (pieces[0] ?? "") : pieces.join("")
      pieces = []
      held = 0
      start = end.index + end[0].length
      if (line !== "") {
        field(line)
      } else {
        if (data.length > 0) events.push({ event, data: data.length === 1 ? (data[0] ?? "") : data.join("\n") })
        event = undefined
        data = []
        size = 0
      }
      if (size > limit) break
    }
    if (start < text.length) {
      pieces.push(text.slice(start))
      held += text.length - start
    }
    overflown = size + held > limit
    if (overflown) {
      pieces = []
      data = []
    }
    return events
  }

  return { feed, overflown: () => overflown }
}
