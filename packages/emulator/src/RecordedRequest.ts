/**
 * What the emulator keeps of a request, so that a test can ask what was really sent.
 *
 * @since 0.1.0
 */
import * as Inspectable from "effect/Inspectable"

/**
 * The fields of a recorded request.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fields {
  /** When it arrived, in milliseconds since the emulator began. */
  readonly at: number
  /** When the last of its reply was handed over, or it was given up; undefined while it is in flight. */
  readonly endedAt: number | undefined
  readonly method: string
  /** Host and port the caller addressed. */
  readonly host: string
  /** Path without the query. */
  readonly path: string
  /** Value of the query's `api-version`. */
  readonly apiVersion: string | undefined
  /** The deployment addressed, by path or by the body's `model`; undefined if it could not be told. */
  readonly deployment: string | undefined
  /** Every header as sent, keys and tokens included; names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** The body as JSON; the text itself where it is not JSON; undefined where there was none. */
  readonly body: unknown
  /** Status of the reply, known as soon as its headers are; undefined when the caller went away or the connection was dropped before. */
  readonly status: number | undefined
  /** The deployment that replied: another than {@link deployment} after a spillover; undefined where none did. */
  readonly servedBy: string | undefined
  /** Whether the caller went away before the last of the reply. */
  readonly interrupted: boolean
}

/**
 * A request as the emulator received it. Holds secrets and prompts in its fields, none in what is printed of it.
 *
 * @example
 * ```ts
 * import { Emulator } from "@spillway/emulator"
 * import { Effect } from "effect"
 *
 * const keys = Effect.gen(function* () {
 *   const emulator = yield* Emulator.Emulator
 *   const requests = yield* emulator.requests
 *   return requests.map((request) => request.headers["api-key"])
 * })
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export class RecordedRequest extends Inspectable.Class implements Fields {
  readonly at!: number
  readonly endedAt!: number | undefined
  readonly method!: string
  readonly host!: string
  readonly path!: string
  readonly apiVersion!: string | undefined
  readonly deployment!: string | undefined
  readonly headers!: Readonly<Record<string, string>>
  readonly body!: unknown
  readonly status!: number | undefined
  readonly servedBy!: string | undefined
  readonly interrupted!: boolean

  constructor(fields: Fields) {
    super()
    Object.assign(this, fields)
  }

  override toJSON(): unknown {
    return {
      _id: "@spillway/emulator/RecordedRequest",
      at: this.at,
      method: this.method,
      path: this.path,
      deployment: this.deployment,
      status: this.status,
      servedBy: this.servedBy,
      interrupted: this.interrupted
    }
  }
}
