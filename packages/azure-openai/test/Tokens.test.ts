import { assert, describe, it } from "@effect/vitest"
import { Capacity, Tokens } from "@spillway/azure-openai"
import { o200k } from "@spillway/azure-openai/Tokenizer"
import { Model } from "@spillway/emulator"
import { Option } from "effect"

const demand = (body: Readonly<Record<string, unknown>>) => Tokens.demand(body)(Tokens.quarterOfCharacters)

describe("Tokens", () => {
  it("counts a chat as Azure was seen to: a quarter of each message's characters, and one", () => {
    // 28 characters are 8, 233 are 59: measured from the remaining-tokens header of a Standard deployment.
    assert.strictEqual(demand({ messages: [{ role: "user", content: "x".repeat(28) }] }).inputTokens, 8)
    assert.strictEqual(demand({ messages: [{ role: "user", content: "x".repeat(233) }] }).inputTokens, 59)
  })

  it("counts parts, images, tools and their calls, and what other operations call their prompt", () => {
    const text = "x".repeat(40)
    const image = { type: "image_url", image_url: { url: "https://example.com/a.png", detail: "high" } }

    assert.strictEqual(
      demand({ messages: [{ role: "user", content: [{ type: "text", text }, image] }] }).inputTokens,
      10 + 765 + 1
    )
    assert.strictEqual(
      demand({ messages: [{ role: "user", content: [{ type: "input_image", image: "data:image/png;base64,AAAA" }] }] })
        .inputTokens,
      765 + 1
    )
    assert.strictEqual(demand({ tools: [{ type: "function", function: { description: text } }] }).inputTokens, 11)
    assert.strictEqual(demand({ input: text, instructions: text }).inputTokens, 20)
    assert.strictEqual(demand({ metadata: { note: text } }).inputTokens, 0)
  })

  it("reads the longest answer, over all choices", () => {
    assert.strictEqual(demand({ max_tokens: 100 }).outputTokens, 100)
    assert.strictEqual(demand({ max_completion_tokens: 200, max_tokens: 100, n: 3 }).outputTokens, 600)
    assert.strictEqual(demand({ max_output_tokens: 50 }).outputTokens, 50)
    assert.strictEqual(demand({}).outputTokens, undefined)
  })

  it("reads usage in both spellings, and nothing where there is none", () => {
    assert.deepStrictEqual(
      Tokens.used({ prompt_tokens: 2000, completion_tokens: 100, prompt_tokens_details: { cached_tokens: 1024 } }),
      { inputTokens: 2000, cachedTokens: 1024, outputTokens: 100 }
    )
    assert.deepStrictEqual(
      Tokens.used({ input_tokens: 10, output_tokens: 5, input_tokens_details: { cached_tokens: 99 } }),
      {
        inputTokens: 10,
        cachedTokens: 10,
        outputTokens: 5
      }
    )
    for (const nothing of [undefined, null, {}, { prompt_tokens: "many" }]) {
      assert.strictEqual(Tokens.used(nothing), undefined)
    }
  })

  it("the tokenizer counts as the model does, takes special tokens for text, and is not stopped by a long word", () => {
    assert.strictEqual(o200k("Why is the sky blue?"), 6)
    assert.isAbove(o200k("<|endoftext|>"), 1)
    assert.strictEqual(o200k(""), 0)
    // 2048 letters as one word are 256 tokens of eight; cut in two they are the same here.
    assert.strictEqual(o200k("a".repeat(2048)), 256)
    const began = performance.now()
    o200k("a".repeat(20_000))
    assert.isBelow(performance.now() - began, 2000)
  })
})

describe("Capacity", () => {
  it("the documented table, as the emulator read it on its own", () => {
    const emulated = Object.values(Model.catalogue).filter((model) => model.inputTokensPerMinutePerPtu !== undefined)
    assert.isAtLeast(emulated.length, 20)
    for (const model of emulated) {
      assert.deepStrictEqual(
        Capacity.find(model.name),
        Option.some({
          inputTokensPerMinutePerPtu: model.inputTokensPerMinutePerPtu,
          outputWeight: model.outputWeight
        }),
        model.name
      )
    }
    assert.strictEqual(Object.keys(Capacity.documented).length, emulated.length)
  })

  it("agrees with the documentation's own sum: 1000 requests a minute of 200 in and 20 out take 105.88 PTUs of gpt-5.2", () => {
    const { inputTokensPerMinutePerPtu, outputWeight } = Option.getOrThrow(Capacity.find("gpt-5.2"))

    assert.approximately((1000 * (200 + outputWeight * 20)) / inputTokensPerMinutePerPtu, 105.88, 0.01)
    assert.approximately(Capacity.tokensPerSecond({ inputTokensPerMinutePerPtu, outputWeight }, 60), 3400, 1e-9)
  })

  it("passes over the version of a model, and knows no others", () => {
    assert.deepStrictEqual(Capacity.find("gpt-4o-2024-11-20"), Capacity.find("gpt-4o"))
    for (const unknown of ["gpt-4o-audio", "text-embedding-3-small", "toString", ""]) {
      assert.deepStrictEqual(Capacity.find(unknown), Option.none(), unknown)
    }
  })
})
