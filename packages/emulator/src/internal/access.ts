// Who may call: with a key, or with a token of Microsoft Entra ID.
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { EmulatorConfig } from "../EmulatorConfig.js"
import * as ErrorReply from "../ErrorReply.js"
import type * as Wire from "../Wire.js"
import type { Route } from "./route.js"

/** Who is let in. Without either, any key or token that is not empty is. */
export interface Rules {
  readonly apiKeys: EmulatorConfig["apiKeys"] | undefined
  readonly entra: EmulatorConfig["entra"] | undefined
}

type Entra = NonNullable<Rules["entra"]>

// What Entra is asked for: `.default` of one of these. Whether every endpoint takes both is documented nowhere.
const defaultAudiences = ["https://cognitiveservices.azure.com", "https://ai.azure.com"]

const Claims = Schema.parseJson(
  Schema.Struct({
    aud: Schema.String,
    /** Seconds since 1970. */
    exp: Schema.Number,
    nbf: Schema.optional(Schema.Number),
    oid: Schema.optional(Schema.String)
  })
)

const decodeClaims = Schema.decodeUnknownOption(Claims)

/** What a JSON Web Token claims. Its signature is not looked at. */
const claims = (token: string): Option.Option<typeof Claims.Type> => {
  const [, payload = ""] = token.split(".")
  return Option.flatMap(Either.getRight(Encoding.decodeBase64UrlString(payload)), decodeClaims)
}

const sameAudience = (one: string, other: string): boolean => one.replace(/\/$/, "") === other.replace(/\/$/, "")

const tokenDenial = (token: string, entra: Entra, now: number): Wire.Reply | undefined => {
  const listed = entra.tokens?.find(({ value }) => value === token)
  if (listed !== undefined) {
    return listed.expiresAt === undefined || now < listed.expiresAt ? undefined : ErrorReply.invalidToken
  }
  return Option.match(claims(token), {
    onNone: () => ErrorReply.invalidToken,
    onSome: ({ aud, exp, nbf = 0, oid }) => {
      const audiences = entra.audiences ?? defaultAudiences
      if (!audiences.some((audience) => sameAudience(audience, aud))) return ErrorReply.invalidToken
      if (now >= exp * 1000 || now < nbf * 1000) return ErrorReply.invalidToken
      return oid !== undefined && entra.withoutRole?.includes(oid) === true
        ? ErrorReply.permissionDenied(oid)
        : undefined
    }
  })
}

const bearer = (authorization: string | undefined): string | undefined =>
  /^Bearer\s+(\S.*)$/i.exec(authorization ?? "")?.[1]

/** The reply that turns a caller away; undefined for one that may pass. `now` is in milliseconds since 1970. */
export const denial = (
  headers: Wire.Request["headers"],
  style: Route["style"],
  { apiKeys, entra }: Rules,
  now: number
): Wire.Reply | undefined => {
  const key = headers["api-key"]
  if (key !== undefined && key !== "") {
    if (apiKeys?.length === 0) return ErrorReply.keyAuthDisabled
    return apiKeys === undefined || apiKeys.includes(key) ? undefined : ErrorReply.invalidKey
  }
  const token = bearer(headers["authorization"])
  if (token === undefined) return ErrorReply.invalidToken
  // The plain OpenAI client sends the key as a bearer, which only v1 takes for a key.
  if (style === "v1" && apiKeys?.includes(token) === true) return undefined
  if (entra !== undefined) return tokenDenial(token, entra, now)
  return apiKeys === undefined ? undefined : ErrorReply.invalidToken
}
