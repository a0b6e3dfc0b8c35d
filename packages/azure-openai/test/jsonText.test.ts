import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { withoutMember } from "../src/internal/jsonText.js"

describe("withoutMember", () => {
  it("leaves everything else as it was written", () => {
    for (const [text, expected] of [
      ["{}", "{}"],
      [' { "model" : "a" } ', "{}"],
      ['{"model":"a","seed":12345678901234567890}', '{"seed":12345678901234567890}'],
      ['{"a":1.0, "model":{"model":[1,"}"]} ,"b":[{"model":1}]}', '{"a":1.0,"b":[{"model":1}]}'],
      ['\uFEFF{"\\u006dodel":1,"x":"\\"model\\":\\\\"}', '{"x":"\\"model\\":\\\\"}'],
      ['{"model":1,"model":2,"models":3}', '{"models":3}']
    ] as const) {
      assert.strictEqual(withoutMember(text, "model"), expected)
    }
  })

  it("drops the member, whatever is around it", () => {
    const key = fc.oneof(fc.constantFrom("model", 'mo"del', "\\", "{", "a"), fc.fullUnicodeString({ maxLength: 4 }))
    const object = fc.dictionary(key, fc.jsonValue({ maxDepth: 3 }))
    fc.assert(
      fc.property(object, fc.constantFrom(0, 2), (value, indent) => {
        const { model: _, ...rest } = value

        assert.deepStrictEqual(JSON.parse(withoutMember(JSON.stringify(value, null, indent), "model")), {
          ...JSON.parse(JSON.stringify(rest))
        })
      }),
      { numRuns: 500 }
    )
  })

  it("takes a long text in time", () => {
    const text = JSON.stringify({ model: "a", image: 'x\\"'.repeat(2_000_000) })

    const began = performance.now()
    assert.strictEqual(withoutMember(text, "model").length, text.length - '"model":"a",'.length)
    assert.isBelow(performance.now() - began, 5000)
  })
})
