import { Exit, Layer, Option, Tracer } from "effect"

interface Recorded {
  readonly id: string
  readonly parent: string | undefined
  readonly name: string
  readonly attributes: Map<string, unknown>
  readonly began: bigint
  ended: readonly [at: bigint, exit: Exit.Exit<unknown, unknown>] | undefined
}

const millis = (nanos: bigint): number => Number(nanos / 1_000_000n)

const status = ({ ended }: Recorded): string => {
  if (ended === undefined) return "open"
  return Exit.isSuccess(ended[1]) ? "ok" : Exit.isInterrupted(ended[1]) ? "interrupted" : "error"
}

/** A tracer that keeps the spans it makes, and writes them as a tree: name, status, begin and end in milliseconds. */
export const recorder = () => {
  const spans: Array<Recorded> = []
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind) => {
      const recorded: Recorded = {
        id: String(spans.length),
        parent: Option.getOrUndefined(Option.map(parent, (parent) => parent.spanId)),
        name,
        attributes: new Map(),
        began: startTime,
        ended: undefined
      }
      spans.push(recorded)
      return {
        _tag: "Span",
        spanId: recorded.id,
        traceId: "trace",
        name,
        parent,
        context,
        links,
        kind,
        sampled: true,
        attributes: recorded.attributes,
        get status(): Tracer.SpanStatus {
          return recorded.ended === undefined
            ? { _tag: "Started", startTime }
            : { _tag: "Ended", startTime, endTime: recorded.ended[0], exit: recorded.ended[1] }
        },
        end: (at, exit) => {
          recorded.ended = [at, exit]
        },
        attribute: (key, value) => {
          recorded.attributes.set(key, value)
        },
        event: () => {},
        addLinks: () => {}
      }
    },
    context: (f) => f()
  })

  const lines = (parent: string | undefined, indent: string): string =>
    spans
      .filter((span) => span.parent === parent)
      .map((span) => {
        const times = span.ended === undefined ? "" : ` ${millis(span.began)}-${millis(span.ended[0])}`
        return `${indent}${span.name} ${status(span)}${times}\n${lines(span.id, `${indent}  `)}`
      })
      .join("")

  return { layer: Layer.setTracer(tracer), spans, tree: () => lines(undefined, "").trimEnd() }
}
