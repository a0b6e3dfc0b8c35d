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
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "tls"],
    ["ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", "tls"],
    ["ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE", "tls"],
    ["ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "reset"],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "reset"],
    ["EPROTO", "reset"],
    ["EHOSTUNREACH", "reset"],
    ["SOMETHING_NEW", "connection"]
  ])("%s is %s, also inside what fetch and Node wrap around it", (code, reason) => {
    const error = Object.assign(new Error("x"), { code })
    for (const cause of [error, new TypeError("fetch failed", { cause: error }), new AggregateError([error])]) {
      const failure = failed(cause)
      assert.deepStrictEqual([failure._tag, failure.reason, failure.again], ["Unavailable", reason, true])
      assert.notInclude(JSON.stringify(failure), "the-key")
    }
  })

  it.each(["EHOSTUNREACH", "ENETUNREACH"])(
    "%s is refused where it ended the connecting, lost where it ended a read",
    (code) => {
      const reason = (syscall: string) => failed(Object.assign(new Error("x"), { code, syscall })).reason
      assert.deepStrictEqual(["connect", "read"].map(reason), ["refused", "reset"])
    }
  )

  it("a request that must run once is sent again only where no connection was made that could carry it", () => {
    const codes =
      "ECONNREFUSED ENOTFOUND CERT_HAS_EXPIRED ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC EPROTO ECONNRESET X"
    const tag = (code: string) => {
      const failure = failed(Object.assign(new Error("x"), { code }))
      return Failure.toError("d", failure, { attempts: [], since: 0n, once: true })._tag
    }
    assert.deepStrictEqual(
      codes.split(" ").map(tag),
      codes.split(" ").map((_, n) => (n < 3 ? "Unavailable" : "OutcomeUnknown"))
    )
  })

  it("a request that could not be made is a bad request", () => {
    assert.strictEqual(failed("x", "InvalidUrl")._tag, "BadRequest")
    assert.strictEqual(failed("x", "Encode")._tag, "BadRequest")
  })
})

describe("classifyInStream", () => {
  const late = (error: unknown, more?: Partial<Reply.LateRefusal>) =>
    Reply.classifyInStream({ status: 200, headers: {}, error, kind: "provisioned", model: "gpt-4.1", now: 0, ...more })

  it("judges an error as the status it stands for", () => {
    const tags: ReadonlyArray<readonly [unknown, string]> = [
      [{ code: "rate_limit_exceeded" }, "RateLimited"],
      [{ error: "Too Many Requests" }, "RateLimited"],
      [{ statusCode: 429, message: "…" }, "RateLimited"],
      [{ code: "content_filter" }, "ContentFiltered"],
      [{ type: "content_filter" }, "ContentFiltered"],
      [{ innererror: { code: "ResponsibleAIPolicyViolation" } }, "ContentFiltered"],
      [{ code: "context_length_exceeded" }, "PromptTooLong"],
      [{ type: "invalid_request_error", message: "This model's maximum context length is" }, "PromptTooLong"],
      [{ code: "invalid_prompt" }, "BadRequest"],
      [{ code: "invalid_api_key" }, "Unauthorized"],
      [{ code: "PermissionDenied" }, "Unauthorized"],
      [{ code: "401" }, "Unauthorized"],
      [{ code: "DeploymentNotFound" }, "NotFound"],
      [{ code: "model_not_found" }, "NotFound"],
      [{ code: 404 }, "NotFound"],
      [{ code: 422 }, "BadRequest"],
      [{ code: "503" }, "Unavailable"],
      [{ code: "server_error" }, "Unavailable"],
      [{ message: "…" }, "Unavailable"],
      [{}, "Unavailable"],
      [null, "Unavailable"]
    ]
    assert.deepStrictEqual(
      tags.map(([error]) => late(error)._tag),
      tags.map(([, tag]) => tag)
    )
  })

  it("knows a prompt that is too long for the deployment asked alone", () => {
    const error = { code: "context_length_exceeded" }
    assert.strictEqual(late(error, { kind: "standard" })._tag, "BadRequest")
    assert.strictEqual(late(error, { model: "gpt-4o" })._tag, "BadRequest")
    assert.strictEqual(late(error, { headers: { "x-ms-spillover-from-deployment": "ptu" } })._tag, "BadRequest")
  })

  it("is not tried again here where the service says so", () => {
    const headers = { "x-should-retry": "false" }
    assert.isTrue(late({ code: "429" }).again && late({ code: "500" }).again)
    assert.isFalse(late({ code: "429" }, { headers }).again || late({ code: "500" }, { headers }).again)
  })

  const limited = { code: "rate_limit_exceeded" }
  const cases: ReadonlyArray<readonly [string, Partial<Reply.LateRefusal> & { readonly error: unknown }, string]> = [
    ["a throttle", { error: limited, response: { output: [], usage: null } }, "RateLimited"],
    ["a throttle without a response", { error: limited }, "RateLimited"],
    ["a throttle, output there", { error: limited, response: { output: [{ type: "mcp_call" }] } }, "OutcomeUnknown"],
    ["a throttle, output billed", { error: limited, response: { usage: { output_tokens: 2 } } }, "OutcomeUnknown"],
    ["nothing said, but a hint", { error: {}, headers: { "retry-after-ms": "5" } }, "RateLimited"],
    [
      "nothing said, a quota used up",
      { error: {}, headers: { "x-ratelimit-remaining-requests": "0" } },
      "OutcomeUnknown"
    ],
    [
      "words, a quota used up",
      { error: { message: "rate limit" }, headers: { "x-ratelimit-remaining-tokens": "0" } },
      "RateLimited"
    ],
    ["a fault", { error: { code: "server_error" } }, "OutcomeUnknown"]
  ]
  it.each(cases)("for a request that must run once: %s", (_, event, tag) => {
    const failure = late(event.error, event)
    assert.strictEqual(Failure.toError("d", failure, { attempts: [], since: 0n, once: true })._tag, tag)
    const other = Failure.toError("d", failure, { attempts: [], since: 0n, once: false })
    assert.isTrue(Recovery.isRetryable(other))
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
