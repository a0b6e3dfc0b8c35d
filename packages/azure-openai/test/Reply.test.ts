import { assert, describe, it } from "@effect/vitest"
import { HttpClientError, HttpClientRequest } from "@effect/platform"
import { CallError, Failure, Reply } from "@spillway/azure-openai"
import { Recovery } from "@spillway/core"
import { Duration, Either, FastCheck, Option, Redacted, Schema } from "effect"

const refusal = FastCheck.record({
  status: FastCheck.integer({ min: 300, max: 599 }),
  headers: FastCheck.dictionary(
    FastCheck.constantFrom("retry-after-ms", "retry-after", "x-should-retry"),
    FastCheck.string()
  ),
  body: FastCheck.oneof(
    FastCheck.string(),
    FastCheck.json(),
    FastCheck.json().map((json) => `{"error":${json}}`)
  ),
  kind: FastCheck.constantFrom("provisioned" as const, "standard" as const),
  model: FastCheck.string(),
  now: FastCheck.nat()
})

/** The table of the design, by status alone, written out on its own. */
const tagsOf = (status: number): ReadonlyArray<string> => {
  if (status === 429) return ["RateLimited"]
  if ([408, 409].includes(status) || status > 499) return ["Unavailable"]
  if ([401, 403].includes(status)) return ["Unauthorized"]
  if (status === 404) return ["NotFound"]
  return status === 400 ? ["BadRequest", "ContentFiltered", "PromptTooLong"] : ["BadRequest"]
}

describe("classify", () => {
  it("is total: every status, header and body becomes an error of its row", () => {
    FastCheck.assert(
      FastCheck.property(refusal, (refusal) => {
        const failure = Reply.classify(refusal)
        const error = Failure.toError("d", failure, { attempts: [], since: 0n })
        const recoverable = Recovery.isRecoverable(error)
        const mayFollow = ["RateLimited", "Unavailable", "PromptTooLong"].includes(error._tag)
        return (
          tagsOf(refusal.status).includes(error._tag) &&
          error.status === refusal.status &&
          recoverable === mayFollow &&
          (!Recovery.isRetryable(error) || error._tag === "RateLimited" || error._tag === "Unavailable")
        )
      }),
      { numRuns: 2000 }
    )
  })

  it("prints nothing of a body but names", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.constantFrom(400, 401, 429, 500),
        FastCheck.constantFrom("code", "message", "param", "type"),
        (status, field) => {
          const secret = "0123abcd4567ef89 is what you said"
          const body = JSON.stringify({
            error: {
              [field]: secret,
              innererror: { code: secret, content_filter_result: { [secret]: { filtered: true } } }
            }
          })
          const failure = Reply.classify({
            status,
            headers: { "x-request-id": secret },
            body,
            kind: "provisioned",
            model: "m",
            now: 0
          })
          const error = Failure.toError("d", failure, { attempts: [], since: 0n })
          return !`${error.message} ${JSON.stringify(error)} ${String(error)}`.includes("0123abcd")
        }
      )
    )
  })
})

describe("fromTransport", () => {
  const request = HttpClientRequest.post("https://contoso", { headers: { "api-key": "the-key" } })
  const failed = (cause: unknown, reason: "Transport" | "Encode" | "InvalidUrl" = "Transport") =>
    Failure.fromTransport(new HttpClientError.RequestError({ request, reason, cause }))

  it.each([
    ["ECONNREFUSED", "refused"],
    ["ECONNRESET", "reset"],
    ["UND_ERR_SOCKET", "reset"],
    ["ENOTFOUND", "dns"],
    ["EAI_AGAIN", "dns"],
    ["UND_ERR_CONNECT_TIMEOUT", "timeout"],
    ["CERT_HAS_EXPIRED", "tls"],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "tls"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "tls"],
    ["SOMETHING_NEW", "connection"]
  ])("%s is %s, also inside what fetch and Node wrap around it", (code, reason) => {
    const error = Object.assign(new Error("x"), { code })
    for (const cause of [error, new TypeError("fetch failed", { cause: error }), new AggregateError([error])]) {
      const failure = failed(cause)
      assert.deepStrictEqual([failure._tag, failure.reason, failure.again], ["Unavailable", reason, true])
      assert.notInclude(JSON.stringify(failure), "the-key")
    }
  })

  it("a request that could not be made is a bad request", () => {
    assert.strictEqual(failed("x", "InvalidUrl")._tag, "BadRequest")
    assert.strictEqual(failed("x", "Encode")._tag, "BadRequest")
  })
})

describe("errors", () => {
  const attempts = [
    {
      number: 1,
      deployment: "d",
      kind: "provisioned",
      outcome: "RateLimited",
      status: 429,
      startedMs: 0,
      durationMs: 5
    } as const
  ]
  const error = Failure.toError(
    "d",
    Reply.classify({
      status: 429,
      headers: { "retry-after-ms": "1500", "apim-request-id": "0f8fad5b-d9cb-469f-a165-70867728950e" },
      body: '{"error":{"code":"429","message":"quiet please"}}',
      kind: "provisioned",
      model: "gpt-4o",
      now: 0
    }),
    { attempts, since: 7n }
  )

  it("say what happened, with the facts one needs", () => {
    assert.strictEqual(
      error.message,
      "d: out of capacity, retry after 1500 ms (status 429, code 429, request 0f8fad5b-d9cb-469f-a165-70867728950e, 1 request sent)"
    )
  })

  it("survive a trip through JSON, but for the service's own words", () => {
    const encode = Schema.encodeSync(Schema.parseJson(CallError.CallError))
    const back = Schema.decodeSync(Schema.parseJson(CallError.CallError))(encode(error))

    assert.strictEqual(back._tag, "RateLimited")
    assert.isTrue(Recovery.isRetryable(back))
    assert.deepStrictEqual(back.attempts, attempts)
    const hint = back._tag === "RateLimited" ? back.retryAfter : Option.none()
    assert.deepStrictEqual(Option.map(hint, Duration.toMillis), Option.some(1500))
    assert.strictEqual(error.detail && Redacted.value(error.detail), "quiet please")
    assert.strictEqual(back.detail && Redacted.value(back.detail), "<redacted>")
  })
})

describe("decode", () => {
  const Answer = Schema.Struct({ items: Schema.Array(Schema.Struct({ text: Schema.String })) })
  const decode = (body: string) => Reply.decode(Answer)({ status: 200, headers: {}, body })

  it("names the place of a surprise and not its value", () => {
    const failure = Either.getOrThrow(Either.flip(decode('{"items":[{"text":"fine"},{"text":{"secret":1}}]}')))

    assert.strictEqual(failure._tag, "Malformed")
    assert.strictEqual(failure.path, "items.1.text")
    assert.notInclude(JSON.stringify(failure), "secret")
  })

  it("a body that is not JSON may be asked for elsewhere, JSON of another shape may not", () => {
    const tag = (body: string) => Either.match(decode(body), { onLeft: (failure) => failure._tag, onRight: () => "ok" })

    assert.deepStrictEqual(["", "<html>", '{"items":[', "null", "[]", "{}", '{"items":[],"new":1}'].map(tag), [
      "Unavailable",
      "Unavailable",
      "Unavailable",
      "Malformed",
      "Malformed",
      "Malformed",
      "ok"
    ])
  })
})
