import { assert, describe, it } from "@effect/vitest"
import { AzureOpenAI, Credential, Deployment, Entra } from "@spillway/azure-openai"
import { CallSettings, RetryAfter } from "@spillway/core"
import { Context, Duration, Effect, Exit, Fiber, Layer, Logger, Redacted, TestClock } from "effect"
import { recorder } from "./support/recorder.js"
import type { Prepared } from "./support/wire.js"
import { apiKey, endpoint, standard, wire } from "./support/wire.js"

const minute = 60_000

/** A provider whose sign-ins take time, and a log of when each began. */
const provider = (
  sign: (
    n: number
  ) => Effect.Effect<{ readonly lives: number; readonly refreshAt?: number }, Credential.CredentialError>,
  takes = 0
) => {
  const log: Array<number> = []
  const acquire = Effect.gen(function* () {
    const began = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    log.push(began)
    const n = log.length
    yield* Effect.sleep(takes)
    const { lives, refreshAt } = yield* sign(n)
    return { token: Redacted.make(`token-${n}`), expiresAt: began + lives, refreshAt }
  })
  return { log, acquire }
}

const unavailable = new Credential.CredentialError({ reason: "unavailable" })

const token = Effect.flatMap(Credential.Credential, ({ token }) => Effect.map(token, Redacted.value))

