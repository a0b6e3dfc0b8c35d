import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Failure from "../Failure.js"
import * as Reply from "../Reply.js"
import { isEvent, Response, ResponseEvent } from "../Responses.js"
import { attributes } from "../Telemetry.js"
import type * as Sse from "../Sse.js"
import * as Tokens from "../Tokens.js"
import type { Protocol, Step } from "./eventStream.js"
import { onFirstUse } from "./firstUse.js"
import { pathOf } from "./issuePath.js"
import { codeOf, holdsError, labelOf, parseJson, record } from "./serviceError.js"

const preamble: ReadonlySet<string> = new Set(["response.created", "response.queued", "response.in_progress"])
const terminal: ReadonlySet<string> = new Set(["response.completed", "response.incomplete", "response.cancelled"])

const isDelta = isEvent("response.output_text.delta")
const isResponse = Schema.is(Response)
const decode = onFirstUse(() => Schema.decodeUnknownEither(ResponseEvent))

/** Attributes of a response: of what the service writes, only what has the form of a name. @internal */
export const describe = (response: Response | undefined): Record<string, unknown> => ({
  [attributes.responseId]: labelOf(response?.id),
  [attributes.responseModel]: labelOf(response?.model),
  [attributes.finishReasons]: codeOf(response?.status),
  [attributes.inputTokens]: response?.usage?.input_tokens,
  [attributes.cachedTokens]: Tokens.used(response?.usage)?.cachedTokens || undefined,
  [attributes.outputTokens]: response?.usage?.output_tokens
})

/** How a stream of a response's events is read. @internal */
export class ResponseProtocol implements Protocol<ResponseEvent> {
  private parts = ""
  private response: Response | undefined
  /** The response as the last event that failed it had it. */
  private failed: unknown

  constructor(
    private readonly reply: Failure.Head,
    private readonly asked: Reply.Asked,
    /** Told the id of the response, once. */
    private readonly onId: (id: string) => void
  ) {}

  read(event: Sse.Event, now: number): Step<ResponseEvent> {
    if (event.data.trim() === "[DONE]") return { _tag: "done" }
    const json = parseJson(event.data)
    if (Either.isLeft(json)) return { _tag: "failed", failure: Failure.brokenBody(this.reply) }
    const fields = record(json.right)
    const type = Predicate.isString(fields["type"]) ? fields["type"] : event.event
    const { kind, model } = this.asked
    const { headers, status } = this.reply
    const classify = (error: unknown) =>
      Reply.classifyInStream({ status, headers, kind, model, error, response: this.failed, now })
    // OpenAI puts the error's fields beside the event's type, Azure below `error`.
    if (type === "error" || holdsError(fields)) {
      const { type: _, ...flat } = fields
      return { _tag: "failed", failure: classify(Predicate.isRecord(fields["error"]) ? fields["error"] : flat) }
    }
    if (type === "response.failed") {
      this.failed = fields["response"]
      const error = record(record(this.failed)["error"])
      return { _tag: Predicate.isString(error["code"]) ? "failed" : "failing", failure: classify(error) }
    }
    return Either.match(decode({ ...fields, type }), {
      onLeft: (issue) => ({ _tag: "failed", failure: Failure.malformed(this.reply, pathOf(issue)) }),
      onRight: (value) => {
        this.keep(value)
        return { _tag: preamble.has(value.type) ? "preamble" : terminal.has(value.type) ? "last" : "output", value }
      }
    })
  }

  private keep(event: ResponseEvent): void {
    if (isDelta(event)) this.parts += event.delta
    if ("response" in event && isResponse(event.response)) {
      if (this.response === undefined) this.onId(event.response.id)
      this.response = event.response
    }
  }

  complete(): boolean {
    return false
  }

  text(): string {
    return this.parts
  }

  usage(): unknown {
    return this.response?.usage
  }

  attributes(): Record<string, unknown> {
    return describe(this.response)
  }
}
