/**
 * What some work allocates. With a young generation so large that nothing is collected while the work goes on, the heap in use
 * grows by exactly what was allocated, garbage or not; so does the memory of buffers outside of it. Both are counted.
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { PerformanceObserver } from "node:perf_hooks"

/** What node has to be started with. Memory is taken from the system as it is used. */
export const flags: ReadonlyArray<string> = ["--expose-gc", "--min-semi-space-size=1024", "--max-semi-space-size=1024"]

/** Something was collected meanwhile, so nothing can be said. */
export class Collected extends Data.TaggedError("Collected")<{ readonly times: number }> {}

const settling = Duration.millis(50)

/** What came of `self`, and the bytes it allocated. Fails where node collected garbage meanwhile, as it does without the {@link flags}. */
export const measure = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<readonly [A, number], E | Collected, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const seen: Array<number> = []
      const observer = new PerformanceObserver((list) =>
        seen.push(...list.getEntries().map((entry) => entry.startTime))
      )
      observer.observe({ entryTypes: ["gc"] })
      return { observer, seen }
    }),
    ({ seen }) =>
      Effect.gen(function* () {
        // What the first leaves to finalizers, the second frees.
        globalThis.gc?.()
        yield* Effect.sleep(settling)
        globalThis.gc?.()
        const began = performance.now()
        const before = process.memoryUsage()
        const value = yield* self
        const after = process.memoryUsage()
        // Observers are told a moment later.
        yield* Effect.sleep(settling)
        const times = seen.filter((at) => at >= began).length
        if (times > 0) return yield* new Collected({ times })
        return [value, after.heapUsed - before.heapUsed + (after.external - before.external)] as const
      }),
    ({ observer }) => Effect.sync(() => observer.disconnect())
  )
