import { assert, describe, it } from "@effect/vitest"
import { Emulator, type EmulatorConfig } from "@spillway/emulator"
import { Effect } from "effect"
import { dated, datedPath, inProcess, type Options, prompt, send, v1 } from "./support/calls.js"

const body = JSON.stringify({ model: "d", ...prompt(1) })
const v1Path = "/openai/v1/chat/completions"
// Answers at once, so that no test has to move the clock.
const instant = { latency: { firstTokenMs: 0, tokensPerSecond: 1e9 } } as const
const resource = (options: Pick<EmulatorConfig.EmulatorConfig, "apiKeys"> = {}) =>
  inProcess({ ...options, deployments: [{ name: "d", kind: "standard", model: "gpt-4o", ...instant }] })

const notFound = { error: { code: "404", message: "Resource not found" } }

const routes: ReadonlyArray<readonly [claim: string, path: string, status: number, options?: Options]> = [
  ["the dated route", datedPath("d"), 200],
  ["the dated route with a preview version", datedPath("d", "2025-04-01-preview"), 200],
  ["the dated route with a deployment in percent code", datedPath("%64"), 200],
  ["the v1 route", v1Path, 200],
  ["the v1 route with a version it does not need", `${v1Path}?api-version=preview`, 200],
  ["the dated route without a version", "/openai/deployments/d/chat/completions", 404],
  ["the dated route with an empty version", datedPath("d", ""), 404],
  ["the dated route with no date for a version", datedPath("d", "v1"), 404],
  ["an unknown operation", "/openai/deployments/d/chat?api-version=2024-10-21", 404],
  ["an unknown operation under v1", "/openai/v1/chat", 404],
  ["a deployment that is broken percent code", datedPath("%E0%A4%A"), 404],
  ["the root", "/", 404],
  ["OpenAI's own path", "/v1/chat/completions", 404],
  ["the wrong method", datedPath("d"), 404, { method: "GET" }]
]

describe("routes", () => {
  it.effect.each(routes.map(([claim, path, status, options]) => ({ claim, path, status, options })))(
    "$claim: $status",
    ({ options, path, status }) =>
      Effect.gen(function* () {
        const reply = yield* send(path, options?.method === "GET" ? undefined : body, options)

        assert.strictEqual(reply.status, status)
        if (status === 404) assert.deepStrictEqual(reply.body, notFound)
      }).pipe(Effect.provide(resource()))
  )

  it.effect("an unknown deployment: 404 DeploymentNotFound, in both styles", () =>
    Effect.gen(function* () {
      for (const reply of [yield* dated("other", prompt(1)), yield* v1("other", prompt(1))]) {
        assert.strictEqual(reply.status, 404)
        assert.deepStrictEqual(reply.body, {
          error: {
            code: "DeploymentNotFound",
            message:
              "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again."
          }
        })
        assert.isUndefined(reply.headers["x-ms-deployment-name"])
      }
    }).pipe(Effect.provide(resource()))
  )

  it.effect("under a dated path the body's model does not route", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* dated("d", { model: "other", ...prompt(1) })).status, 200)
    }).pipe(Effect.provide(resource()))
  )

  it.effect("a body that is not a JSON object: 400, and under v1 one without a model", () =>
    Effect.gen(function* () {
      for (const text of ["", "{", "[]", "null", `"text"`]) {
        const reply = yield* send(datedPath("d"), text)
        assert.strictEqual(reply.status, 400, text)
        assert.match(JSON.stringify(reply.body), /could not parse the JSON body/)
      }
      const reply = yield* send(v1Path, JSON.stringify(prompt(1)))
      assert.strictEqual(reply.status, 400)
      assert.match(JSON.stringify(reply.body), /you must provide a model parameter/)
    }).pipe(Effect.provide(resource()))
  )
})

const key = "right"
const access: ReadonlyArray<readonly [claim: string, headers: Record<string, string>, dated: number, v1: number]> = [
  ["the key", { "api-key": key }, 200, 200],
  ["the key as a bearer", { authorization: `Bearer ${key}` }, 401, 200],
  ["another key", { "api-key": "wrong" }, 401, 401],
  ["another bearer", { authorization: "Bearer wrong" }, 401, 401],
  ["no key", {}, 401, 401],
  ["an empty key", { "api-key": "" }, 401, 401],
  ["basic authorization", { authorization: `Basic ${key}` }, 401, 401]
]

