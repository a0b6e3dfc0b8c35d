import { assert, describe, it } from "@effect/vitest"
import { Trace } from "@spillway/lab"
import { Effect, FastCheck, Stream } from "effect"

const header = "TIMESTAMP,ContextTokens,GeneratedTokens"

const bytes = (text: string, sizes: ReadonlyArray<number> = []): Stream.Stream<Uint8Array> => {
  const all = new TextEncoder().encode(text)
  const chunks: Array<Uint8Array> = []
  let from = 0
  for (const size of sizes) {
    chunks.push(all.slice(from, from + size))
    from += size
  }
  return Stream.fromIterable([...chunks, all.slice(from)])
}

const parse = (text: string, sizes?: ReadonlyArray<number>) => Trace.parse(bytes(text, sizes))

const problem = (text: string) => Effect.map(Effect.flip(parse(text)), (error) => error.message)

const rowsOf = (trace: Trace.Trace) =>
  Array.from({ length: trace.rows }, (_, row) => [trace.times[row], trace.promptTokens[row], trace.outputTokens[row]])

describe("Trace.parse", () => {
  it.effect("reads Azure's published format, times to a fraction of a millisecond", () =>
    Effect.gen(function* () {
      const trace = yield* parse(
        `${header}\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n2023-11-16 18:15:50.9951690,879,55\n`
      )

      assert.strictEqual(trace.rows, 3)
      assert.closeTo(trace.times[1] ?? 0, 4314.579, 0.001)
      assert.strictEqual(trace.times[2], trace.times[1])
      assert.deepStrictEqual([...trace.promptTokens], [374, 396, 879])
      assert.deepStrictEqual([...trace.outputTokens], [44, 109, 55])
    })
  )

  it.effect(
    "takes columns in any order beside others, zones, Windows lines, a byte order mark, empty lines at the end",
    () =>
      Effect.gen(function* () {
        const trace = yield* parse(
          "\uFEFFid,generatedtokens,TIMESTAMP,ContextTokens\r\na,1,2024-05-10 00:00:00.5+00:00,2\r\nb,3,2024-05-10T02:00:01Z,4\r\n\r\n"
        )

        assert.deepStrictEqual(rowsOf(trace), [
          [0, 2, 1],
          [7_200_500, 4, 3]
        ])
      })
  )

  it.effect("takes seconds for times", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(rowsOf(yield* parse(`${header}\n10.5,1,0\n11,2,0`)), [
        [0, 1, 0],
        [500, 2, 0]
      ])
    })
  )

  it.effect.prop(
    "reads the same wherever the file is cut",
    [FastCheck.array(FastCheck.integer({ min: 0, max: 30 }), { maxLength: 20 })],
    ([sizes]) =>
      Effect.gen(function* () {
        const text = `${header}\r\n0,1,2\r\n1,3,4\r\n2,5,6\r\n`

        assert.deepStrictEqual(rowsOf(yield* parse(text, sizes)), rowsOf(yield* parse(text)))
      }),
    { fastCheck: { numRuns: 25 } }
  )

  it.effect("grows with the file", () =>
    Effect.gen(function* () {
      const rows = Array.from({ length: 5000 }, (_, row) => `${row},${row},1`)
      const trace = yield* parse(`${header}\n${rows.join("\n")}\n`)

      assert.strictEqual(trace.rows, 5000)
      assert.strictEqual(trace.times[4999], 4_999_000)
      assert.strictEqual(trace.promptTokens[4999], 4999)
    })
  )

  const wrong: ReadonlyArray<readonly [what: string, text: string, message: string]> = [
    ["an empty file", "", "line 1: empty: expected a header line with TIMESTAMP, ContextTokens, GeneratedTokens"],
    ["no rows", `${header}\n`, "line 2: no rows after the header"],
    [
      "one instant",
      `${header}\n1,2,3\n1,2,3\n`,
      "line 3: all requests come at the same instant: a trace has to last some time"
    ],
    [
      "missing columns",
      "TIMESTAMP,Tokens\n1,2\n",
      'line 1: no column ContextTokens, GeneratedTokens: found "TIMESTAMP", "Tokens"'
    ],
    [
      "unsorted times",
      `${header}\n5,1,1\n4.9,1,1\n`,
      'line 3: TIMESTAMP "4.9" lies before the line above: rows must be in order of time'
    ],
    [
      "negative tokens",
      `${header}\n1,1,1\n2,1,-7\n`,
      'line 3: GeneratedTokens "-7": expected a whole number of tokens, 0 or more'
    ],
    [
      "a fraction of a token",
      `${header}\n1,1.5,1\n`,
      'line 2: ContextTokens "1.5": expected a whole number of tokens, 0 or more'
    ],
    ["a row too short", `${header}\n1,1\n`, "line 2: 2 columns: expected 3 as in the header"],
    [
      "no time",
      `${header}\nyesterday,1,1\n`,
      'line 2: TIMESTAMP "yesterday": expected a date and time such as 2023-11-16 18:15:46.680, or seconds'
    ],
    [
      "an impossible date",
      `${header}\n2023-13-45 00:00:00,1,1\n`,
      'line 2: TIMESTAMP "2023-13-45 00:00:00": expected a date and time such as 2023-11-16 18:15:46.680, or seconds'
    ]
  ]
  for (const [what, text, message] of wrong) {
    it.effect(`refuses ${what}, with its line`, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* problem(text), message)
      })
    )
  }

  it.effect("reads no further than the first thing that is wrong", () =>
    Effect.gen(function* () {
      let pulled = 0
      const endless = Stream.repeatEffect(
        Effect.sync(() => {
          pulled++
          return new TextEncoder().encode(pulled === 1 ? `${header}\n1,-1,1\n` : "2,1,1\n")
        })
      )
      const error = yield* Effect.flip(Trace.parse(endless))

      assert.strictEqual(error.line, 2)
      assert.isBelow(pulled, 5)
    })
  )
})
