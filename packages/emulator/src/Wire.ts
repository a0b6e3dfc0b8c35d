/**
 * A request and a reply as they are on the wire, free of any HTTP implementation: what the emulator takes and gives, whether a socket or a
 * test in the same process is on the other side.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * One request, read to its end.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  /** Upper case. */
  readonly method: string
  /** Path and query, as sent. */
  readonly url: string
  /** Host and port the caller addressed; empty if it did not say. */
  readonly host: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** The body as text; empty if there was none. */
  readonly body: string
}

/**
 * One reply.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reply {
  /** 200 to 599. */
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** The body as text. */
  readonly body: string
}

/**
 * The connection went away without a reply: refused, or reset.
 *
 * @example
 * ```ts
 * import { Wire } from "@spillway/emulator"
 * import { Effect } from "effect"
 *
 * const lost: Effect.Effect<never, Wire.Dropped> = Effect.fail(new Wire.Dropped())
 * ```
 *
 * @since 0.1.0
 * @category errors
 */
export class Dropped extends Data.TaggedError("@spillway/emulator/Wire/Dropped") {
  override get message(): string {
    return "the connection was dropped before a reply was sent"
  }
}

/**
 * Makes a reply whose body is `value` as JSON.
 *
 * @example
 * ```ts
 * import { Wire } from "@spillway/emulator"
 *
 * Wire.json(418, { error: "teapot" }).body // => '{"error":"teapot"}'
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const json = (status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(value) ?? ""
})

/**
 * Makes a reply whose body is `body` as it stands. Its content type defaults to `text/plain`.
 *
 * @example
 * ```ts
 * import { Wire } from "@spillway/emulator"
 *
 * Wire.text(503, "no healthy upstream").headers["content-type"] // => "text/plain"
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const text = (status: number, body: string, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers: { "content-type": "text/plain", ...headers },
  body
})
