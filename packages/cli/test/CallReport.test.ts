import { assert, describe, it } from "@effect/vitest"
import { CallError } from "@spillway/azure-openai"
import type { Call } from "@spillway/core"
import { Duration, Option, Redacted } from "effect"
import * as CallReport from "../src/CallReport.js"
import { plain } from "../src/Style.js"

const attempt = { number: 1, deployment: "ptu", kind: "provisioned", startedMs: 0, durationMs: 12.4 } as const
const throttled = { ...attempt, outcome: "RateLimited", status: 429, retryAfterMs: 1000 } as const
const answered = { ...attempt, number: 2, outcome: "answered", status: 200, durationMs: 730.6 } as const

const base: Call.Served = {
  deployment: "ptu",
  servedBy: "provisioned",
  outcome: "served",
  requestId: undefined,
  attempts: [answered],
  waitedMs: 0,
  totalMs: 731.2
}

describe("CallReport", () => {
  it("says in one line who answered and why", () => {
    assert.strictEqual(
      CallReport.served(base),
      "ptu (provisioned) answered at once: 1 attempt, no wait, 731 ms in total"
    )
    assert.strictEqual(
      CallReport.served({ ...base, outcome: "served_after_wait", attempts: [throttled, answered], waitedMs: 1000.4 }),
      "ptu (provisioned) answered after a wait: 2 attempts (429, 200), 1000 ms of waiting, 731 ms in total"
    )
    const refused = { ...attempt, outcome: "Unavailable" }
    assert.strictEqual(
      CallReport.served({
        ...base,
        outcome: "fallback",
        deployment: "std",
        servedBy: "standard",
        attempts: [refused, answered]
      }),
      "std (standard) answered in place of the PTU deployment: 2 attempts (Unavailable, 200), no wait, 731 ms in total"
    )
  })

  it("says why there is no answer: tag, message, the service's words, every attempt in columns", () => {
    const error = new CallError.RateLimited({
      deployment: "standard-one",
      status: 429,
      code: "429",
      detail: Redacted.make("Try again later."),
      attempts: [
        throttled,
        {
          ...throttled,
          number: 2,
          deployment: "standard-one",
          kind: "standard",
          durationMs: 1204,
          retryAfterMs: 60_000
        }
      ],
      retryAfter: Option.some(Duration.seconds(60)),
      again: true,
      began: Duration.zero
    })

    assert.strictEqual(
      CallReport.failed(error, [], plain),
      [
        "RateLimited: standard-one: out of capacity, retry after 60000 ms (status 429, code 429, 2 requests sent)",
        "  The service says: Try again later.",
        "  2 attempts:",
        "  1. ptu (provisioned)        429 RateLimited    12 ms  retry after 1000 ms",
        "  2. standard-one (standard)  429 RateLimited  1204 ms  retry after 60000 ms"
      ].join("\n")
    )
  })

  it("shows of the service's words neither a key nor what steers a terminal, nor all of a very long text", () => {
    const detail = `No access with SECRET.\u001b[2J\u001b]0;title\u0007\r\nUse another. ${"x".repeat(1000)}`
    const error = new CallError.Unauthorized({
      deployment: "ptu",
      status: 401,
      detail: Redacted.make(detail),
      attempts: [{ ...attempt, outcome: "Unauthorized", status: 401 }]
    })
    const [, words] = CallReport.failed(error, [Redacted.make("SECRET")], plain).split("\n")

    assert.match(words ?? "", /^ {2}The service says: No access with <key>\. Use another\. x+…$/)
    assert.strictEqual(words?.length, "  The service says: ".length + 601)
  })

  it("advises where the address may be wrong", () => {
    const unavailable = (reason: CallError.Reason) =>
      CallReport.failed(
        new CallError.Unavailable({
          deployment: "ptu",
          attempts: [],
          retryAfter: Option.none(),
          again: false,
          began: Duration.zero,
          reason
        }),
        [],
        plain
      )

    for (const reason of ["refused", "dns", "tls", "body"] as const) {
      assert.include(unavailable(reason), "Is AZURE_OPENAI_ENDPOINT (or OPENAI_API_BASE) the URL of")
    }
    for (const reason of ["server", "timeout"] as const) {
      assert.notInclude(unavailable(reason), "AZURE_OPENAI_ENDPOINT")
    }
  })
})
