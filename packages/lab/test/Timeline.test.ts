import { assert, describe, it } from "@effect/vitest"
import { Timeline } from "@spillway/lab"
import { FastCheck } from "effect"

describe("Timeline", () => {
  it("lets events happen in order of time, those of the same instant in order of planning", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.array(FastCheck.integer({ min: 0, max: 20 })), (times) => {
        const timeline = new Timeline.Timeline()
        const happened: Array<readonly [number, number]> = []
        times.forEach((time, index) => timeline.at(time, () => happened.push([timeline.now, index])))

        assert.isFalse(timeline.run(1000))

        const expected = times.map((time, index) => [time, index] as const).toSorted(([a, i], [b, j]) => a - b || i - j)
        assert.deepStrictEqual(happened, expected)
      })
    )
  })

  it("forgets what was called off, and nothing else", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(FastCheck.tuple(FastCheck.integer({ min: 0, max: 50 }), FastCheck.boolean())),
        (plans) => {
          const timeline = new Timeline.Timeline()
          const happened: Array<number> = []
          const events = plans.map(([time], index) => timeline.at(time, () => happened.push(index)))
          plans.forEach(([, off], index) => {
            const event = events[index]
            if (off && event !== undefined) timeline.cancel(event)
          })
          timeline.run(1000)

          const kept = plans.flatMap(([, off], index) => (off ? [] : [index]))
          assert.deepStrictEqual(
            happened.toSorted((a, b) => a - b),
            kept
          )
        }
      )
    )
  })

  it("takes an instant that has passed for now, and does not mind a second calling off", () => {
    const timeline = new Timeline.Timeline()
    const times: Array<number> = []
    const event = timeline.at(10, () => {
      times.push(timeline.now)
      timeline.at(3, () => times.push(timeline.now))
    })
    timeline.run(10)
    timeline.cancel(event)
    timeline.cancel(event)

    assert.deepStrictEqual(times, [10, 10])
    assert.isUndefined(timeline.next)
  })

  it("stops after as many events as asked for", () => {
    const timeline = new Timeline.Timeline()
    for (const time of [1, 2, 3]) timeline.at(time, () => {})

    assert.isTrue(timeline.run(2))
    assert.strictEqual(timeline.now, 2)
    assert.isFalse(timeline.run(2))
    assert.strictEqual(timeline.now, 3)
  })
})