describe("Credential.cached", () => {
  it.effect("signs in once for all callers, and keeps the token", () =>
    Effect.gen(function* () {
      const { acquire, log } = provider(() => Effect.succeed({ lives: 60 * minute }), 1000)
      const tokens = yield* Effect.gen(function* () {
        const fiber = yield* Effect.fork(
          Effect.all(
            Array.from({ length: 50 }, () => token),
            { concurrency: "unbounded" }
          )
        )
        yield* TestClock.adjust("1 second")
        const first = yield* Fiber.join(fiber)
        yield* TestClock.adjust("57 minutes")
        return [...new Set([...first, yield* token])]
      }).pipe(Effect.provide(Credential.cached(acquire)))

      assert.deepStrictEqual(tokens, ["token-1"])
      assert.deepStrictEqual(log, [0])
    })
  )

  it.effect("refreshes ahead of the expiry, in the background", () =>
    Effect.gen(function* () {
      const { acquire, log } = provider(() => Effect.succeed({ lives: 10 * minute }), 1000)
      yield* Effect.gen(function* () {
        const first = yield* Effect.fork(token)
        yield* TestClock.adjust("8 minutes")
        assert.strictEqual(yield* Fiber.join(first), "token-1")
        // Due, but still good: nobody waits.
        assert.deepStrictEqual(yield* Effect.all([token, token, token], { concurrency: 3 }), [
          "token-1",
          "token-1",
          "token-1"
        ])
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* token, "token-2")
      }).pipe(Effect.provide(Credential.cached(acquire)))

      assert.deepStrictEqual(log, [0, 8 * minute])
    })
  )

  it.effect("refreshes when the issuer asks for it, and sooner or later as told", () =>
    Effect.gen(function* () {
      for (const [refreshAt, refreshAhead, due] of [
        [5 * minute, undefined, 5 * minute],
        [undefined, "4 minutes", 6 * minute]
      ] as const) {
        const { acquire, log } = provider(() =>
          Effect.succeed({ lives: 10 * minute, ...(refreshAt === undefined ? {} : { refreshAt: began + refreshAt }) })
        )
        const began = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
        yield* Effect.gen(function* () {
          yield* token
          yield* TestClock.adjust(due - 1)
          yield* token
          assert.strictEqual(log.length, 1)
          yield* TestClock.adjust(1)
          yield* token
          yield* TestClock.adjust(0)
          assert.strictEqual(log.length, 2)
        }).pipe(Effect.provide(Credential.cached(acquire, { refreshAhead })))
      }
    })
  )

  it.effect("keeps a good token while refreshes fail, trying every 3 seconds, and fails when it has expired", () =>
    Effect.gen(function* () {
      const { acquire, log } = provider((n) =>
        n === 1
          ? Effect.succeed({ lives: 10 * minute })
          : Effect.fail(new Credential.CredentialError({ reason: "unavailable" }))
      )
      yield* Effect.gen(function* () {
        yield* token
        yield* TestClock.adjust("8 minutes")
        for (let i = 0; i < 10; i++) {
          assert.strictEqual(yield* token, "token-1")
          yield* TestClock.adjust("1 second")
        }
        assert.deepStrictEqual(log, [0, 480_000, 483_000, 486_000, 489_000])
        yield* TestClock.adjust("2 minutes")
        assert.strictEqual((yield* Effect.flip(token)).reason, "unavailable")
        assert.strictEqual((yield* Effect.flip(token)).reason, "unavailable")
        assert.strictEqual(log.length, 7)
      }).pipe(Effect.provide(Credential.cached(acquire)))
    })
  )

  it.effect("gives up on a sign-in that hangs, and lets the next caller begin another", () =>
    Effect.gen(function* () {
      const { acquire, log } = provider((n) => (n === 1 ? Effect.never : Effect.succeed({ lives: minute })))
      yield* Effect.gen(function* () {
        const fiber = yield* Effect.fork(Effect.flip(token))
        yield* TestClock.adjust("5 seconds")
        const error = yield* Fiber.join(fiber)
        assert.deepStrictEqual([error.reason, error.code], ["unavailable", "timeout"])
        assert.strictEqual(yield* token, "token-2")
      }).pipe(Effect.provide(Credential.cached(acquire, { timeout: "5 seconds" })))
      assert.strictEqual(log.length, 2)
    })
  )

  it.effect("lets a caller go at once, without ending the sign-in for the others", () =>
    Effect.gen(function* () {
      const { acquire, log } = provider(() => Effect.succeed({ lives: minute }), 1000)
      yield* Effect.gen(function* () {
        const impatient = yield* Effect.fork(token)
        const patient = yield* Effect.fork(token)
        yield* TestClock.adjust(500)
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(impatient)))
        yield* TestClock.adjust(500)
        assert.strictEqual(yield* Fiber.join(patient), "token-1")
      }).pipe(Effect.provide(Credential.cached(acquire)))
      assert.strictEqual(log.length, 1)
    })
  )

  it.effect("hands a token out up to its expiry, and not at it", () =>
    Effect.gen(function* () {
      const { acquire, log } = provider((n) =>
        n === 1 ? Effect.succeed({ lives: 10 * minute }) : Effect.fail(unavailable)
      )
      yield* Effect.gen(function* () {
        yield* token
        yield* TestClock.adjust(10 * minute - 1)
        assert.strictEqual(yield* token, "token-1")
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* Effect.flip(token)).reason, "unavailable")
      }).pipe(Effect.provide(Credential.cached(acquire)))
      assert.strictEqual(log.length, 3)
    })
  )

  it.effect("gives up on a sign-in after 30 seconds unless told otherwise", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(
        Effect.flip(token).pipe(Effect.provide(Credential.cached(Effect.never)), Effect.timed)
      )
      yield* TestClock.adjust("31 seconds")
      const [took, error] = yield* Fiber.join(fiber)

      assert.deepStrictEqual([Duration.toMillis(took), error.code], [30_000, "timeout"])
    })
  )

  it.effect(
    "a token that comes back after it was turned down is not handed out, and is asked for every 3 seconds",
    () =>
      Effect.gen(function* () {
        const log: Array<number> = []
        let value = "same"
        const acquire = Effect.map(
          Effect.clockWith((clock) => clock.currentTimeMillis),
          (now) => {
            log.push(now)
            return { token: Redacted.make(value), expiresAt: now + 60 * minute }
          }
        )
        yield* Effect.gen(function* () {
          const { rejected } = yield* Credential.Credential
          assert.strictEqual(yield* token, "same")
          yield* rejected(Redacted.make("same"))
          for (let i = 0; i < 20; i++) {
            const error = yield* Effect.flip(token)
            assert.deepStrictEqual([error.reason, error.code], ["refused", "token_rejected"])
          }
          assert.deepStrictEqual(log, [0, 0])
          yield* TestClock.adjust("3 seconds")
          yield* Effect.flip(token)
          value = "other"
          assert.strictEqual((yield* Effect.flip(token)).code, "token_rejected")
          yield* TestClock.adjust("3 seconds")
          assert.strictEqual(yield* token, "other")
        }).pipe(Effect.provide(Credential.cached(acquire)))

        assert.deepStrictEqual(log, [0, 0, 3000, 6000])
      })
  )

  it.effect("tokens that are all turned down are not asked for faster than every 3 seconds", () =>
    Effect.gen(function* () {
      const { acquire, log } = provider(() => Effect.succeed({ lives: minute }))
      yield* Effect.gen(function* () {
        const { rejected } = yield* Credential.Credential
        const turnedDown = Effect.flatMap(token, (token) => rejected(Redacted.make(token)))
        // The first may be stale, so the second is asked for at once.
        yield* turnedDown
        yield* turnedDown
        assert.strictEqual((yield* Effect.flip(turnedDown)).code, "token_rejected")
        yield* TestClock.adjust(2999)
        yield* Effect.flip(turnedDown)
        assert.deepStrictEqual(log, [0, 0])
        yield* TestClock.adjust(1)
        yield* turnedDown
      }).pipe(Effect.provide(Credential.cached(acquire)))
      assert.deepStrictEqual(log, [0, 0, 3000])
    })
  )

  it.effect("after a token was turned down, callers get the reason why there is no other", () =>
    Effect.gen(function* () {
      const { acquire, log } = provider((n) => (n === 1 ? Effect.succeed({ lives: minute }) : Effect.fail(unavailable)))
      yield* Effect.gen(function* () {
        const { rejected } = yield* Credential.Credential
        yield* rejected(Redacted.make(yield* token))
        for (let i = 0; i < 5; i++) assert.strictEqual((yield* Effect.flip(token)).reason, "unavailable")
      }).pipe(Effect.provide(Credential.cached(acquire)))
      assert.deepStrictEqual(log, [0, 0])
    })
  )

  it.effect("a late word that an old token was turned down leaves the new one alone", () =>
    Effect.gen(function* () {
      const { acquire, log } = provider(() => Effect.succeed({ lives: minute }))
      yield* Effect.gen(function* () {
        const { rejected } = yield* Credential.Credential
        const old = yield* token
        yield* rejected(Redacted.make(old))
        assert.strictEqual(yield* token, "token-2")
        yield* rejected(Redacted.make(old))
        assert.strictEqual(yield* token, "token-2")
      }).pipe(Effect.provide(Credential.cached(acquire)))
      assert.strictEqual(log.length, 2)
    })
  )

  it.effect("says in the log that a refresh in the background failed, and why", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.map(Logger.logfmtLogger, (line) => void lines.push(line))
      const { acquire } = provider((n) =>
        n === 1
          ? Effect.succeed({ lives: 10 * minute })
          : n === 2
            ? Effect.fail(new Credential.CredentialError({ reason: "unavailable", code: "ENOTFOUND" }))
            : Effect.die(new Error("SECRET"))
      )
      yield* Effect.gen(function* () {
        yield* token
        yield* TestClock.adjust("8 minutes")
        yield* token
        yield* TestClock.adjust("3 seconds")
        yield* token
        yield* TestClock.adjust(0)
      }).pipe(Effect.provide(Credential.cached(acquire)), Effect.provide(Logger.replace(Logger.defaultLogger, logger)))

      assert.strictEqual(lines.length, 2)
      assert.match(lines[0] ?? "", /level=WARN .*refresh.*background.*ENOTFOUND/)
      assert.match(lines[1] ?? "", /level=WARN .*refresh.*background/)
      assert.notInclude(lines.join(), "SECRET")
    })
  )

  it.effect("signs in where the Layer was built: with its services, below none of its callers' spans", () =>
    Effect.gen(function* () {
      class Vault extends Context.Tag("test/Vault")<Vault, string>() {}
      const { layer: tracer, tree } = recorder()
      const acquire = Effect.map(Vault, (vault) => ({ token: Redacted.make(vault), expiresAt: Infinity })).pipe(
        Effect.withSpan("sign in")
      )
      const seen = yield* token.pipe(
        Effect.withSpan("attempt"),
        Effect.provide(Credential.cached(acquire)),
        Effect.provideService(Vault, "from-the-vault"),
        Effect.provide(tracer)
      )

      assert.strictEqual(seen, "from-the-vault")
      assert.strictEqual(tree(), "attempt ok 0-0\nsign in ok 0-0")
    })
  )

  it.effect.each([
    { token: "", expiresAt: 1e15, code: "bad_token" },
    { token: "two words\n", expiresAt: 1e15, code: "bad_token" },
    { token: "token", expiresAt: Number.NaN, code: "bad_expiry" }
  ])("does not hand out what cannot be sent, or would never end: $code", ({ code, expiresAt, token: value }) =>
    Effect.gen(function* () {
      const acquire = Effect.succeed({ token: Redacted.make(value), expiresAt })
      const error = yield* Effect.flip(token).pipe(Effect.provide(Credential.cached(acquire)))

      assert.deepStrictEqual([error.reason, error.code], ["refused", code])
    })
  )

  it.effect("ends the sign-in with the Layer", () =>
    Effect.gen(function* () {
      let interrupted = false
      const acquire = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (interrupted = true)))
      yield* Effect.gen(function* () {
        const fiber = yield* Effect.fork(token)
        yield* TestClock.adjust(1)
        yield* Fiber.interrupt(fiber)
        assert.isFalse(interrupted)
      }).pipe(Effect.provide(Credential.cached(acquire)))
      assert.isTrue(interrupted)
    })
  )
})

