import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schema } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import type { ServerResponse } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Env } from "../packages/cli/test/support/process.js"
import { run, start } from "../packages/cli/test/support/process.js"
import manifest from "../packages/cli/package.json" with { type: "json" }
import { deadPort, json, standIn } from "../packages/cli/test/support/server.js"

const usage = { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8, prompt_tokens_details: { cached_tokens: 0 } }

const completion = (response: ServerResponse, content: string) =>
  json(response, 200, {
    id: "chatcmpl-1",
    model: "gpt-4o",
    choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content } }],
    usage
  })

const throttle = (response: ServerResponse, retryAfterMs: number) =>
  json(response, 429, { error: { code: "429", message: "Too busy." } }, { "retry-after-ms": String(retryAfterMs) })

const key = "a-key-that-was-really-sent"

const azure = (endpoint: string): Env => ({
  AZURE_OPENAI_ENDPOINT: endpoint,
  AZURE_OPENAI_API_KEY: key,
  PTU_DEPLOYMENT: "ptu-one",
  STANDARD_DEPLOYMENT: "std-one"
})

const strict = { onExcessProperty: "error", errors: "all" } as const

const Answer = Schema.parseJson(
  Schema.Struct({
    answer: Schema.String,
    servedBy: Schema.Literal("provisioned", "standard"),
    deployment: Schema.String,
    outcome: Schema.Literal("served", "served_after_wait", "fallback"),
    attempts: Schema.Array(
      Schema.Struct({
        deployment: Schema.String,
        kind: Schema.Literal("provisioned", "standard"),
        status: Schema.NullOr(Schema.Int),
        retryAfterMs: Schema.NullOr(Schema.Number),
        durationMs: Schema.Number
      })
    ),
    waitedMs: Schema.Number,
    totalMs: Schema.Number,
    usage: Schema.NullOr(
      Schema.Struct(
        { prompt_tokens: Schema.Int, completion_tokens: Schema.Int, total_tokens: Schema.Int },
        Schema.Record({ key: Schema.String, value: Schema.Unknown })
      )
    )
  })
)

const decodeAnswer = Schema.decodeUnknownSync(Answer, strict)

const Numbers = Schema.parseJson(
  Schema.Struct({
    calls: Schema.Int,
    failed: Schema.Int,
    servedBy: Schema.Struct({ provisioned: Schema.Int, standard: Schema.Int }),
    attempts: Schema.Int,
    rateLimited: Schema.Int,
    waitMs: Schema.Struct({ p50: Schema.Number, p95: Schema.Number, max: Schema.Number })
  })
)

const decodeNumbers = Schema.decodeUnknownSync(Numbers, strict)

// Each takes seconds of a busy machine.
const slow = { timeout: 60_000 }

describe.concurrent("spillway demo", slow, () => {
  it.live("--json: one object whose counts agree; progress on standard error", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(["demo", "--json"])
      const numbers = decodeNumbers(stdout)

      assert.strictEqual(code, 0)
      assert.strictEqual(numbers.failed, 0)
      assert.strictEqual(numbers.calls, numbers.servedBy.provisioned + numbers.servedBy.standard)
      assert.strictEqual(numbers.attempts, numbers.calls + numbers.rateLimited)
      assert.isAbove(numbers.servedBy.provisioned, 0)
      assert.isAbove(numbers.servedBy.standard, 0)
      assert.isAbove(numbers.rateLimited, 0)
      assert.isAtMost(numbers.waitMs.p50, numbers.waitMs.p95)
      assert.isAtMost(numbers.waitMs.p95, numbers.waitMs.max)
      assert.isAbove(numbers.waitMs.max, 0)
      assert.match(stderr, /^An emulated Azure OpenAI resource runs at http:\/\/127\.0\.0\.1:\d+:\n/)
      assert.match(stderr, /\n\d\.\d s · \d+ of 32 calls are done/)
    })
  )

  it.scopedLive("for a person: every way to be answered occurs; the spans of all of it reach the collector", () =>
    Effect.gen(function* () {
      const collector = yield* standIn((_, response) => json(response, 200, {}))
      const { code, stderr, stdout } = yield* run(["demo"], { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
      const row = (name: string) => Number(new RegExp(`^${name} +(\\d+) `, "m").exec(stdout)?.[1])
      const [sent, limited] = (/^(\d+) requests .* room for (\d+) of them/m.exec(stdout) ?? []).slice(1).map(Number)
      const spans = collector.requests
        .filter(({ path }) => path === "/v1/traces")
        .flatMap(({ body }) => [...body.matchAll(/"name":"(chat|attempt|wait)[ "]/g)].map((match) => match[1]))
      const count = (name: string) => spans.filter((span) => span === name).length

      assert.strictEqual(code, 0)
      assert.match(stdout, /^32 calls in \d+\.\d s: every one was answered\n/)
      for (const way of ["the PTUs, at once", "the PTUs, after a wait", "Standard, as fallback"])
        assert.isAbove(row(way), 0)
      assert.strictEqual(row("all"), 32)
      assert.strictEqual(sent, 32 + (limited ?? 0))
      assert.match(
        stdout,
        /\nA call that waited\nchat gpt-4o .* served after wait\n├─ attempt provisioned .* 429, retry after/
      )
      assert.match(stdout, /\nA call that fell back\nchat gpt-4o [\s\S]*\n└─ attempt standard .* 200\n/)
      assert.notInclude(stdout + stderr, "\u001b")

      assert.strictEqual(count("chat"), 32)
      assert.strictEqual(count("attempt"), sent)
      assert.isAbove(count("wait"), 0)
      assert.isTrue(collector.requests.some(({ path }) => path === "/v1/metrics"))
    })
  )
})

