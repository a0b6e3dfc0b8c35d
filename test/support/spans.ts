import type { Context, Exit } from "effect"
import { Cause, Effect, Layer, Option, Ref, Tracer } from "effect"

/** A span as it was recorded: what a test asserts on, found by parent id and never by name. */
export interface Recorded {
  readonly id: string
  readonly parent: string | undefined
  readonly name: string
  readonly kind: Tracer.SpanKind
  readonly start: number
  readonly attributes: Map<string, unknown>
  readonly events: Array<{ readonly name: string; readonly at: number; readonly attributes: Record<string, unknown> }>
  end: number | undefined
  exit: Exit.Exit<unknown, unknown> | undefined
}

const millis = (nanos: bigint): number => Number(nanos / 1_000_000n)

class RecordingSpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly traceId: string
  readonly sampled = true
  readonly attributes = new Map<string, unknown>()
  readonly links: Array<Tracer.SpanLink>
  status: Tracer.SpanStatus

  constructor(
    readonly spanId: string,
    readonly name: string,
    readonly parent: Option.Option<Tracer.AnySpan>,
    readonly context: Context.Context<never>,
    links: ReadonlyArray<Tracer.SpanLink>,
    startTime: bigint,
    readonly kind: Tracer.SpanKind,
    private readonly recorded: Recorded
  ) {
    this.traceId = Option.match(parent, { onNone: () => `trace-${spanId}`, onSome: (span) => span.traceId })
    this.links = [...links]
    this.status = { _tag: "Started", startTime }
  }

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    this.status = { _tag: "Ended", startTime: this.status.startTime, endTime, exit }
    this.recorded.end = millis(endTime)
    this.recorded.exit = exit
  }

  attribute(key: string, value: unknown): void {
    this.attributes.set(key, value)
    this.recorded.attributes.set(key, value)
  }

  event(name: string, startTime: bigint, attributes?: Record<string, unknown>): void {
    this.recorded.events.push({ name, at: millis(startTime), attributes: attributes ?? {} })
  }

  addLinks(links: ReadonlyArray<Tracer.SpanLink>): void {
    this.links.push(...links)
  }
}

/** A tracer that keeps every span, and the list it keeps them in. */
export const recorder = Effect.gen(function* () {
  const spans = yield* Ref.make<Array<Recorded>>([])
  const list: Array<Recorded> = yield* Ref.get(spans)
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      const id = `span-${list.length + 1}`
      const recorded: Recorded = {
        id,
        parent: Option.getOrUndefined(Option.map(parent, (span) => span.spanId)),
        name,
        kind,
        start: millis(startTime),
        attributes: new Map(),
        events: [],
        end: undefined,
        exit: undefined
      }
      list.push(recorded)
      return new RecordingSpan(id, name, parent, context, links, startTime, kind, recorded)
    },
    context: (f) => f()
  })
  return { spans: list, layer: Layer.setTracer(tracer) }
})

const statusOf = (span: Recorded): string => {
  if (span.exit === undefined) return "OPEN"
  if (span.exit._tag === "Success") return "ok"
  return Cause.isInterruptedOnly(span.exit.cause) ? "interrupted" : "error"
}

/** Attributes a tree shows: Spillway's own and the reply's, without what is the same in every span. */
const shown = (span: Recorded): string =>
  [...span.attributes]
    .filter(
      ([key]) =>
        key.startsWith("spillway.") ||
        key.startsWith("http.response") ||
        key === "error.type" ||
        key === "http.request.resend_count"
    )
    .map(([key, value]) => `${key.replace("spillway.", "")}=${String(value)}`)
    .toSorted()
    .join(" ")

/**
 * The spans as text: one line each, indented below the span whose id is its parent's, in order of their start.
 * `name [kind] start..end status attributes`, times in milliseconds.
 */
export const render = (spans: ReadonlyArray<Recorded>): string => {
  const lines = (parent: string | undefined, depth: number): ReadonlyArray<string> =>
    spans
      .filter((span) => span.parent === parent)
      .flatMap((span) => [
        `${"  ".repeat(depth)}${span.name} [${span.kind}] ${span.start}..${span.end ?? "?"} ${statusOf(span)} ${shown(span)}`.trimEnd(),
        ...span.events.map((event) => `${"  ".repeat(depth + 1)}* ${event.name} @${event.at}`),
        ...lines(span.id, depth + 1)
      ])
  return lines(undefined, 0).join("\n")
}