describe("Credential.effect", () => {
  it.effect("may need services, and runs below the attempt that needs the token", () =>
    Effect.gen(function* () {
      class Vault extends Context.Tag("test/Vault")<Vault, string>() {}
      const { layer: tracer, tree } = recorder()
      const fromVault = Effect.map(Vault, Redacted.make).pipe(Effect.withSpan("read"))
      const seen = yield* token.pipe(
        Effect.withSpan("attempt"),
        Effect.provide(Credential.effect(fromVault)),
        Effect.provideService(Vault, "from-the-vault"),
        Effect.withSpan("main"),
        Effect.provide(tracer)
      )

      assert.strictEqual(seen, "from-the-vault")
      assert.strictEqual(tree(), "main ok 0-0\n  attempt ok 0-0\n    read ok 0-0")
    })
  )

  it.effect("fails with what cannot be sent", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(token).pipe(
        Effect.provide(Credential.effect(Effect.succeed(Redacted.make("token\n"))))
      )
      assert.deepStrictEqual([error.reason, error.code], ["refused", "bad_token"])
    })
  )
})

describe("a deployment with a credential", () => {
  const ok: Prepared = { pieces: [JSON.stringify({ id: "1", choices: [] })] }
  const chat = AzureOpenAI.chat({ messages: [{ role: "user", content: "Hi" }] })
  const ptu = (credential: Layer.Layer<Credential.Credential>) =>
    Deployment.provisioned({ deployment: "gpt-4o-ptu", endpoint, credential, timeout: "10 seconds" })

  it.effect("sends the token, one for both deployments of a chain, and no key", () =>
    Effect.gen(function* () {
      const { acquire, log } = provider(() => Effect.succeed({ lives: minute }))
      const credential = Credential.cached(acquire)
      const { layer, sent } = wire([{ status: 429, pieces: ["{}"] }, ok])

      yield* chat.pipe(
        Effect.provide(
          ptu(credential).pipe(
            Deployment.orElse(Deployment.standard({ deployment: "gpt-4o", endpoint, credential })),
            Layer.provide(layer)
          )
        )
      )

      assert.deepStrictEqual(
        sent.map(({ headers }) => [headers["authorization"], headers["api-key"]]),
        [
          ["Bearer token-1", undefined],
          ["Bearer token-1", undefined]
        ]
      )
      assert.strictEqual(log.length, 1)
    })
  )

  it.effect("does not use a token again that was not accepted", () =>
    Effect.gen(function* () {
      const { acquire, log } = provider(() => Effect.succeed({ lives: minute }))
      const { layer, sent } = wire([{ status: 401, pieces: ["{}"] }, ok])

      yield* Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(chat))._tag, "Unauthorized")
        yield* chat
      }).pipe(Effect.provide(ptu(Credential.cached(acquire)).pipe(Layer.provide(layer))))

      assert.deepStrictEqual(
        sent.map(({ headers }) => headers["authorization"]),
        ["Bearer token-1", "Bearer token-2"]
      )
      assert.strictEqual(log.length, 2)
    })
  )

  it.effect(
    "fails as Unauthorized where the identity is turned down, and falls back where the provider is out of reach",
    () =>
      Effect.gen(function* () {
        const { layer, sent } = wire([ok])
        const failing = (reason: "refused" | "unavailable") =>
          ptu(Credential.effect(Effect.fail(new Credential.CredentialError({ reason, code: "SomeError" })))).pipe(
            Deployment.orElse(standard()),
            Layer.provide(layer)
          )

        const error = yield* Effect.flip(chat).pipe(Effect.provide(failing("refused")))
        const { served } = yield* chat.pipe(Effect.provide(failing("unavailable")))

        assert.strictEqual(error._tag, "Unauthorized")
        assert.strictEqual(
          error.message,
          "gpt-4o-ptu: no token for this identity: check how it signs in (code SomeError, 0 requests sent)"
        )
        assert.deepStrictEqual([served.deployment, served.outcome], ["gpt-4o", "fallback"])
        assert.strictEqual(sent.length, 1)
      })
  )

  it.effect("does not wait for a sign-in beyond the attempt's timeout", () =>
    Effect.gen(function* () {
      const { layer } = wire([ok])
      const fiber = yield* chat.pipe(
        Effect.provide(
          ptu(Credential.effect(Effect.never)).pipe(
            Deployment.retry(RetryAfter.within("4 seconds")),
            Deployment.orElse(standard()),
            Layer.provide(layer)
          )
        ),
        CallSettings.withDeadline("1 minute"),
        Effect.fork
      )
      yield* TestClock.adjust("10 seconds")
      const { served } = yield* Fiber.join(fiber)

      assert.deepStrictEqual([served.deployment, served.totalMs], ["gpt-4o", 10_000])
    })
  )

  it.effect("is built from a key or a credential, not from both or neither", () =>
    Effect.gen(function* () {
      const credential = Credential.effect(Effect.succeed(Redacted.make("token")))
      const { layer } = wire([])
      const problem = (options: Partial<Deployment.Options>) =>
        Deployment.standard({ deployment: "gpt-4o", endpoint, ...options }).pipe(
          Layer.provide(layer),
          Layer.build,
          Effect.scoped,
          Effect.flip,
          Effect.map(String)
        )

      assert.include(yield* problem({}), "expected a key of the resource, or a credential in its place")
      assert.include(yield* problem({ apiKey, credential }), "expected a key or a credential, not both")
    })
  )
})

