import { Deadline } from "@spillway/core"
import { Effect, Exit, FiberId } from "effect"
import type { Fiber } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { World } from "./support/world.js"

interface Task {
  readonly fiber: Fiber.RuntimeFiber<string, string>
  readonly name: string
  /** When its deadline passes, and when it would be done; one of them may never be. */
  readonly deadline: number
  readonly done: number
}

const step = fc.record({
  pause: fc.constantFrom(0, 0, 0, 1, 7),
  /** Out of how many so far one is interrupted; 0: a task begins. */
  interrupted: fc.oneof(
    { weight: 2, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 99 }) }
  ),
  deadline: fc.integer({ min: 1, max: 99 }),
  done: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 99 }))
})

describe("deadlines of one clock, which share one timer", () => {
  it("each passes at its own instant, whatever ends before it, and no timer is left behind", () => {
    let passed = 0
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const world = new World()
        const running = new Set<Task>()
        const settle = (): void => {
          world.run()
          for (const task of running) {
            const { deadline, done, fiber, name } = task
            const exit = fiber.unsafePoll()
            if (exit === null) continue
            running.delete(task)
            assert.strictEqual(world.now, Math.min(deadline, done), name)
            // What is done at its deadline may be heard of first.
            if (deadline !== done) assert.deepStrictEqual(exit, done < deadline ? Exit.succeed(name) : Exit.fail(name))
            if (Exit.isFailure(exit)) passed++
          }
          const busy = [...running].filter(({ done }) => done < Infinity).length
          assert.isAtMost(world.timers.size, running.size === 0 ? 0 : busy + 1)
        }
        const pass = (until: number): void => {
          while (world.next <= until && world.advance()) settle()
        }

        for (const [index, { deadline, done, interrupted, pause }] of steps.entries()) {
          const until = world.now + pause
          pass(until)
          world.now = until
          const victim = interrupted === 0 ? undefined : [...running][interrupted % Math.max(1, running.size)]
          if (victim !== undefined) {
            running.delete(victim)
            victim.fiber.unsafeInterruptAsFork(FiberId.none)
            settle()
            assert.isTrue(Exit.isInterrupted(victim.fiber.unsafePoll() ?? Exit.fail("goes on")), victim.name)
          } else {
            const name = `task ${index}`
            const work = done < Infinity ? Effect.delay(Effect.succeed(name), done) : Effect.never
            const at = world.unsafeCurrentTimeNanos() + BigInt(deadline) * 1_000_000n
            const fiber = world.fork(Deadline.failAt(work, at, () => name))
            running.add({ fiber, name, deadline: world.now + deadline, done: world.now + done })
            settle()
          }
        }
        pass(Infinity)
        assert.strictEqual(running.size, 0)
      }),
      { numRuns: 200, seed: 1 }
    )
    assert.isAbove(passed, 1000)
  })
})