describe.concurrent("spillway ask", slow, () => {
  it.scopedLive("waits for the PTUs and says so, without --json in one line on standard error", () =>
    Effect.gen(function* () {
      const server = yield* standIn((requests, response) =>
        requests.length % 2 === 1 ? throttle(response, 150) : completion(response, "An answer.\nIn two lines.")
      )
      const { code, stderr, stdout } = yield* run(
        ["ask", "Why?", "--system", "Be brief."],
        azure(`${server.url}/openai/`)
      )

      assert.strictEqual(stdout, "An answer.\nIn two lines.\n")
      assert.match(
        stderr,
        /^ptu-one \(provisioned\) answered after a wait: 2 attempts \(429, 200\), \d+ ms of waiting, \d+ ms in total\n$/
      )
      assert.strictEqual(code, 0)
      for (const { body, headers, path } of server.requests) {
        assert.strictEqual(path, "/openai/v1/chat/completions")
        assert.strictEqual(headers["api-key"], key)
        assert.strictEqual(headers.authorization, undefined)
        assert.deepStrictEqual(JSON.parse(body), {
          model: "ptu-one",
          messages: [
            { role: "system", content: "Be brief." },
            { role: "user", content: "Why?" }
          ]
        })
      }
      assert.strictEqual(server.requests.length, 2)
    })
  )

  it.scopedLive("falls back to Standard on its own resource, in the dated style, and tells all of it as JSON", () =>
    Effect.gen(function* () {
      const ptu = yield* standIn((_, response) => throttle(response, 5000))
      const standard = yield* standIn((_, response) => completion(response, "From Standard."))
      const { code, stderr, stdout } = yield* run(["ask", "--json", "Why?"], {
        ...azure(ptu.url),
        STANDARD_ENDPOINT: standard.url,
        STANDARD_API_KEY: "another-key",
        AZURE_OPENAI_API_VERSION: "2024-10-21"
      })
      const answer = decodeAnswer(stdout)

      assert.strictEqual(stderr, "")
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(
        { ...answer, totalMs: 0, attempts: answer.attempts.map((attempt) => ({ ...attempt, durationMs: 0 })) },
        {
          answer: "From Standard.",
          servedBy: "standard",
          deployment: "std-one",
          outcome: "fallback",
          attempts: [
            { deployment: "ptu-one", kind: "provisioned", status: 429, retryAfterMs: 5000, durationMs: 0 },
            { deployment: "std-one", kind: "standard", status: 200, retryAfterMs: null, durationMs: 0 }
          ],
          waitedMs: 0,
          totalMs: 0,
          usage
        }
      )
      assert.deepStrictEqual(
        [ptu, standard].map(({ requests }) => requests.map(({ headers, path }) => [path, headers["api-key"]])),
        [
          [["/openai/deployments/ptu-one/chat/completions?api-version=2024-10-21", key]],
          [["/openai/deployments/std-one/chat/completions?api-version=2024-10-21", "another-key"]]
        ]
      )
      assert.strictEqual(JSON.parse(standard.requests[0]?.body ?? "{}").model, undefined)
    })
  )

  it.scopedLive(
    "obeys PTU_MAX_WAIT and MAX_RETRIES; the error of the last deployment comes first on standard error",
    () =>
      Effect.gen(function* () {
        const server = yield* standIn((_, response) => throttle(response, 60))
        const { code, stderr, stdout } = yield* run(["ask", "--json", "Why?"], {
          ...azure(server.url),
          PTU_MAX_WAIT: "0",
          MAX_RETRIES: "1"
        })

        assert.strictEqual(stdout, "")
        assert.strictEqual(code, 1)
        assert.match(stderr, /^RateLimited: std-one: out of capacity, retry after 60 ms .*3 requests sent\)\n/)
        assert.include(stderr, "  The service says: Too busy.\n")
        assert.match(stderr, /1\. ptu-one .*\n.*2\. std-one .*\n.*3\. std-one .*\n$/)
      })
  )

  it.scopedLive("ends with exit code 1 and the error's tag, never the key, whatever is at the endpoint", () =>
    Effect.gen(function* () {
      const html = yield* standIn((_, response) =>
        response.writeHead(200, { "content-type": "text/html" }).end("<html>Welcome</html>")
      )
      const denying = yield* standIn((_, response) =>
        json(response, 401, { error: { code: "401", message: `Access denied to ${key}.` } })
      )
      const dead = `http://127.0.0.1:${yield* deadPort}`
      const [page, denied, refused] = yield* Effect.all(
        [
          run(["ask", "Why?"], azure(html.url)),
          run(["ask", "Why?"], azure(denying.url)),
          run(["ask", "Why?"], { ...azure(dead), MAX_RETRIES: "0" })
        ],
        { concurrency: "unbounded" }
      )

      assert.match(page.stderr, /^Unavailable: std-one: sent a body that .* \(status 200, /)
      assert.include(page.stderr, "AZURE_OPENAI_ENDPOINT")
      assert.match(denied.stderr, /^Unauthorized: ptu-one: access denied: check the key .*1 request sent\)\n/)
      assert.include(denied.stderr, "  The service says: Access denied to <key>.\n")
      assert.match(refused.stderr, /^Unavailable: std-one: connection refused \(2 requests sent\)\n/)
      for (const { code, stderr, stdout } of [page, denied, refused]) {
        assert.strictEqual(code, 1)
        assert.strictEqual(stdout, "")
        assert.notInclude(stderr, key)
      }
      assert.strictEqual(denying.requests.length, 1)
    })
  )

  it.scopedLive("an interrupt cancels the request and ends with exit code 130", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const hungUp = yield* Deferred.make<void>()
      const silent = yield* standIn((_, response) => {
        response.once("close", () => Deferred.unsafeDone(hungUp, Effect.void))
        Deferred.unsafeDone(asked, Effect.void)
      })
      const command = yield* start(["ask", "Why?"], azure(silent.url))
      yield* Deferred.await(asked)
      yield* command.kill("SIGINT")

      assert.deepStrictEqual(yield* command.ended, { code: 130, stdout: "", stderr: "" })
      yield* Deferred.await(hungUp)
      assert.strictEqual(silent.requests.length, 1)
    })
  )

  it.live("without an endpoint, says that the embedded emulator answers; a key is neither needed nor used", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(["ask", "Why?", "--json"], { OPENAI_API_KEY: key })
      const answer = decodeAnswer(stdout)

      assert.strictEqual(code, 0)
      assert.strictEqual(stderr, "AZURE_OPENAI_ENDPOINT is not set: the embedded emulator answers, in made-up words.\n")
      assert.deepStrictEqual([answer.deployment, answer.outcome], ["gpt-4o-ptu", "served"])
      assert.isAbove(answer.answer.length, 20)
      assert.isAbove(answer.usage?.completion_tokens ?? 0, 0)
    })
  )

  it.live("with --stream writes the same answer as it comes, and nothing else", () =>
    Effect.gen(function* () {
      const [plain, whole] = yield* Effect.all(
        [run(["ask", "Why?", "--stream"]), run(["ask", "Why?", "--stream", "--json"])],
        {
          concurrency: 2
        }
      )

      assert.deepStrictEqual([plain.code, whole.code], [0, 0])
      assert.strictEqual(plain.stdout, `${decodeAnswer(whole.stdout).answer}\n`)
      assert.match(
        plain.stderr,
        /\ngpt-4o-ptu \(provisioned\) answered at once: 1 attempt, no wait, \d+ ms in total\n$/
      )
    })
  )

  it.live("tells of everything that is wrong with question and environment at once, by name", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(["ask", " "], {
        AZURE_OPENAI_ENDPOINT: "not a url",
        AZURE_OPENAI_API_KEY: `${key} `.repeat(2),
        PTU_MAX_WAIT: "abc",
        MAX_RETRIES: "-1"
      })

      assert.strictEqual(stdout, "")
      assert.strictEqual(code, 2)
      assert.deepStrictEqual(
        stderr.split("\n").map((line) => line.split(": ", 2).join(": ")),
        [
          "QUESTION: empty, expected a text",
          "AZURE_OPENAI_ENDPOINT: not a URL",
          "AZURE_OPENAI_API_KEY: holds a space, a line break or a special character",
          "PTU_DEPLOYMENT: not set",
          "STANDARD_DEPLOYMENT: not set",
          'PTU_MAX_WAIT: "abc"',
          'MAX_RETRIES: "-1"',
          "See: spillway ask --help",
          ""
        ]
      )
      assert.notInclude(stderr, key)
    })
  )
})

