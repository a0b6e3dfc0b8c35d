import { Attempt } from "@spillway/core"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

// What the server said in its own words may quote the request, so it can be read on purpose but is never printed or encoded.
/** @internal */
export const Detail = Schema.transform(Schema.String, Schema.RedactedFromSelf(Schema.String), {
  strict: true,
  decode: (text) => Redacted.make(text),
  encode: () => "<redacted>"
})

/** What every error has. @internal */
export const common = {
  /** The deployment whose reply, or silence, this error stands for. */
  deployment: Schema.String,
  /** The HTTP status; absent where no reply came. */
  status: Schema.optional(Schema.Number),
  /** The service's id for the request (`apim-request-id`, else `x-request-id`), to be quoted to its support. */
  requestId: Schema.optional(Schema.String),
  /** The response that the last attempt began, where one is known: it may go on, and can be asked for or cancelled. */
  responseId: Schema.optional(Schema.String),
  /** The service's own code, such as `content_filter`. */
  code: Schema.optional(Schema.String),
  /** The service's own words. Redacted, because they may quote the request: read them with `Redacted.value`. */
  detail: Schema.optional(Detail),
  /** All attempts of the call, oldest first. */
  attempts: Schema.Array(Attempt.Attempt)
}

const requests = (n: number): string => (n === 1 ? "1 request" : `${n} requests`)

/** An error in one line. @internal */
export const describe = (
  error: {
    readonly deployment: string
    readonly status?: number | undefined
    readonly code?: string | undefined
    readonly requestId?: string | undefined
    readonly attempts: ReadonlyArray<Attempt.Attempt>
  },
  what: string
): string => {
  const facts = [
    ...(error.status === undefined ? [] : [`status ${error.status}`]),
    ...(error.code === undefined ? [] : [`code ${error.code}`]),
    ...(error.requestId === undefined ? [] : [`request ${error.requestId}`]),
    `${requests(error.attempts.length)} sent`
  ]
  return `${error.deployment}: ${what} (${facts.join(", ")})`
}
