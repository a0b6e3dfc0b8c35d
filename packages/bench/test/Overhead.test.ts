import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Effect, Exit } from "effect"
import * as OpenTelemetry from "../src/OpenTelemetry.js"
import * as Chat from "../src/overhead/Chat.js"
import * as Policy from "../src/overhead/Policy.js"
import * as Spans from "../src/overhead/Spans.js"
import * as Subject from "../src/overhead/Subject.js"

const all = Effect.map(Effect.all([Policy.subjects, Chat.subjects]), Arr.flatten)

const spansOf = (subject: Subject.Subject) => Spans.record(subject.calls(1))

describe("overhead", () => {
  it.scopedLive("every subject comes to the answer, and what is compared makes the same two spans", () =>
    Effect.gen(function* () {
      const subjects = yield* all
      for (const subject of subjects) {
        yield* subject.calls(3)
        if (subject.beyond === undefined) continue
        const base = subjects.find(({ name }) => name === subject.beyond)
        assert.isDefined(base, subject.name)
        if (base === undefined) return
        assert.strictEqual(base.tracer, subject.tracer)
        const [own, others] = [yield* spansOf(subject), yield* spansOf(base)]
        assert.deepStrictEqual(
          own.map(({ kind, name }) => `${name} ${kind}`),
          ["chat gpt-4o client", "attempt provisioned client"]
        )
        assert.deepStrictEqual(
          own.map(({ attributes }) => Object.keys(attributes).toSorted()),
          others.map(({ attributes }) => Object.keys(attributes).toSorted())
        )
      }
      const bases = subjects.filter(({ beyond }) => beyond === undefined)
      const spans = yield* Effect.forEach(bases, (base) => Effect.map(spansOf(base), ({ length }) => length))
      assert.deepStrictEqual(spans, [0, 2, 2, 0, 2, 2])
    })
  )

  it.scopedLive("under OpenTelemetry every span is exported, and no other subject's", () =>
    Effect.gen(function* () {
      const counter = new OpenTelemetry.Counter()
      const calls = 100
      yield* Effect.gen(function* () {
        const sdk = yield* OpenTelemetry.runtime(counter)
        const subjects = Arr.map(yield* all, (subject) => Subject.traced(subject, sdk))
        const [native, traced] = Arr.partition(subjects, ({ tracer }) => tracer === "OpenTelemetry")
        assert.strictEqual(traced.length, 4)
        // In this order: what comes after the other must not be traced by it.
        yield* Effect.forEach(traced, (subject) => subject.calls(calls))
        yield* Effect.forEach(native, (subject) => subject.calls(calls))
      }).pipe(Effect.scoped)
      assert.strictEqual(counter.exported, 4 * 2 * calls)
    })
  )

  it.effect("a call that comes to another answer ends the measurement", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Subject.repeat(Effect.succeed("sorry"), 5))
      assert.isTrue(Exit.isFailure(exit))
      assert.include(String(exit), "5 calls came to another answer")
    })
  )

  it.effect("spans are made again as they were recorded", () =>
    Effect.gen(function* () {
      const original = Effect.void.pipe(
        Effect.withSpan("inner", { kind: "client", attributes: { a: 1 } }),
        Effect.zipRight(Effect.annotateCurrentSpan("late", true)),
        Effect.withSpan("outer", { attributes: { b: "two" } })
      )
      const spans = yield* Spans.record(original)
      const again = yield* Spans.record(Spans.within(Effect.void, spans))
      assert.deepStrictEqual(spans, [
        { name: "outer", kind: "internal", attributes: { b: "two", late: true } },
        { name: "inner", kind: "client", attributes: { a: 1 } }
      ])
      assert.deepStrictEqual(again, spans)
    })
  )
})
