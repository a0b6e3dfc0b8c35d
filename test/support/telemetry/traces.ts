import { assert } from "@effect/vitest"
import { Schema } from "effect"

/**
 * Traces as a query API in the shape of Jaeger's `/api/v3` gives them back: OTLP in JSON, ids in hex, 64-bit numbers as text.
 */
const Value = Schema.Struct({
  stringValue: Schema.optional(Schema.String),
  intValue: Schema.optional(Schema.Union(Schema.Number, Schema.NumberFromString)),
  doubleValue: Schema.optional(Schema.Number),
  boolValue: Schema.optional(Schema.Boolean)
})
const Attributes = Schema.optionalWith(Schema.Array(Schema.Struct({ key: Schema.String, value: Value })), {
  default: () => []
})
const Nanos = Schema.Union(Schema.BigInt, Schema.BigIntFromNumber)
const SpanJson = Schema.Struct({
  traceId: Schema.String,
  spanId: Schema.String,
  parentSpanId: Schema.optionalWith(Schema.String, { default: () => "" }),
  name: Schema.String,
  kind: Schema.Number,
  startTimeUnixNano: Nanos,
  endTimeUnixNano: Nanos,
  attributes: Attributes,
  events: Schema.optionalWith(
    Schema.Array(Schema.Struct({ name: Schema.String, timeUnixNano: Nanos, attributes: Attributes })),
    { default: () => [] }
  ),
  status: Schema.optionalWith(
    Schema.Struct({
      code: Schema.optionalWith(Schema.Number, { default: () => 0 }),
      message: Schema.optional(Schema.String)
    }),
    { default: () => ({ code: 0 }) }
  )
})
const Reply = Schema.Struct({
  result: Schema.Struct({
    resourceSpans: Schema.Array(
      Schema.Struct({
        resource: Schema.Struct({ attributes: Attributes }),
        scopeSpans: Schema.Array(Schema.Struct({ spans: Schema.Array(SpanJson) }))
      })
    )
  })
})

const decode = Schema.decodeUnknownSync(Reply)

export interface Span extends Omit<typeof SpanJson.Type, "attributes" | "events"> {
  readonly service: unknown
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: ReadonlyArray<string>
}

const record = (attributes: (typeof SpanJson.Type)["attributes"]): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.intValue ?? value.doubleValue ?? value.boolValue
    ])
  )

/** The traces in a query's answer, each in order of its spans' start. */
export const tracesOf = (json: unknown): ReadonlyArray<ReadonlyArray<Span>> => {
  const traces = new Map<string, Array<Span>>()
  for (const { resource, scopeSpans } of decode(json).result.resourceSpans) {
    for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
      const trace = traces.get(span.traceId) ?? []
      traces.set(span.traceId, trace)
      trace.push({
        ...span,
        service: record(resource.attributes)["service.name"],
        attributes: record(span.attributes),
        events: span.events.map(({ name }) => name)
      })
    }
  }
  const byStart = (a: Span, b: Span) => Number(a.startTimeUnixNano - b.startTimeUnixNano)
  return [...traces.values()].map((trace) =>
    trace.toSorted((a, b) => Number(a.parentSpanId !== "") - Number(b.parentSpanId !== "") || byStart(a, b))
  )
}

const [internal, client] = [1, 3]
const failed = 2

const millis = (nanos: bigint): number => Number(nanos) / 1e6
const tookMs = (span: Span): number => millis(span.endTimeUnixNano - span.startTimeUnixNano)

/** What a whole trace of a call must be, whatever happened to the call. Returns what the trace says of it. */
export const assertTrace = (trace: ReadonlyArray<Span>, service: string) => {
  const [root, ...children] = trace
  assert(root !== undefined)
  const waits = children.filter(({ name }) => name === "wait")
  const attempts = children.filter(({ name }) => name.startsWith("attempt "))
  const last = attempts.at(-1)
  assert(last !== undefined)

  // One root, and everything else right below it.
  assert.strictEqual(root.parentSpanId, "")
  assert.strictEqual(root.kind, client)
  assert.strictEqual(waits.length + attempts.length, children.length)
  for (const span of trace) {
    assert.strictEqual(span.traceId, root.traceId)
    assert.strictEqual(span.service, service)
  }
  for (const child of children) {
    assert.strictEqual(child.parentSpanId, root.spanId)
    assert.isTrue(child.startTimeUnixNano >= root.startTimeUnixNano)
    assert.isTrue(child.endTimeUnixNano <= root.endTimeUnixNano)
  }

  // Attempts are numbered; all but the last failed, with the reason on them and a status of error.
  attempts.forEach((attempt, index) => {
    assert.strictEqual(attempt.kind, client)
    assert.strictEqual(attempt.attributes["spillway.attempt"], index + 1)
    assert.include(["provisioned", "standard"], attempt.name.replace("attempt ", ""))
    if (attempt === last) return
    assert.strictEqual(attempt.status.code, failed)
    assert.isString(attempt.attributes["error.type"])
  })
  assert.notStrictEqual(last.status.code, failed)
  assert.strictEqual(last.attributes["http.response.status_code"], 200)

  // A call that was answered is no error, and says who answered and how.
  assert.notStrictEqual(root.status.code, failed)
  assert.strictEqual(root.attributes["gen_ai.operation.name"], "chat")
  assert.strictEqual(root.attributes["spillway.attempts"], attempts.length)
  assert.strictEqual(root.attributes["spillway.served_by"], last.name.replace("attempt ", ""))
  assert.strictEqual(root.attributes["spillway.deployment"], last.attributes["spillway.deployment"])

  // Times add up: one thing after the other, nothing in between but a moment, waits no shorter than planned.
  const between = 200
  let end = root.startTimeUnixNano
  for (const child of children) {
    assert.isTrue(child.startTimeUnixNano >= end)
    end = child.endTimeUnixNano
  }
  const within = children.reduce((sum, child) => sum + tookMs(child), 0)
  assert.isBelow(tookMs(root) - within, between * (children.length + 1))
  for (const wait of waits) {
    assert.strictEqual(wait.kind, internal)
    assert.include(["retry-after", "backoff", "queue"], wait.attributes["spillway.wait.reason"])
    assert.isAtLeast(tookMs(wait) + 0.001, Number(wait.attributes["spillway.wait.planned_ms"]) - between)
  }
  const waited = waits.reduce((sum, wait) => sum + tookMs(wait), 0)
  assert.closeTo(Number(root.attributes["spillway.waited_ms"]), waited, between * (waits.length + 1))

  const outcome = root.attributes["spillway.outcome"]
  const fellBack = root.events.includes("spillway.fallback")
  assert.strictEqual(outcome, fellBack ? "fallback" : waits.length > 0 ? "served_after_wait" : "served")
  assert.lengthOf(
    root.events.filter((name) => name === "spillway.retry"),
    waits.length
  )
  return {
    outcome,
    servedBy: root.attributes["spillway.served_by"],
    attempts: attempts.length,
    rateLimited: attempts.filter(({ attributes }) => attributes["error.type"] === "429").length,
    spans: trace.length
  }
}
