import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Jaeger from "./support/jaeger.js"
import { node } from "./support/process.js"
import * as OtlpReceiver from "../support/telemetry/otlpReceiver.js"
import { assertTrace, tracesOf } from "../support/telemetry/traces.js"

interface Urls {
  readonly otlp: string
  readonly query: string
}

const backends = [
  {
    name: "a small OTLP receiver",
    available: true,
    start: Effect.map(OtlpReceiver.start(), ({ url }): Urls => ({ otlp: url, query: url }))
  },
  { name: "a real Jaeger", available: Jaeger.available, start: Jaeger.start }
]

const fetchJson = (url: string) => Effect.promise(() => fetch(url).then((reply): Promise<unknown> => reply.json()))

const search = (query: string, service: string, began: Date) => {
  const parameters = new URLSearchParams({
    "query.service_name": service,
    "query.start_time_min": began.toISOString(),
    "query.start_time_max": new Date(Date.now() + 60_000).toISOString(),
    "query.num_traces": "10000",
    "query.search_depth": "10000"
  })
  return Effect.map(fetchJson(`${query}/api/v3/traces?${parameters}`), tracesOf)
}

/** Asks until as many spans are there as are to come: a backend takes a moment to store them. */
const eventually = (query: string, service: string, began: Date, expected: number) =>
  Effect.gen(function* () {
    let traces = yield* search(query, service, began)
    for (let tries = 0; tries < 100; tries++) {
      if (traces.reduce((count, trace) => count + trace.length, 0) >= expected) break
      yield* Effect.sleep("200 millis")
      traces = yield* search(query, service, began)
    }
    return traces
  })

describe.each(backends)("exported to $name", ({ available, start }) => {
  it.scopedLive.skipIf(!available)("the demo's calls are whole traces, and they tell the demo's numbers", () =>
    Effect.gen(function* () {
      const { otlp, query } = yield* start
      const began = new Date(Date.now() - 1000)
      const demo = yield* node(["packages/cli/dist/bin.js", "demo", "--json"], {
        OTEL_EXPORTER_OTLP_ENDPOINT: otlp,
        OTEL_SERVICE_NAME: "demo-of-spillway"
      })
      assert.strictEqual(demo.code, 0, demo.stderr)
      assert.notInclude(demo.stderr, "were not taken")
      const told = JSON.parse(demo.stdout) as {
        readonly calls: number
        readonly attempts: number
        readonly rateLimited: number
        readonly servedBy: { readonly provisioned: number; readonly standard: number }
      }
      const traces = yield* eventually(query, "demo-of-spillway", began, told.calls + told.attempts)
      const calls = traces.map((trace) => assertTrace(trace, "demo-of-spillway"))
      const sum = (of: (call: (typeof calls)[number]) => number) => calls.reduce((sum, call) => sum + of(call), 0)

      assert.deepStrictEqual(
        {
          calls: calls.length,
          attempts: sum(({ attempts }) => attempts),
          rateLimited: sum(({ rateLimited }) => rateLimited),
          servedBy: {
            provisioned: sum(({ servedBy }) => Number(servedBy === "provisioned")),
            standard: sum(({ servedBy }) => Number(servedBy === "standard"))
          }
        },
        { calls: told.calls, attempts: told.attempts, rateLimited: told.rateLimited, servedBy: told.servedBy }
      )
      for (const outcome of ["served", "served_after_wait", "fallback"]) {
        assert.isTrue(
          calls.some((call) => call.outcome === outcome),
          outcome
        )
      }

      // One by its id, as a person opens it.
      const longest = traces.toSorted((a, b) => b.length - a.length)[0] ?? []
      const [again] = tracesOf(yield* fetchJson(`${query}/api/v3/traces/${longest[0]?.traceId}`))
      assert.lengthOf(again ?? [], longest.length)
      assert.deepStrictEqual(assertTrace(again ?? [], "demo-of-spillway"), assertTrace(longest, "demo-of-spillway"))
    })
  )

  it.scopedLive.skipIf(!available)("of 5,000 calls in a burst no span is lost when the program ends", () =>
    Effect.gen(function* () {
      const { otlp, query } = yield* start
      const began = new Date(Date.now() - 1000)
      const burst = yield* node(["test/telemetry/programs/burst.mjs"], {
        CALLS: "5000",
        SERVICE: "burst",
        OTLP_URL: otlp
      })
      assert.deepStrictEqual([burst.code, burst.stderr], [0, ""])
      assert.deepStrictEqual(JSON.parse(burst.stdout), { answered: 5000 })
      const traces = yield* eventually(query, "burst", began, 10_000)

      assert.strictEqual(traces.length, 5000)
      for (const trace of traces) {
        assert.deepStrictEqual(
          trace.map(({ name }) => name),
          ["chat gpt-4o", "attempt provisioned"]
        )
      }
    })
  )
})

describe("a collector that answers 503", () => {
  it.scopedLive("is told of once, however many batches are refused", () =>
    Effect.gen(function* () {
      const { url } = yield* OtlpReceiver.start({ status: 503 })
      const burst = yield* node(["test/telemetry/programs/burst.mjs"], {
        CALLS: "3000",
        SERVICE: "burst",
        OTLP_URL: url
      })

      assert.strictEqual(burst.code, 0)
      assert.deepStrictEqual(JSON.parse(burst.stdout), { answered: 3000 })
      assert.lengthOf(burst.stderr.trim().split("\n"), 1)
      assert.match(burst.stderr, /^PROBLEM (spans|metrics) were not taken by http:\/\/127\.0\.0\.1:\d+: /)
    })
  )
})