describe("Entra", () => {
  const named = (name: string, more?: Record<string, unknown>) => Object.assign(new Error("SECRET"), { name, ...more })

  it.effect("asks for a token of the scope, and for the next when the issuer says", () =>
    Effect.gen(function* () {
      const asked: Array<unknown> = []
      const credential: Entra.TokenCredential = {
        getToken: (scope) => {
          asked.push(scope)
          return Promise.resolve({
            token: `jwt-${asked.length}`,
            expiresOnTimestamp: 60 * minute,
            refreshAfterTimestamp: 30 * minute
          })
        }
      }
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* token, "jwt-1")
        yield* TestClock.adjust("30 minutes")
        yield* token
        yield* TestClock.adjust(0)
      }).pipe(Effect.provide(Entra.layer(credential)))
      yield* token.pipe(Effect.provide(Entra.layer(credential, { scope: Entra.scopes.foundry })))

      assert.deepStrictEqual(asked, [
        "https://cognitiveservices.azure.com/.default",
        "https://cognitiveservices.azure.com/.default",
        "https://ai.azure.com/.default"
      ])
    })
  )

  it.effect("asks for tokens of several scopes, and refreshes and gives up as told", () =>
    Effect.gen(function* () {
      const asked: Array<unknown> = []
      const credential: Entra.TokenCredential = {
        getToken: (scope) => {
          asked.push(scope)
          return asked.length < 3
            ? Promise.resolve({ token: "jwt", expiresOnTimestamp: asked.length * 60 * minute })
            : new Promise(() => {})
        }
      }
      yield* Effect.gen(function* () {
        yield* token
        yield* TestClock.adjust("50 minutes")
        yield* token
        yield* Effect.promise(() => Promise.resolve())
        assert.strictEqual(asked.length, 2)
        yield* TestClock.adjust("70 minutes")
        const fiber = yield* Effect.fork(Effect.timed(Effect.flip(token)))
        yield* TestClock.adjust("1 minute")
        const [took, error] = yield* Fiber.join(fiber)
        assert.deepStrictEqual([Duration.toMillis(took), error.code], [5000, "timeout"])
      }).pipe(
        Effect.provide(
          Entra.layer(credential, {
            scope: ["a/.default", "b/.default"],
            refreshAhead: "10 minutes",
            timeout: "5 seconds"
          })
        )
      )

      assert.deepStrictEqual(asked[0], ["a/.default", "b/.default"])
    })
  )

  it.effect.each([
    [undefined, "no_token"],
    [null, "no_token"],
    [{}, "bad_token"],
    [{ token: "", expiresOnTimestamp: 1e15 }, "bad_token"],
    [{ token: "jwt\n", expiresOnTimestamp: 1e15 }, "bad_token"],
    [{ token: "jwt", expiresOnTimestamp: Number.NaN }, "bad_expiry"],
    [{ token: "jwt" }, "bad_expiry"]
  ] as const)("takes no %j for a token", ([answer, code]) =>
    Effect.gen(function* () {
      // As a program without types may answer.
      const getToken = () => Promise.resolve(answer as never)
      const error = yield* Effect.flip(token).pipe(Effect.provide(Entra.layer({ getToken })))

      assert.deepStrictEqual([error.reason, error.code], ["refused", code])
    })
  )

  it.effect("tells an identity that is turned down from a provider that is out of reach", () =>
    Effect.gen(function* () {
      for (const [result, reason] of [
        [Promise.reject(named("AuthenticationError", { statusCode: 400 })), "refused"],
        [Promise.reject(named("AuthenticationError", { statusCode: 503 })), "unavailable"],
        [Promise.reject(named("AuthenticationError", { statusCode: 408 })), "unavailable"],
        [Promise.reject(named("AuthenticationError", { statusCode: 429 })), "unavailable"],
        [Promise.reject(named("AuthenticationRequiredError")), "refused"],
        [
          Promise.reject(Object.assign(named("AuthenticationRequiredError"), { message: "network_error: SECRET" })),
          "unavailable"
        ],
        [Promise.reject(named("CredentialUnavailableError")), "unavailable"],
        [Promise.reject(named("RestError", { code: "ENOTFOUND" })), "unavailable"],
        [Promise.resolve(null), "refused"]
      ] as const) {
        const error = yield* Effect.flip(token).pipe(Effect.provide(Entra.layer({ getToken: () => result })))
        assert.strictEqual(error.reason, reason)
        assert.isFalse(`${String(error)}${JSON.stringify(error)}`.includes("SECRET"))
      }
    })
  )

  it.live("aborts a sign-in that nothing needs any longer", () =>
    Effect.gen(function* () {
      let aborted = false
      const credential: Entra.TokenCredential = {
        getToken: (_, options) =>
          new Promise((_, reject) =>
            options?.abortSignal?.addEventListener("abort", () => {
              aborted = true
              reject(named("AbortError"))
            })
          )
      }
      yield* Effect.gen(function* () {
        yield* Effect.timeoutOption(token, "20 millis")
        assert.isFalse(aborted)
      }).pipe(Effect.provide(Entra.layer(credential)))
      assert.isTrue(aborted)
    })
  )
})
