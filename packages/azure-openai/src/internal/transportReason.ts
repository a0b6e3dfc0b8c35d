import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Predicate from "effect/Predicate"
import type { Reason } from "../CallError.js"

const transportReasons: ReadonlyArray<readonly [RegExp, Reason]> = [
  [/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH)$/, "refused"],
  [/^(ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET)$/, "reset"],
  [/^(ENOTFOUND|EAI_AGAIN)$/, "dns"],
  [/^(ETIMEDOUT|UND_ERR_(CONNECT|HEADERS|BODY)_TIMEOUT)$/, "timeout"],
  [/^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|EPROTO$)/, "tls"]
]

// The codes of an error and of what caused it: fetch wraps the socket's error, and Node groups those of several addresses.
const codesOf = (error: unknown, depth = 0): ReadonlyArray<string> => {
  if (!Predicate.isRecord(error) || depth > 5) return []
  const code = error["code"]
  const nested = Array.isArray(error["errors"]) ? error["errors"] : []
  return [
    ...(Predicate.isString(code) ? [code] : []),
    ...codesOf(error["cause"], depth + 1),
    ...nested.flatMap((other) => codesOf(other, depth + 1))
  ]
}

/** Why no reply came, or none to its end. @internal */
export const reasonOf = (error: HttpClientError.HttpClientError): Reason => {
  const codes = codesOf(error.cause)
  return transportReasons.find(([pattern]) => codes.some((code) => pattern.test(code)))?.[1] ?? "connection"
}
