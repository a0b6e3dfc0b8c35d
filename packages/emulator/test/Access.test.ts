import { assert, describe, it } from "@effect/vitest"
import { type EmulatorConfig, ErrorReply } from "@spillway/emulator"
import { Effect, TestClock } from "effect"
import { dated, inProcess, v1 } from "./support/calls.js"

const resource = (rules: Pick<EmulatorConfig.EmulatorConfig, "apiKeys" | "entra">) =>
  inProcess({ ...rules, deployments: [{ name: "d", kind: "standard", model: "gpt-4o" }] })

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")

const token = (claims: object) => `${part({ alg: "RS256", typ: "JWT" })}.${part(claims)}.c2lnbmF0dXJl`

const good = { aud: "https://cognitiveservices.azure.com", exp: 3600, oid: "11111111-2222-3333-4444-555555555555" }

/** What a caller with these headers gets, in both styles: past the door, a request without messages is 400. */
const outcome = (headers: Readonly<Record<string, string>>) =>
  Effect.map(Effect.all([dated("d", {}, { headers }), v1("d", {}, { headers })]), (replies) =>
    replies.map(({ body, status }) => {
      if (status === 400) return "in"
      const known = [
        ["wrong key", ErrorReply.invalidKey],
        ["bad token", ErrorReply.invalidToken],
        ["keys disabled", ErrorReply.keyAuthDisabled],
        ["no role", ErrorReply.permissionDenied(good.oid)]
      ] as const
      return known.find(([, reply]) => reply.status === status && reply.body === JSON.stringify(body))?.[0]
    })
  )

const bearer = (value: string) => outcome({ authorization: `Bearer ${value}` })
const key = (value: string) => outcome({ "api-key": value })

describe("access", () => {
  it.effect("any key and any token will do where nothing is said", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* key("any"), ["in", "in"])
      assert.deepStrictEqual(yield* bearer("any"), ["in", "in"])
      assert.deepStrictEqual(yield* outcome({}), ["bad token", "bad token"])
      assert.deepStrictEqual(yield* outcome({ authorization: "Basic abc" }), ["bad token", "bad token"])
    }).pipe(Effect.provide(resource({})))
  )

  it.effect("a key may be a bearer under v1 alone", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* key("k1"), ["in", "in"])
      assert.deepStrictEqual(yield* key("k2"), ["wrong key", "wrong key"])
      assert.deepStrictEqual(yield* bearer("k1"), ["bad token", "in"])
      assert.deepStrictEqual(yield* bearer(token(good)), ["bad token", "bad token"])
    }).pipe(Effect.provide(resource({ apiKeys: ["k1"] })))
  )

  it.effect("a token must be for the audience and in its time", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* bearer(token(good)), ["in", "in"])
      assert.deepStrictEqual(yield* bearer(token({ ...good, aud: "https://ai.azure.com/" })), ["in", "in"])
      for (const bad of [
        token({ ...good, aud: "https://management.azure.com" }),
        token({ ...good, nbf: 1 }),
        token({ aud: good.aud }),
        "not.a.token",
        "opaque"
      ]) {
        assert.deepStrictEqual(yield* bearer(bad), ["bad token", "bad token"])
      }
      // Keys are not for Entra to judge.
      assert.deepStrictEqual(yield* key("any"), ["in", "in"])
      yield* TestClock.adjust("3599 seconds")
      assert.deepStrictEqual(yield* bearer(token(good)), ["in", "in"])
      yield* TestClock.adjust("1 seconds")
      assert.deepStrictEqual(yield* bearer(token(good)), ["bad token", "bad token"])
    }).pipe(Effect.provide(resource({ entra: {} })))
  )

  it.effect("tokens, audiences and principals can be listed", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* bearer("forever"), ["in", "in"])
      assert.deepStrictEqual(yield* bearer("short"), ["in", "in"])
      assert.deepStrictEqual(yield* bearer(token(good)), ["bad token", "bad token"])
      const ours = { ...good, aud: "api://ours" }
      assert.deepStrictEqual(yield* bearer(token({ ...ours, oid: "other" })), ["in", "in"])
      assert.deepStrictEqual(yield* bearer(token(ours)), ["no role", "no role"])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* bearer("short"), ["bad token", "bad token"])
      assert.deepStrictEqual(yield* bearer("forever"), ["in", "in"])
    }).pipe(
      Effect.provide(
        resource({
          entra: {
            audiences: ["api://ours"],
            tokens: [{ value: "forever" }, { value: "short", expiresAt: 10_000 }],
            withoutRole: [good.oid]
          }
        })
      )
    )
  )

  it.effect("keys can be disabled", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* key("k"), ["keys disabled", "keys disabled"])
      assert.deepStrictEqual(yield* bearer(token(good)), ["in", "in"])
    }).pipe(Effect.provide(resource({ apiKeys: [], entra: {} })))
  )
})
