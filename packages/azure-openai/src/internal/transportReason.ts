import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Predicate from "effect/Predicate"
import type { Reason } from "../CallError.js"

// "refused", "dns" and "tls" say that no request was read by anyone: what could come of a connection in use is none of them.
// So of TLS only what a certificate or a handshake fails with; a record that cannot be read may have been the reply's.
const transportReasons: ReadonlyArray<readonly [RegExp, Reason]> = [
  [/^(ECONNREFUSED|connect (EHOSTUNREACH|ENETUNREACH))$/, "refused"],
  [/^(ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET|EHOSTUNREACH|ENETUNREACH)$/, "reset"],
  [/^(ENOTFOUND|EAI_AGAIN)$/, "dns"],
  [/^(ETIMEDOUT|UND_ERR_(CONNECT|HEADERS|BODY)_TIMEOUT)$/, "timeout"],
  [/^(ERR_TLS_CERT_|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH$|INVALID_(CA|PURPOSE)$)/, "tls"],
  [
    /^ERR_SSL_(UNSUPPORTED_PROTOCOL|NO_(PROTOCOLS_AVAILABLE|SHARED_CIPHER)|\w*_ALERT_(HANDSHAKE_FAILURE|PROTOCOL_VERSION))$/,
    "tls"
  ],
  [/^(ERR_SSL_|ERR_TLS_|EPROTO$)/, "reset"]
]

// The codes of an error and of what caused it: fetch wraps the socket's error, and Node groups those of several addresses.
const codesOf = (error: unknown, depth = 0): ReadonlyArray<string> => {
  if (!Predicate.isRecord(error) || depth > 5) return []
  const code = error["code"]
  const nested = Array.isArray(error["errors"]) ? error["errors"] : []
  return [
    ...(Predicate.isString(code) ? [code, `${String(error["syscall"])} ${code}`] : []),
    ...codesOf(error["cause"], depth + 1),
    ...nested.flatMap((other) => codesOf(other, depth + 1))
  ]
}

/** Why no reply came, or none to its end. @internal */
export const reasonOf = (error: HttpClientError.HttpClientError): Reason => {
  const codes = codesOf(error.cause)
  return transportReasons.find(([pattern]) => codes.some((code) => pattern.test(code)))?.[1] ?? "connection"
}
