import { assert, describe, it } from "@effect/vitest"
import { RetryAfter } from "@spillway/core"
import { AzureOpenAI, Deployment } from "@spillway/azure-openai"
import { ErrorReply, Script } from "@spillway/emulator"
import { Effect, Fiber, Layer, TestClock } from "effect"
import { asLayers, at, hello, inProcess, inVirtualTime } from "./support/scenario.js"
import { recorder, render } from "./support/spans.js"

/** The span tree of one call, as text. */
const treeOf = (chat: Layer.Layer<Deployment.Deployment, unknown, Layer.Layer.Context<ReturnType<typeof asLayers>>>) =>
  Effect.gen(function* () {
    const { layer, spans } = yield* recorder
    yield* inVirtualTime(
      Effect.either(AzureOpenAI.chat(hello)).pipe(Effect.provide(Layer.orDie(chat)), Effect.provide(layer))
    )
    return { spans, tree: render(spans) }
  })

const slow = (after: number) => Script.answer({ text: "hi", after })

describe("the span tree", () => {
  it.effect("of a call that was served at once", () =>
    Effect.gen(function* () {
      const { tree } = yield* treeOf(asLayers({}))

      assert.strictEqual(
        tree,
        [
          "chat gpt-4o [client] 0..120 ok attempts=1 deployment=ptu outcome=served served_by=provisioned waited_ms=0",
          "  attempt provisioned [client] 0..120 ok attempt=1 deployment=ptu http.response.status_code=200"
        ].join("\n")
      )
    }).pipe(Effect.provide(inProcess(Script.make({ ptu: [slow(120)] }))))
  )

  it.effect("of a call that waited", () =>
    Effect.gen(function* () {
      const { tree } = yield* treeOf(asLayers({}))

      assert.strictEqual(
        tree,
        [
          "chat gpt-4o [client] 0..1200 ok attempts=2 deployment=ptu outcome=served_after_wait served_by=provisioned waited_ms=1000",
          "  * spillway.retry @50",
          "  attempt provisioned [client] 0..50 error attempt=1 deployment=ptu error.type=429 http.response.status_code=429 retry_after_ms=1000",
          "  wait [internal] 50..1050 ok deployment=ptu wait.planned_ms=1000 wait.reason=retry-after",
          "  attempt provisioned [client] 1050..1200 ok attempt=2 deployment=ptu http.request.resend_count=1 http.response.status_code=200"
        ].join("\n")
      )
    }).pipe(
      Effect.provide(inProcess(Script.make({ ptu: [Script.throttled({ retryAfterMs: 1000, after: 50 }), slow(150)] })))
    )
  )

  it.effect("of a call that waited in vain and fell back", () =>
    Effect.gen(function* () {
      const { tree } = yield* treeOf(asLayers({}))

      assert.strictEqual(
        tree,
        [
          "chat gpt-4o [client] 0..3300 ok attempts=3 deployment=std outcome=fallback served_by=standard waited_ms=2500",
          "  * spillway.retry @100",
          "  * spillway.fallback @3000",
          "  attempt provisioned [client] 0..100 error attempt=1 deployment=ptu error.type=429 http.response.status_code=429 retry_after_ms=2500",
          "  wait [internal] 100..2600 ok deployment=ptu wait.planned_ms=2500 wait.reason=retry-after",
          "  attempt provisioned [client] 2600..3000 error attempt=2 deployment=ptu error.type=429 http.request.resend_count=1 http.response.status_code=429 retry_after_ms=1500",
          "  attempt standard [client] 3000..3300 ok attempt=3 deployment=std http.response.status_code=200"
        ].join("\n")
      )
    }).pipe(
      Effect.provide(
        inProcess(
          Script.make({
            ptu: [
              Script.throttled({ retryAfterMs: 2500, after: 100 }),
              Script.throttled({ retryAfterMs: 1500, after: 400 })
            ],
            std: [slow(300)]
          })
        )
      )
    )
  )

  it.effect("of a call that failed everywhere", () =>
    Effect.gen(function* () {
      const { tree } = yield* treeOf(asLayers({}))

      assert.strictEqual(
        tree,
        [
          "chat gpt-4o [client] 0..500 error attempts=3 error.type=RateLimited outcome=failed waited_ms=500",
          "  * spillway.fallback @0",
          "  * spillway.retry @0",
          "  attempt provisioned [client] 0..0 error attempt=1 deployment=ptu error.type=503 http.response.status_code=503",
          "  attempt standard [client] 0..0 error attempt=2 deployment=std error.type=429 http.response.status_code=429 retry_after_ms=500",
          "  wait [internal] 0..500 ok deployment=std wait.planned_ms=500 wait.reason=retry-after",
          "  attempt standard [client] 500..500 error attempt=3 deployment=std error.type=429 http.request.resend_count=1 http.response.status_code=429 retry_after_ms=90000"
        ].join("\n")
      )
    }).pipe(
      Effect.provide(
        inProcess(
          Script.make({
            ptu: [Script.error(ErrorReply.noHealthyUpstream)],
            std: [Script.throttled({ retryAfterMs: 500 }), Script.throttled({ retryAfterMs: 90_000 })]
          })
        )
      )
    )
  )

  it.effect("of a lone deployment has a root too", () =>
    Effect.gen(function* () {
      const { tree } = yield* treeOf(Deployment.standard(at("std")))

      assert.strictEqual(
        tree,
        [
          "chat gpt-4o [client] 0..10 ok attempts=1 deployment=std outcome=served served_by=standard waited_ms=0",
          "  attempt standard [client] 0..10 ok attempt=1 deployment=std http.response.status_code=200"
        ].join("\n")
      )
    }).pipe(Effect.provide(inProcess(Script.make({ std: [slow(10)] }))))
  )

  it.effect("is the same however the chain is nested", () =>
    Effect.gen(function* () {
      const [a, b, c] = [Deployment.provisioned(at("a")), Deployment.standard(at("b")), Deployment.standard(at("c"))]
      const left = a.pipe(Deployment.orElse(b), Deployment.orElse(c))
      const right = Deployment.orElse(a, Deployment.orElse(b, c))
      const expected = [
        "chat gpt-4o [client] 0..30 ok attempts=3 deployment=c outcome=fallback served_by=standard waited_ms=0",
        "  * spillway.fallback @10",
        "  * spillway.fallback @20",
        "  attempt provisioned [client] 0..10 error attempt=1 deployment=a error.type=429 http.response.status_code=429",
        "  attempt standard [client] 10..20 error attempt=2 deployment=b error.type=429 http.response.status_code=429",
        "  attempt standard [client] 20..30 ok attempt=3 deployment=c http.response.status_code=200"
      ].join("\n")
      const script = Script.make({
        a: [Script.throttled({ after: 10 })],
        b: [Script.throttled({ after: 10 })],
        c: [slow(10)]
      })
      const fromZero = (chat: typeof left) =>
        Effect.provide(treeOf(chat), inProcess(script)).pipe(
          Effect.map(({ spans }) => {
            const zero = spans[0]?.start ?? 0
            return render(
              spans.map((span) => ({
                ...span,
                start: span.start - zero,
                end: (span.end ?? 0) - zero,
                events: span.events.map((event) => ({ ...event, at: event.at - zero }))
              }))
            )
          })
        )

      assert.strictEqual(yield* fromZero(left), expected)
      assert.strictEqual(yield* fromZero(right), expected)
    })
  )

  it.effect("of an interrupted call, while waiting and while calling", () =>
    Effect.gen(function* () {
      const { layer, spans } = yield* recorder
      const fiber = yield* Effect.fork(
        AzureOpenAI.chat(hello).pipe(Effect.provide(Layer.orDie(asLayers({}))), Effect.provide(layer))
      )
      yield* TestClock.adjust("400 millis")
      yield* Fiber.interrupt(fiber)

      assert.strictEqual(
        render(spans),
        [
          "chat gpt-4o [client] 0..400 interrupted attempts=1 outcome=interrupted waited_ms=400",
          "  * spillway.retry @0",
          "  attempt provisioned [client] 0..0 error attempt=1 deployment=ptu error.type=429 http.response.status_code=429 retry_after_ms=1000",
          "  wait [internal] 0..400 interrupted deployment=ptu wait.planned_ms=1000 wait.reason=retry-after"
        ].join("\n")
      )
    }).pipe(Effect.provide(inProcess(Script.make({ ptu: [Script.throttled({ retryAfterMs: 1000 })] }))))
  )

  it.effect("carries the GenAI attributes on the root only, and where the request went on the attempt", () =>
    Effect.gen(function* () {
      const { layer, spans } = yield* recorder
      const ptu = Deployment.provisioned(at("ptu", { endpoint: "http://127.0.0.1:8080" }))
      const answer = yield* AzureOpenAI.chat({ ...hello, max_tokens: 64, temperature: 0.2 }).pipe(
        Effect.provide(Layer.orDie(ptu)),
        Effect.provide(layer)
      )
      const [root, attempt] = spans

      assert.strictEqual(attempt?.parent, root?.id)
      assert.deepStrictEqual(Object.fromEntries(root?.attributes ?? []), {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "azure.ai.openai",
        "azure.resource_provider.namespace": "Microsoft.CognitiveServices",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.max_tokens": 64,
        "gen_ai.request.temperature": 0.2,
        "gen_ai.response.id": answer.completion.id,
        "gen_ai.response.model": answer.completion.model,
        "gen_ai.response.finish_reasons": "stop",
        "gen_ai.usage.input_tokens": answer.usage?.prompt_tokens,
        "gen_ai.usage.output_tokens": answer.usage?.completion_tokens,
        "spillway.attempts": 1,
        "spillway.waited_ms": 0,
        "spillway.outcome": "served",
        "spillway.served_by": "provisioned",
        "spillway.deployment": "ptu"
      })
      assert.deepStrictEqual(Object.fromEntries(attempt?.attributes ?? []), {
        "server.address": "127.0.0.1",
        "server.port": 8080,
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "azure.service.request.id": answer.served.requestId,
        "spillway.deployment": "ptu",
        "spillway.attempt": 1
      })
    }).pipe(Effect.provide(inProcess(Script.make({ ptu: [Script.answer({ text: "hi" })] }))))
  )

  it.effect("of plain Effect.retry has a root for every try, and no wait spans", () =>
    Effect.gen(function* () {
      const { layer, spans } = yield* recorder
      const ask = AzureOpenAI.chat(hello).pipe(Effect.provide(Layer.orDie(Deployment.provisioned(at("ptu")))))
      yield* inVirtualTime(ask.pipe(Effect.retry(RetryAfter.within("4 seconds")), Effect.provide(layer)))

      assert.strictEqual(
        render(spans),
        [
          "chat gpt-4o [client] 0..0 error attempts=1 error.type=RateLimited outcome=failed waited_ms=0",
          "  attempt provisioned [client] 0..0 error attempt=1 deployment=ptu error.type=429 http.response.status_code=429 retry_after_ms=1000",
          "chat gpt-4o [client] 1000..1000 ok attempts=1 deployment=ptu outcome=served served_by=provisioned waited_ms=0",
          "  attempt provisioned [client] 1000..1000 ok attempt=1 deployment=ptu http.response.status_code=200"
        ].join("\n")
      )
    }).pipe(
      Effect.provide(inProcess(Script.make({ ptu: [Script.throttled({ retryAfterMs: 1000 }), Script.answer()] })))
    )
  )
})
