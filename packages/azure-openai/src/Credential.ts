/**
 * Signing in without a key: bearer tokens, cached and refreshed ahead of their expiry.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/**
 * No token could be had. `refused`: the identity was turned down, or none is set up here. `unavailable`: the provider could
 * not be reached or did not answer in time, so another try may do. `code` is the provider's own name for it.
 *
 * @since 0.1.0
 * @category errors
 */
export class CredentialError extends Schema.TaggedError<CredentialError>("@spillway/azure-openai/CredentialError")(
  "CredentialError",
  { reason: Schema.Literal("refused", "unavailable"), code: Schema.optional(Schema.String) }
) {
  override get message(): string {
    return `no token: the identity provider ${this.reason === "refused" ? "turned the identity down" : "did not answer"}${
      this.code === undefined ? "" : ` (code ${this.code})`
    }`
  }
}

/**
 * Gives tokens to the deployments it is built for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** A token to send now. Interruption ends the wait for it, not the refresh that others may be waiting for. */
  readonly token: Effect.Effect<Redacted.Redacted, CredentialError>
  /** Told that the service did not accept a token: it is not handed out again. */
  readonly rejected: (token: Redacted.Redacted) => Effect.Effect<void>
}

/**
 * Where a deployment's tokens come from. Give a deployment a Layer of it as `credential`; deployments that are given the
 * same Layer value, and are built together, share one cache.
 *
 * @since 0.1.0
 * @category tags
 */
export class Credential extends Context.Tag("@spillway/azure-openai/Credential")<Credential, Service>() {}

/**
 * A token, and how long it is good. Times are milliseconds of the wall clock.
 *
 * @since 0.1.0
 * @category models
 */
export interface AccessToken {
  readonly token: Redacted.Redacted
  readonly expiresAt: number
  /** When its issuer would like it to be refreshed. Defaults to none. */
  readonly refreshAt?: number | undefined
}

/**
 * A credential of your own: the effect is run for every attempt, so it does its own caching. It runs within the attempt's
 * timeout.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Effect, Redacted } from "effect"
 * import { Credential } from "@spillway/azure-openai"
 *
 * export const fromSidecar = Credential.effect(
 *   Effect.tryPromise({
 *     try: () => fetch("http://localhost:9000/token").then((reply) => reply.text()),
 *     catch: () => new Credential.CredentialError({ reason: "unavailable" })
 *   }).pipe(Effect.map(Redacted.make))
 * )
 * ```
 */
export const effect = (token: Effect.Effect<Redacted.Redacted, CredentialError>): Layer.Layer<Credential> =>
  Layer.succeed(Credential, { token, rejected: () => Effect.void })

// A refresh that failed, or that brought a token as old as the last, is not tried again before this.
const pauseMillis = 3000

/**
 * A credential that keeps a token for as long as it is good.
 *
 * A token is refreshed in the background from `refreshAhead` before its expiry, or from its `refreshAt` where that comes
 * first, while callers still get it; only without a good token do they wait. One refresh runs at a time, for all callers;
 * it outlives the caller that began it and ends with the Layer. A background refresh that fails is tried again after 3
 * seconds; without a token, callers get its error and the next one tries again.
 *
 * Defaults: `refreshAhead` 2 minutes, as in the Azure SDKs; `timeout`, of one refresh, 30 seconds.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Effect, Redacted } from "effect"
 * import { Credential } from "@spillway/azure-openai"
 *
 * declare const login: Effect.Effect<{ jwt: string; expires: number }, Credential.CredentialError>
 *
 * export const cached = Credential.cached(
 *   Effect.map(login, ({ expires, jwt }) => ({ token: Redacted.make(jwt), expiresAt: expires }))
 * )
 * ```
 */
export const cached = (
  acquire: Effect.Effect<AccessToken, CredentialError>,
  options?: {
    readonly refreshAhead?: Duration.DurationInput | undefined
    readonly timeout?: Duration.DurationInput | undefined
  }
): Layer.Layer<Credential> =>
  Layer.scoped(
    Credential,
    Effect.gen(function* () {
      const ahead = Duration.toMillis(options?.refreshAhead ?? "2 minutes")
      const scope = yield* Effect.scope
      let current: AccessToken | undefined
      let flight: Deferred.Deferred<AccessToken, CredentialError> | undefined
      let notBefore = 0

      const refresh = acquire.pipe(
        Effect.timeoutFail({
          duration: options?.timeout ?? "30 seconds",
          onTimeout: () => new CredentialError({ reason: "unavailable", code: "timeout" })
        }),
        Effect.tap((token) => Effect.sync(() => void (current = token))),
        Effect.ensuring(
          Effect.map(Clock.currentTimeMillis, (now) => {
            notBefore = now + pauseMillis
            flight = undefined
          })
        )
      )

      // Sets `flight` and forks in one step, so that no two callers can both begin.
      const begin = Effect.suspend(() => {
        if (flight !== undefined) return Effect.succeed(flight)
        return Effect.flatMap(Deferred.make<AccessToken, CredentialError>(), (deferred) => {
          flight = deferred
          return Effect.as(Effect.forkIn(Effect.intoDeferred(Effect.interruptible(refresh), deferred), scope), deferred)
        })
      }).pipe(Effect.uninterruptible)

      const token = Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (current === undefined || now >= current.expiresAt) {
          return Effect.map(Effect.flatMap(begin, Deferred.await), ({ token }) => token)
        }
        const good = current.token
        const due = Math.min(current.refreshAt ?? Infinity, current.expiresAt - ahead)
        return now >= due && now >= notBefore ? Effect.as(begin, good) : Effect.succeed(good)
      })

      return {
        token,
        rejected: (token: Redacted.Redacted) =>
          Effect.sync(() => {
            if (current !== undefined && Redacted.value(current.token) === Redacted.value(token)) current = undefined
          })
      }
    })
  )
