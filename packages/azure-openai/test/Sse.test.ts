import { assert, describe, it } from "@effect/vitest"
import { Sse } from "@spillway/azure-openai"
import { FastCheck as fc } from "effect"

const encoder = new TextEncoder()

const parse = (packets: ReadonlyArray<Uint8Array>, limit = 1e6) => {
  const parser = Sse.parser(limit)
  return packets.flatMap((packet) => parser.feed(packet))
}

const text = (text: string) => encoder.encode(text)

describe("Sse", () => {
  it("reads fields, joins data, drops comments, ids, retry and unknown fields", () => {
    const events = parse([
      text(
        "\uFEFFevent: greeting\n: a comment\nid: 7\nretry: 10\nwhat: ever\ndata: one\ndata:two\ndata\n\nevent: lonely\n\ndata: x\n\n"
      )
    ])

    assert.deepStrictEqual(events, [
      { event: "greeting", data: "one\ntwo\n" },
      { event: undefined, data: "x" }
    ])
  })

  it("takes away one byte order mark, and only at the start", () => {
    assert.deepStrictEqual(parse([text("\uFEFFdata: \uFEFFx\n\n")]), [{ event: undefined, data: "\uFEFFx" }])
    const bytes = text("\uFEFFdata: x\n\n")
    assert.deepStrictEqual(parse([bytes.slice(0, 1), bytes.slice(1, 2), bytes.slice(2)]), [
      { event: undefined, data: "x" }
    ])
  })

  it("drops an event without its empty line", () => {
    assert.deepStrictEqual(parse([text("data: one\n\ndata: two\n")]), [{ event: undefined, data: "one" }])
  })

  it("stops at a line, or an event, over the limit", () => {
    const line = Sse.parser(10)
    assert.deepStrictEqual(line.feed(text("data: 12345")), [])
    assert.isTrue(line.overflown())
    assert.deepStrictEqual(line.feed(text("\n\ndata: x\n\n")), [])

    const event = Sse.parser(10)
    assert.deepStrictEqual(event.feed(text("data: 1\n\ndata: 12345\n")), [{ event: undefined, data: "1" }])
    assert.isFalse(event.overflown())
    event.feed(text("data: 5678\n"))
    assert.isTrue(event.overflown())
  })

  it("reads the same events however the bytes are cut, whatever the line endings", () => {
    const value = fc.stringMatching(/^[^\r\n]{0,12}$/).map((value) => value.replace(/^[ \uFEFF]+/, ""))
    const line = fc.oneof(
      fc.record({ field: fc.constant("data"), value }),
      fc.record({ field: fc.constant("event"), value }),
      fc.record({ field: fc.constant(""), value }),
      fc.record({ field: fc.constant("id"), value })
    )
    const events = fc.array(fc.array(line, { minLength: 1, maxLength: 5 }), { maxLength: 6 })
    fc.assert(
      fc.property(
        events,
        fc.array(fc.constantFrom("\n", "\r\n", "\r"), { minLength: 1, maxLength: 7 }),
        fc.array(fc.nat(9), { maxLength: 40 }),
        (events, ends, cuts) => {
          // The oracle knows the events; only the bytes know about lines and packets.
          const expected = events.flatMap((lines) => {
            const data = lines.filter(({ field }) => field === "data").map(({ value }) => value)
            const names = lines.filter(({ field }) => field === "event").map(({ value }) => value)
            const name = names.at(-1) ?? ""
            return data.length === 0 ? [] : [{ event: name === "" ? undefined : name, data: data.join("\n") }]
          })
          let n = 0
          const end = () => ends[n++ % ends.length] ?? "\n"
          const bytes = text(
            events
              .map((lines) => lines.map(({ field, value }) => `${field}: ${value}${end()}`).join("") + sameEnd(end()))
              .join("")
          )
          const packets: Array<Uint8Array> = []
          let at = 0
          for (const cut of cuts) {
            packets.push(bytes.slice(at, at + cut))
            at += cut
          }
          packets.push(bytes.slice(at))

          assert.deepStrictEqual(parse(packets), expected)
        }
      ),
      { numRuns: 500 }
    )
  })
})

// "\r" before "\n" would be one line ending: an empty line needs one that cannot join with what is before it.
const sameEnd = (end: string) => (end === "\n" ? "\r\n" : end)
