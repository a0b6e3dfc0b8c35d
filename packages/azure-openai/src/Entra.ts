/**
 * Signing in with Microsoft Entra ID, through the credentials of `@azure/identity`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Duration from "effect/Duration"
import type * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Credential from "./Credential.js"
import { codeOf } from "./internal/serviceError.js"

/**
 * What signs in: every credential of `@azure/identity` is one, such as `new ManagedIdentityCredential()`. Described here so
 * that nothing has to be installed that is not used.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenCredential {
  readonly getToken: (
    scopes: string | Array<string>,
    options?: { readonly abortSignal?: AbortSignal }
  ) => Promise<{
    readonly token: string
    readonly expiresOnTimestamp: number
    readonly refreshAfterTimestamp?: number
  } | null>
}

/**
 * The scopes that Azure OpenAI's tokens are asked for by. The documentation moves from the first to the second; sovereign
 * clouds have their own.
 *
 * Source: Azure OpenAI documentation, "API version lifecycle" and "Troubleshoot errors" (2026-09).
 *
 * @since 0.1.0
 * @category constants
 */
export const scopes = {
  cognitiveServices: "https://cognitiveservices.azure.com/.default",
  foundry: "https://ai.azure.com/.default",
  usGovernment: "https://cognitiveservices.azure.us/.default"
} as const

// Errors that say no to the identity. CredentialUnavailableError is not among them: the SDK also throws it where the network,
// or the endpoint of a managed identity, fails.
const refusals: ReadonlySet<string> = new Set(["AuthenticationError", "AuthenticationRequiredError"])

// As MSAL words a failed connection; its error is the same as for an identity that is turned down.
const connection = /network_error|endpoints_resolution_error|timed? ?out|ECONN|ENOTFOUND|EAI_AGAIN/i

// The message may quote what the provider was sent, so only the name is kept.
const toCredentialError = (error: unknown): Credential.CredentialError => {
  const name = Predicate.isRecord(error) ? codeOf(error["name"]) : undefined
  const status = Predicate.isRecord(error) ? error["statusCode"] : undefined
  const transient = Predicate.isNumber(status) && (status === 408 || status === 429 || status >= 500)
  const refused = name !== undefined && refusals.has(name) && !transient && !connection.test(String(error))
  return new Credential.CredentialError({ reason: refused ? "refused" : "unavailable", code: name })
}

/**
 * Tokens of Microsoft Entra ID, for a deployment's `credential`. Kept and refreshed as in `Credential.cached`; the sign-in
 * under way is aborted when the Layer ends, or after `timeout`.
 *
 * Make one, and give the same value to every deployment: they share its cache.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Deployment, Entra } from "@spillway/azure-openai"
 *
 * // new ManagedIdentityCredential() of @azure/identity, for one.
 * declare const identity: Entra.TokenCredential
 *
 * const credential = Entra.layer(identity)
 *
 * export const Ptu = Deployment.provisioned({
 *   deployment: "gpt-4o-ptu",
 *   model: "gpt-4o",
 *   endpoint: "https://contoso.openai.azure.com",
 *   credential
 * })
 * ```
 */
export const layer = (
  credential: TokenCredential,
  options?: {
    /** What the tokens are for. Defaults to {@link scopes}`.cognitiveServices`. */
    readonly scope?: string | ReadonlyArray<string> | undefined
    /** How long before its expiry a token is refreshed. Defaults to 2 minutes. */
    readonly refreshAhead?: Duration.DurationInput | undefined
    /** How long one sign-in may take. Defaults to 30 seconds. */
    readonly timeout?: Duration.DurationInput | undefined
  }
): Layer.Layer<Credential.Credential> => {
  const { scope = scopes.cognitiveServices } = options ?? {}
  return Credential.cached(
    Effect.tryPromise({
      try: (abortSignal) => credential.getToken(typeof scope === "string" ? scope : [...scope], { abortSignal }),
      catch: toCredentialError
    }).pipe(
      Effect.flatMap((token) =>
        // A provider without types may answer with anything; what is no token is told by `Credential.cached`.
        Predicate.isNullable(token)
          ? Effect.fail(new Credential.CredentialError({ reason: "refused", code: "no_token" }))
          : Effect.succeed({
              token: Redacted.make(Predicate.isString(token.token) ? token.token : ""),
              expiresAt: Predicate.isNumber(token.expiresOnTimestamp) ? token.expiresOnTimestamp : Number.NaN,
              refreshAt: token.refreshAfterTimestamp
            })
      )
    ),
    options
  )
}