describe.concurrent("the command line of spillway", slow, () => {
  it.live("wrong usage: the problem by name, and exit code 2", () =>
    Effect.gen(function* () {
      const wrong = yield* run(["ask", "--sytem", "x", "Why?"])

      assert.deepStrictEqual(wrong, {
        code: 2,
        stdout: "",
        stderr:
          "--sytem: unknown option, ask takes --system TEXT, --stream, --json, --trace\nSee: spillway ask --help\n"
      })
    })
  )

  it.live("help and version, on standard output, without colours", () =>
    Effect.gen(function* () {
      const [version, help] = yield* Effect.all([run(["--version"]), run(["--help"])], { concurrency: "unbounded" })

      assert.deepStrictEqual(version, { code: 0, stdout: `${manifest.version}\n`, stderr: "" })
      assert.deepStrictEqual([help.code, help.stderr], [0, ""])
      for (const command of [
        "demo [--json] [--trace]",
        "ask QUESTION [--system TEXT] [--stream] [--json] [--trace]",
        "emulate [--port N] [--config FILE]"
      ]) {
        assert.include(help.stdout, `\n  ${command}  `)
      }
      assert.notInclude(help.stdout, "\u001b")
    })
  )
})

describe.concurrent("spillway emulate", slow, () => {
  const post = (url: string, model: string) =>
    Effect.promise((signal) =>
      fetch(`${url}/openai/v1/chat/completions`, {
        method: "POST",
        headers: { "api-key": "any", "content-type": "application/json" },
        body: JSON.stringify({ model, messages: [{ role: "user", content: "Hi" }], max_tokens: 1 }),
        signal
      })
    )

  it.scopedLive("prints its URL first, answers, tells of a port in use, ends at SIGTERM with exit code 0", () =>
    Effect.gen(function* () {
      const emulator = yield* start(["emulate"])
      const url = yield* emulator.firstLine
      const { port } = new URL(url)
      const reply = yield* post(url, "gpt-4o-ptu")
      const taken = yield* run(["emulate", "--port", port])
      yield* emulator.kill("SIGTERM")
      const { code, stderr, stdout } = yield* emulator.ended

      assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
      assert.strictEqual(reply.status, 200)
      assert.deepStrictEqual(taken, {
        code: 2,
        stdout: "",
        stderr:
          `--port: ${port} is in use by another program, expected a free port; without --port one is found\n` +
          "See: spillway emulate --help\n"
      })
      assert.strictEqual(stdout, `${url}\n`)
      assert.match(stderr, /\n  gpt-4o-ptu +provisioned, 15 PTUs of gpt-4o\n/)
      assert.match(stderr, /\n  text-embedding-3-small +standard/)
      assert.include(stderr, `curl ${url}/openai/v1/chat/completions`)
      assert.strictEqual(code, 0)
    })
  )

  it.scopedLive("serves what --config says, and ends at SIGINT at once, even while it answers", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "spillway-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      const config = join(folder, "slow.json")
      const deployment = { name: "slow", kind: "standard", model: "gpt-4o", latency: { firstTokenMs: 600_000 } }
      writeFileSync(config, JSON.stringify({ deployments: [deployment] }))

      const emulator = yield* start(["emulate", "--config", config])
      const url = yield* emulator.firstLine
      const pending = yield* Effect.fork(Effect.exit(post(url, "slow")))
      assert.strictEqual((yield* post(url, "gpt-4o")).status, 404)
      const before = Date.now()
      yield* emulator.kill("SIGINT")
      const { code } = yield* emulator.ended

      assert.isBelow(Date.now() - before, 5000)
      assert.strictEqual(code, 0)
      // Cut off, or told that the server ends; answered it is not.
      const cut = yield* Fiber.join(pending)
      assert.isTrue(cut._tag === "Failure" || cut.value.status >= 499)
    })
  )
})

describe.concurrent("spillway and its collector", slow, () => {
  it.scopedLive("a collector that is not there is told of once, and changes nothing else", () =>
    Effect.gen(function* () {
      const url = `http://127.0.0.1:${yield* deadPort}`
      const command = yield* start(["ask", "Why?"], { OTEL_EXPORTER_OTLP_ENDPOINT: url })
      const answer = yield* command.firstLine
      const answeredAt = Date.now()
      const { code, stderr, stdout } = yield* command.ended

      assert.strictEqual(code, 0)
      assert.strictEqual(stdout, `${answer}\n`)
      assert.strictEqual(stderr.split("OTEL_EXPORTER_OTLP_ENDPOINT").length, 2)
      assert.match(stderr, new RegExp(`\\nOTEL_EXPORTER_OTLP_ENDPOINT: .*${url}: .*ECONNREFUSED.*\\n$`))
      // The exporter alone would try again for some ten seconds.
      assert.isBelow(Date.now() - answeredAt, 5000)
    })
  )
})
