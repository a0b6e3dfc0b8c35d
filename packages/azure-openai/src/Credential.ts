/**
 * Signing in without a key: bearer tokens, cached and refreshed ahead of their expiry.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/**
 * No token could be had. `refused`: the identity was turned down, or what came is no token that could be used.
 * `unavailable`: there is no provider here, or it could not be reached, or it did not answer in time; so another try, or
 * another deployment, may do. `code` is the provider's own name for it, or one of `timeout`, `no_token`, `bad_token` (empty,
 * or not what a header can hold), `bad_expiry` and `token_rejected` (the service does not accept it).
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
  /** Told that the service answered a token with 401: it is not handed out again. The call that sent it has failed. */
  readonly rejected: (token: Redacted.Redacted) => Effect.Effect<void>
}

/**
 * Where a deployment's tokens come from. Give a deployment a Layer of it as `credential`; deployments that are given the
 * same Layer value, and are built together, share one cache.
 *
 * @since 0.1.0
 * @category tags
 * @example
 * ```ts
 * import { Credential } from "@spillway/azure-openai"
 * import { Effect, Layer, Redacted } from "effect"
 *
 * // Tokens from somewhere else. `Credential.cached` keeps and refreshes them.
 * export const Fixed = Layer.succeed(Credential.Credential, {
 *   token: Effect.succeed(Redacted.make("TOKEN")),
 *   rejected: () => Effect.void
 * })
 * ```
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

// What cannot be sent would look like a connection that failed.
const sendable = (token: Redacted.Redacted): Effect.Effect<Redacted.Redacted, CredentialError> =>
  /^[\x21-\x7e]+$/.test(Redacted.value(token)) ? Effect.succeed(token) : refuse("bad_token")

const refuse = (code: string) => Effect.fail(new CredentialError({ reason: "refused", code }))

/**
 * A credential of your own: the effect is run for every attempt, within its timeout and below its span, so it does its own
 * caching. What it needs is taken from where the Layer is built.
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
export const effect = <R = never>(
  token: Effect.Effect<Redacted.Redacted, CredentialError, R>
): Layer.Layer<Credential, never, Exclude<R, Scope.Scope>> =>
  Layer.effect(
    Credential,
    Effect.map(Effect.context<Exclude<R, Scope.Scope>>(), (services) => ({
      token: Effect.scoped(token).pipe(
        Effect.flatMap(sendable),
        Effect.mapInputContext((attempt: Context.Context<never>) => Context.merge(services, attempt))
      ),
      rejected: () => Effect.void
    }))
  )

// A refresh that failed, or that brought a token as old as the last, is not tried again before this.
const pauseMillis = 3000

/**
 * A credential that keeps a token for as long as it is good.
 *
 * A token is refreshed in the background from `refreshAhead` before its expiry, or from its `refreshAt` where that comes
 * first, while callers still get it; only without a good token do they wait. One refresh runs at a time, for all callers;
 * it outlives the caller that began it and ends with the Layer. It runs where the Layer is built: with the services from
 * there, and below no caller's span. A background refresh that fails is logged as a warning and tried again after 3
 * seconds; without a token, callers get its error and the next one tries again.
 *
 * A token that the service answers with 401 is dropped, and the call that sent it fails: a 401 is never sent again. The
 * next call gets a new token. If `acquire` brings the same one again, as a provider with a cache of its own may, or if the
 * new one is not accepted either, calls fail with `token_rejected`, without a request, and a new token is asked for at most
 * every 3 seconds.
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
export const cached = <R = never>(
  acquire: Effect.Effect<AccessToken, CredentialError, R>,
  options?: {
    readonly refreshAhead?: Duration.DurationInput | undefined
    readonly timeout?: Duration.DurationInput | undefined
  }
): Layer.Layer<Credential, never, Exclude<R, Scope.Scope>> =>
  Layer.scoped(
    Credential,
    Effect.gen(function* () {
      const ahead = Duration.toMillis(options?.refreshAhead ?? "2 minutes")
      const scope = yield* Effect.scope
      const services = yield* Effect.context<Exclude<R, Scope.Scope>>()
      let current: AccessToken | undefined
      let flight: Deferred.Deferred<AccessToken, CredentialError> | undefined
      // Of refreshes in the background, and of those for a token that was turned down.
      let notBefore = 0
      let anotherNotBefore = 0
      // The last token that the service turned down, and, until there is another, why there is none.
      let turnedDown: string | undefined
      let withheld: CredentialError | undefined

      const check = (token: AccessToken): Effect.Effect<AccessToken, CredentialError> => {
        if (Redacted.value(token.token) === turnedDown) return refuse("token_rejected")
        return Effect.zipRight(
          sendable(token.token),
          Number.isNaN(token.expiresAt) ? refuse("bad_expiry") : Effect.succeed(token)
        )
      }

      const refresh = (background: boolean) =>
        Effect.scoped(acquire).pipe(
          Effect.timeoutFail({
            duration: options?.timeout ?? "30 seconds",
            onTimeout: () => new CredentialError({ reason: "unavailable", code: "timeout" })
          }),
          Effect.flatMap(check),
          Effect.onExit((exit) =>
            Effect.map(Clock.currentTimeMillis, (now) => {
              flight = undefined
              notBefore = now + pauseMillis
              if (withheld !== undefined) anotherNotBefore = notBefore
              if (Exit.isSuccess(exit)) {
                current = exit.value
                withheld = undefined
              } else if (withheld !== undefined) {
                withheld = Option.getOrElse(Cause.failureOption(exit.cause), () => withheld)
              }
            })
          ),
          background ? Effect.tapErrorCause(logFailure) : identity,
          Effect.mapInputContext((_: Context.Context<never>) => services)
        )

      // Sets `flight` and forks in one step, so that no two callers can both begin.
      const begin = (background: boolean) =>
        Effect.suspend(() => {
          if (flight !== undefined) return Effect.succeed(flight)
          return Effect.flatMap(Deferred.make<AccessToken, CredentialError>(), (deferred) => {
            flight = deferred
            const running = Effect.intoDeferred(Effect.interruptible(refresh(background)), deferred)
            return Effect.as(Effect.forkIn(running, scope), deferred)
          })
        }).pipe(Effect.uninterruptible)

      const token = Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (current === undefined || now >= current.expiresAt) {
          if (flight === undefined && withheld !== undefined && now < anotherNotBefore) return Effect.fail(withheld)
          return Effect.map(Effect.flatMap(begin(false), Deferred.await), ({ token }) => token)
        }
        const good = current.token
        const due = Math.min(current.refreshAt || Infinity, current.expiresAt - ahead)
        return now >= due && now >= notBefore ? Effect.as(begin(true), good) : Effect.succeed(good)
      })

      return {
        token,
        rejected: (token: Redacted.Redacted) =>
          Effect.sync(() => {
            // Late word of a token that is not in use any more says nothing of the one that is.
            if (current === undefined || Redacted.value(current.token) !== Redacted.value(token)) return
            current = undefined
            turnedDown = Redacted.value(token)
            withheld = new CredentialError({ reason: "refused", code: "token_rejected" })
          })
      }
    })
  )

const logFailure = (cause: Cause.Cause<CredentialError>): Effect.Effect<void> =>
  Cause.isInterruptedOnly(cause)
    ? Effect.void
    : Effect.logWarning("a token could not be refreshed in the background: the last one stays in use").pipe(
        // A defect may hold anything.
        Effect.annotateLogs(
          Option.match(Cause.failureOption(cause), {
            onNone: () => ({ reason: "defect" }),
            onSome: ({ code, reason }) => ({ reason, ...(code === undefined ? {} : { code }) })
          })
        )
      )
