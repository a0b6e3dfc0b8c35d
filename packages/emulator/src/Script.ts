/**
 * Plays the server reply by reply: what each deployment answers to its first request, its second, and so on, and how long it takes.
 *
 * When a deployment's replies run out, the next request gets status 418 with code `ScriptExhausted`: a status that Azure never sends and
 * that no client should retry, so a test sees at once that more requests came than it planned. {@link forever} makes the last reply repeat.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Record from "effect/Record"
import * as ErrorReply from "./ErrorReply.js"
import * as Wire from "./Wire.js"

/**
 * One step of a script: what becomes of one request.
 *
 * @since 0.1.0
 * @category models
 */
export type Step = Data.TaggedEnum<{
  /** A made-up answer, as from a deployment with capacity to spare. */
  Answer: {
    readonly after: Duration.Duration
    readonly text: string | undefined
    readonly finishReason: string | undefined
    readonly model: string | undefined
    readonly headers: Readonly<Record<string, string>>
    readonly every: Duration.Duration
  }
  /** A reply. `verbatim`: exactly these headers, without Azure's usual ones. */
  Reply: { readonly after: Duration.Duration; readonly reply: Wire.Reply; readonly verbatim: boolean }
  /** A stream of a test's own making: what is sent, piece by piece, and how it ends. */
  Stream: {
    readonly after: Duration.Duration
    readonly every: Duration.Duration
    readonly status: number
    readonly headers: Readonly<Record<string, string>>
    /** Values become events; bytes and, where `raw`, strings are sent as they are. */
    readonly pieces: ReadonlyArray<unknown>
    readonly raw: boolean
    readonly end: StreamEnd
  }
  /** The reply of another step, whose body breaks off. */
  Truncated: { readonly step: Step; readonly afterBytes: number | undefined; readonly end: "cut" | "reset" | "silent" }
  /** The connection is dropped. */
  Refuse: { readonly after: Duration.Duration }
  /** Nothing ever comes. */
  Silent: {}
  /** A step that repeats for every further request. */
  Forever: { readonly step: Step }
}>

const Step = Data.taggedEnum<Step>()

/**
 * How a scripted stream ends: as the operation's streams do (`done`: `data: [DONE]` after a chat's events, nothing after chunks); with the connection
 * closed (`cut`) or `reset`; not at all, with the connection open (`silent`); or stopped by the content filter (`filtered`).
 *
 * @since 0.1.0
 * @category models
 */
export type StreamEnd = "done" | "cut" | "reset" | "silent" | "filtered"

/**
 * The replies of each deployment, by its name.
 *
 * @since 0.1.0
 * @category models
 */
export interface Script {
  readonly deployments: Readonly<Record<string, ReadonlyArray<Step>>>
  /** The replies to requests about stored responses; undefined: they are answered from what was stored. */
  readonly retrievals: ReadonlyArray<Step> | undefined
}

/**
 * How long after the request arrived the step happens.
 *
 * @since 0.1.0
 * @category models
 */
export interface Timing {
  /** Defaults to at once. */
  readonly after?: Duration.DurationInput | undefined
}

