/**
 * A request and a reply as they are on the wire, free of any HTTP implementation: what the emulator takes and gives, whether a socket or a
 * test in the same process is on the other side.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Stream from "effect/Stream"

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
  readonly body: Body
}

/**
 * The body of a reply: a text that is there all at once, or pieces of bytes as they come. What a stream emits is one write each, so whoever makes
 * it decides where the packets end. It is pulled: a reader that stops reading stops it, and one that goes away ends what makes it.
 *
 * @since 0.1.0
 * @category models
 */
export type Body = string | Stream.Stream<Uint8Array, Broken>

/**
 * The connection went away in the middle of a body: closed in good order, though more was to come (`cut`), or reset (`reset`).
 *
 * @example
 * ```ts
 * import { Wire } from "@spillway/emulator"
 * import { Stream } from "effect"
 *
 * const body: Wire.Body = Stream.concat(
 *   Stream.make(new TextEncoder().encode("data: {")),
 *   Stream.fail(new Wire.Broken({ how: "cut" }))
 * )
 * ```
 *
 * @since 0.1.0
 * @category errors
 */
export class Broken extends Data.TaggedError("@spillway/emulator/Wire/Broken")<{
  readonly how: "cut" | "reset"
}> {
  override get message(): string {
    return `the connection was ${this.how === "cut" ? "closed" : "reset"} before the body was complete`
  }
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
export const json = (
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {}
): Reply & { readonly body: string } => ({
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
export const text = (
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {}
): Reply & { readonly body: string } => ({
  status,
  headers: { "content-type": "text/plain", ...headers },
  body
})