describe("access", () => {
  it.effect.each(access.map((row) => ({ claim: row[0], row })))("with $claim", ({ row: [, headers, onDated, onV1] }) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* send(datedPath("d"), body, { headers })).status, onDated)
      assert.strictEqual((yield* send(v1Path, body, { headers })).status, onV1)
    }).pipe(Effect.provide(resource({ apiKeys: [key] })))
  )

  it.effect("without configured keys takes any key and any bearer that is not empty", () =>
    Effect.gen(function* () {
      for (const headers of [{ "api-key": "x" }, { authorization: "Bearer x" }]) {
        assert.strictEqual((yield* send(datedPath("d"), body, { headers })).status, 200)
        assert.strictEqual((yield* send(v1Path, body, { headers })).status, 200)
      }
      const none: ReadonlyArray<Record<string, string>> = [{}, { "api-key": "" }, { authorization: "Bearer " }]
      for (const headers of none) {
        assert.strictEqual((yield* send(datedPath("d"), body, { headers })).status, 401)
      }
    }).pipe(Effect.provide(resource()))
  )

  it.effect("answers a wrong key and a missing one in Azure's two ways, before it looks at the deployment", () =>
    Effect.gen(function* () {
      const wrong = yield* dated("other", prompt(1), { headers: { "api-key": "wrong" } })
      assert.deepStrictEqual(wrong.body, {
        error: {
          code: "401",
          message:
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource."
        }
      })
      const missing = yield* dated("other", prompt(1), { headers: {} })
      assert.deepStrictEqual(missing.body, {
        statusCode: 401,
        message:
          "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), or have expired."
      })
    }).pipe(Effect.provide(resource({ apiKeys: [key] })))
  )
})

describe("the record", () => {
  it.effect("keeps what was sent, in order, the key in its fields and out of what is printed", () =>
    Effect.gen(function* () {
      yield* dated("d", { ...prompt(1), user: "u" }, { headers: { "api-key": "hush", "X-Mine": "1" } })
      yield* send(v1Path, body)
      yield* send("/nowhere?x=1", "plain")

      const emulator = yield* Emulator.Emulator
      const [first, second, third] = yield* emulator.requests
      assert.strictEqual(first?.headers["api-key"], "hush")
      assert.strictEqual(first?.headers["x-mine"], "1")
      assert.strictEqual(first?.headers["content-type"], "application/json")
      assert.strictEqual(first?.host, "contoso.openai.azure.com")
      assert.strictEqual(first?.path, "/openai/deployments/d/chat/completions")
      assert.strictEqual(first?.apiVersion, "2024-10-21")
      assert.strictEqual(first?.deployment, "d")
      assert.deepStrictEqual(first?.body, { messages: [{ role: "user", content: "" }], user: "u" })
      assert.deepStrictEqual([second?.deployment, second?.apiVersion, second?.status], ["d", undefined, 200])
      assert.deepStrictEqual([third?.deployment, third?.body, third?.status], [undefined, "plain", 404])
      for (const printed of [String(first), JSON.stringify(first)]) {
        assert.notInclude(printed, "hush")
        assert.notInclude(printed, "messages")
        assert.include(printed, "200")
      }
    }).pipe(Effect.provide(resource()))
  )

  it.effect("keeps the newest, as many as it is told", () =>
    Effect.gen(function* () {
      for (const path of ["/a", "/b", "/c"]) yield* send(path, "")

      const requests = yield* Effect.flatMap(Emulator.Emulator, (emulator) => emulator.requests)
      assert.deepStrictEqual(
        requests.map((request) => request.path),
        ["/b", "/c"]
      )
    }).pipe(
      Effect.provide(
        inProcess({ recordedRequests: 2, deployments: [{ name: "d", kind: "standard", model: "gpt-4o" }] })
      )
    )
  )

  it.effect("a body of another content type is refused, and named", () =>
    Effect.gen(function* () {
      const post = (type: string) =>
        send(datedPath("d"), undefined, { headers: { "api-key": "k" }, text: { body, type } })
      for (const type of ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"]) {
        assert.strictEqual((yield* post(type)).status, 200)
      }
      for (const type of ["text/plain", "application/x-www-form-urlencoded"]) {
        assert.deepInclude(yield* post(type), {
          status: 400,
          body: {
            error: {
              message: `Unsupported content type: '${type}'. This API method only accepts 'application/json' requests, but you specified the header 'Content-Type: ${type}'. Please try again with a supported content type.`,
              type: "invalid_request_error",
              param: null,
              code: "unsupported_content_type"
            }
          }
        })
      }
    }).pipe(Effect.provide(resource()))
  )

  it.effect("a body nested too deep to be read is refused as one that is no JSON", () =>
    Effect.gen(function* () {
      const nested = (depth: number) =>
        `{"messages":${JSON.stringify(prompt(1).messages)},"x":${"[".repeat(depth)}"]["${"]".repeat(depth)}}`

      assert.strictEqual((yield* send(datedPath("d"), nested(900))).status, 200)
      for (const depth of [1000, 100_000]) {
        const { body, status } = yield* send(datedPath("d"), nested(depth))
        assert.strictEqual(status, 400)
        assert.include(JSON.stringify(body), "could not parse the JSON body")
      }
    }).pipe(Effect.provide(resource()))
  )

  it.effect("a role that nobody has is refused, and named", () =>
    Effect.gen(function* () {
      const { body, status } = yield* dated("d", {
        messages: [...prompt(1).messages, { role: "alien", content: "Hi" }]
      })

      assert.strictEqual(status, 400)
      assert.deepStrictEqual(body, {
        error: {
          message:
            "Invalid value: 'alien'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.",
          type: "invalid_request_error",
          param: "messages[1].role",
          code: "invalid_value"
        }
      })
    }).pipe(Effect.provide(resource()))
  )
})