const lowerCase = (headers: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Record.mapKeys(headers, (name) => name.toLowerCase())

const delay = (options: Timing): Duration.Duration => Duration.decode(options.after ?? Duration.zero)

/**
 * Makes a script. A deployment that it does not list does not exist: 404 `DeploymentNotFound`. Requests about a stored response (get, cancel, delete) name no
 * deployment: they are answered from what {@link answer} has made, or play `retrievals`.
 *
 * @example
 * ```ts
 * import { Emulator, Script } from "@spillway/emulator"
 *
 * const script = Script.make({
 *   "gpt-4o-ptu": [
 *     Script.throttled({ retryAfterMs: 1000, after: "3 seconds" }),
 *     Script.answer({ text: "hi", after: "200 millis" })
 *   ],
 *   "gpt-4o": [Script.forever(Script.answer())]
 * })
 *
 * const layer = Emulator.layerScripted(script)
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  deployments: Readonly<Record<string, ReadonlyArray<Step>>>,
  options: { readonly retrievals?: ReadonlyArray<Step> | undefined } = {}
): Script => ({ deployments: Record.map(deployments, (steps) => steps), retrievals: options.retrievals })

/**
 * Answers, whole or as a stream, as the request wants it. Without `text` the answer is made up from the request; with it, this text, whatever
 * `max_tokens` says.
 *
 * @example
 * ```ts
 * import { Script } from "@spillway/emulator"
 *
 * const quick = Script.answer({ text: "hi", after: "200 millis" })
 * ```
 *
 * @since 0.1.0
 * @category steps
 */
export const answer = (
  options: Timing & {
    readonly text?: string | undefined
    /** Defaults to `stop`, or `length` for a made-up answer that `max_tokens` cuts. */
    readonly finishReason?: string | undefined
    /** The model the answer says it is from. Defaults to `gpt-4o`, and `text-embedding-3-small` for embeddings. */
    readonly model?: string | undefined
    /** Headers on top of Azure's usual ones, such as those of a spillover. */
    readonly headers?: Readonly<Record<string, string>> | undefined
    /** Time that each token takes, whether or not the answer is streamed. Defaults to none: everything leaves at once. */
    readonly every?: Duration.DurationInput | undefined
  } = {}
): Step =>
  Step.Answer({
    after: delay(options),
    text: options.text,
    finishReason: options.finishReason,
    model: options.model,
    headers: lowerCase(options.headers),
    every: Duration.decode(options.every ?? Duration.zero)
  })

/**
 * Refuses with the 429 of a provisioned deployment at its limit. Without `retryAfterMs` and `retryAfter` there is no hint in it.
 *
 * @example
 * ```ts
 * import { Script } from "@spillway/emulator"
 *
 * const soon = Script.throttled({ retryAfterMs: 1000 })
 * const noHint = Script.throttled()
 * const odd = Script.throttled({ retryAfter: "Wed, 21 Oct 2026 07:28:00 GMT" })
 * ```
 *
 * @since 0.1.0
 * @category steps
 */
export const throttled = (options: Timing & ErrorReply.Hint = {}): Step =>
  error(ErrorReply.throughputExceeded(options), options)

/**
 * Refuses with one of Azure's documented errors, under Azure's usual headers.
 *
 * @example
 * ```ts
 * import { ErrorReply, Script } from "@spillway/emulator"
 *
 * const filtered = Script.error(ErrorReply.contentFiltered, { after: "300 millis" })
 * ```
 *
 * @see `Script.reply` for a reply without those headers
 * @since 0.1.0
 * @category steps
 */
export const error = (reply: Wire.Reply, options: Timing = {}): Step =>
  Step.Reply({ after: delay(options), reply, verbatim: false })

/**
 * Replies with anything at all: exactly this status, these headers and this body. A body that is not a string is sent as JSON; a string is
 * sent as it stands, so it can be broken JSON or a proxy's HTML page. Status defaults to 200, content type to `application/json`.
 *
 * @example
 * ```ts
 * import { Script } from "@spillway/emulator"
 *
 * const page = Script.reply({ status: 502, headers: { "content-type": "text/html" }, body: "<h1>Bad gateway</h1>" })
 * const cutOff = Script.reply({ body: "{\"choices\":[" })
 * ```
 *
 * @since 0.1.0
 * @category steps
 */
export const reply = (
  options: Timing & {
    /** 200 to 599. Defaults to 200. */
    readonly status?: number | undefined
    readonly headers?: Readonly<Record<string, string>> | undefined
    /** Defaults to an empty body. */
    readonly body?: unknown
  } = {}
): Step =>
  Step.Reply({
    after: delay(options),
    verbatim: true,
    reply: {
      status: options.status ?? 200,
      headers: {
        "content-type": "application/json",
        ...lowerCase(options.headers)
      },
      body: typeof options.body === "string" ? options.body : (JSON.stringify(options.body) ?? "")
    }
  })

/**
 * Streams what a test wants, from `after` on, one piece `every` so often, under Azure's usual headers and the content type of server-sent events.
 * `events` are values, written by `ServerSentEvent.encode`, one piece each; `chunks` are texts or bytes sent as they stand, so they may end in the
 * middle of an event, of a line or of a character, and need not be events at all. Ends as `end` says right after the last piece; defaults to `done`.
 *
 * @example
 * ```ts
 * import { Script } from "@spillway/emulator"
 *
 * const hello = Script.stream({
 *   events: [{ choices: [{ index: 0, delta: { content: "hel" }, finish_reason: null }] }],
 *   after: "200 millis"
 * })
 * const brokenMidway = Script.stream({ chunks: ["data: {\"choi", "ces\":[]}\n", "\n"], every: "10 millis", end: "cut" })
 * ```
 *
 * @since 0.1.0
 * @category steps
 */
export const stream = (
  options: Timing & {
    /** 200 to 599. Defaults to 200. */
    readonly status?: number | undefined
    readonly headers?: Readonly<Record<string, string>> | undefined
    /** Time between two pieces. Defaults to none. */
    readonly every?: Duration.DurationInput | undefined
    readonly end?: StreamEnd | undefined
  } & (
      | { readonly events: ReadonlyArray<unknown>; readonly chunks?: undefined }
      | { readonly chunks: ReadonlyArray<string | Uint8Array>; readonly events?: undefined }
    )
): Step =>
  Step.Stream({
    after: delay(options),
    every: Duration.decode(options.every ?? Duration.zero),
    status: options.status ?? 200,
    headers: { "content-type": "text/event-stream; charset=utf-8", ...lowerCase(options.headers) },
    pieces: options.events ?? options.chunks,
    raw: options.events === undefined,
    end: options.end ?? "done"
  })

/**
 * Breaks the body of another step's reply off after so many bytes: the connection is closed (`cut`, the default) or `reset`, or stays open
 * without a word (`silent`). A JSON body breaks in its middle unless `afterBytes` says where, and has announced its whole length; a stream after its
 * first piece. A client of the same process fails with a `ResponseError` of reason `Decode`, as it does behind a socket.
 *
 * @example
 * ```ts
 * import { Script } from "@spillway/emulator"
 *
 * const half = Script.truncated(Script.answer({ text: "hi" }))
 * const reset = Script.truncated(Script.answer({ text: "a longer text" }), { afterBytes: 700, end: "reset" })
 * ```
 *
 * @since 0.1.0
 * @category steps
 */
export const truncated = (
  step: Step,
  options: {
    readonly afterBytes?: number | undefined
    readonly end?: "cut" | "reset" | "silent" | undefined
  } = {}
): Step => Step.Truncated({ step, afterBytes: options.afterBytes, end: options.end ?? "cut" })

/**
 * Drops the connection without a reply. In process the client fails with a `RequestError` of reason `Transport`; behind a socket the
 * connection is destroyed.
 *
 * @example
 * ```ts
 * import { Script } from "@spillway/emulator"
 *
 * const atOnce = Script.refuse()
 * const reset = Script.refuse({ after: "1 second" })
 * ```
 *
 * @since 0.1.0
 * @category steps
 */
export const refuse = (options: Timing = {}): Step => Step.Refuse({ after: delay(options) })

/**
 * Takes the request and never answers.
 *
 * @example
 * ```ts
 * import { Script } from "@spillway/emulator"
 *
 * const hanging = Script.make({ "gpt-4o-ptu": [Script.silent] })
 * ```
 *
 * @since 0.1.0
 * @category steps
 */
export const silent: Step = Step.Silent()

/**
 * Repeats a step for every further request. What is listed after it is never reached.
 *
 * @example
 * ```ts
 * import { Script } from "@spillway/emulator"
 *
 * const full = Script.make({ "gpt-4o-ptu": [Script.forever(Script.throttled({ retryAfterMs: 60_000 }))] })
 * ```
 *
 * @since 0.1.0
 * @category steps
 */
export const forever = (step: Step): Step => Step.Forever({ step })

/**
 * What request number `index` (from 0) gets from a list of steps; undefined when they have run out.
 *
 * @example
 * ```ts
 * import { Script } from "@spillway/emulator"
 *
 * Script.at([Script.silent], 1) // => undefined
 * Script.at([Script.forever(Script.silent)], 99)?._tag // => "Silent"
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const at = (
  steps: ReadonlyArray<Step>,
  index: number
): Exclude<Step, { readonly _tag: "Forever" }> | undefined => {
  const endless = steps.findIndex((step) => step._tag === "Forever")
  const step = steps[endless === -1 ? index : Math.min(index, endless)]
  return step?._tag === "Forever" ? at([step.step], 0) : step
}

/**
 * The reply to a request for which the script has no step left.
 *
 * @example
 * ```ts
 * import { Script } from "@spillway/emulator"
 *
 * Script.exhausted("gpt-4o", 2).status // => 418
 * ```
 *
 * @since 0.1.0
 * @category getters
 */
export const exhausted = (deployment: string, steps: number): Wire.Reply =>
  Wire.json(418, {
    error: {
      code: "ScriptExhausted",
      message: `The script of deployment "${deployment}" has ${steps} ${steps === 1 ? "reply" : "replies"}; this request is one more.`
    }
  })
