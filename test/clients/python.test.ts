import { Emulator } from "@spillway/emulator"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "vitest"
import { serve } from "./support/server.js"

const python = process.env["PYTHON_WITH_OPENAI"]

const quick = { firstTokenMs: 5, tokensPerSecond: 2000 }

// Python cannot go through the bridges: it says whether the emulator is what it takes for Azure.
describe.skipIf(python === undefined)("Python's openai, directly", () => {
  it("chats, streams, embeds, and has its own error for each reply", async () => {
    const server = await serve(
      Emulator.layer({
        deployments: [
          { name: "gpt-4o-ptu", kind: "provisioned", model: "gpt-4o", latency: quick },
          { name: "gpt-4o", kind: "standard", model: "gpt-4o", latency: quick },
          { name: "embeddings", kind: "standard", model: "text-embedding-3-small", latency: quick },
          ...["full", "filtered", "silent"].map((name) => ({ name, kind: "standard" as const, model: "gpt-4o" }))
        ],
        faults: [
          { fault: "status", deployment: "full", status: 429, retryAfterMs: 1234 },
          { fault: "filter", deployment: "filtered", of: "prompt" },
          { fault: "silence", deployment: "silent" }
        ]
      })
    )

    const script = fileURLToPath(new URL("client.py", import.meta.url))
    const { stdout } = await promisify(execFile)(python ?? "", [script, server.url])
    const saw = JSON.parse(stdout)

    for (const { streamed, streamedTokens, text, tokens } of [saw.azure, saw.v1]) {
      assert.isNotEmpty(text)
      assert.strictEqual(streamed, text)
      assert.strictEqual(streamedTokens, tokens)
    }
    assert.deepStrictEqual(
      [saw.responses.streamed, saw.responses.got, saw.responses.gone],
      [saw.responses.text, true, "NotFoundError"]
    )
    assert.strictEqual(saw.embedding, 1536)
    assert.strictEqual(saw.concurrently, 1)
    assert.deepStrictEqual(
      [saw.throttled.type, saw.throttled.status, saw.throttled.retryAfterMs],
      ["RateLimitError", 429, "1234"]
    )
    assert.deepStrictEqual([saw.missing.type, saw.missing.code], ["NotFoundError", "DeploymentNotFound"])
    assert.deepStrictEqual([saw.filtered.type, saw.filtered.code], ["BadRequestError", "content_filter"])
    assert.strictEqual(saw.timeout.type, "APITimeoutError")
  })
})
