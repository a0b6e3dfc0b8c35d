import { assert, describe, it } from "@effect/vitest"
import { Bucket } from "@spillway/emulator"
import { Either, FastCheck } from "effect"

// 60 000 tokens a minute: one token a millisecond.
const simple = Bucket.make({ drainPerMinute: 60_000, windowSeconds: 1 })

const pour = (bucket: Bucket.Bucket, now: number, charge: number): Bucket.Bucket =>
  Either.getOrThrow(Bucket.admit(bucket, now, charge))

/** The bucket as a sum of exact fractions over bigint: an oracle that shares nothing with the module but the rules. */
const oracle = (drainPerMinute: number, windowSeconds: number) => {
  const full = BigInt(drainPerMinute) * BigInt(windowSeconds) * 1000n
  let level = 0n
  let at = 0
  const drainTo = (now: number) => {
    for (; at < now; at++) level = level > BigInt(drainPerMinute) ? level - BigInt(drainPerMinute) : 0n
  }
  return {
    admit: (now: number, charge: number): boolean => {
      drainTo(now)
      if (level >= full) return false
      level += BigInt(charge) * 60_000n
      return true
    },
    correct: (now: number, difference: number): void => {
      drainTo(now)
      level += BigInt(difference) * 60_000n
      if (level < 0n) level = 0n
    },
    level: (now: number): number => {
      drainTo(now)
      return Number(level) / 60_000
    }
  }
}

describe("Bucket", () => {
  it("is as deep as the drain of its window", () => {
    assert.strictEqual(Bucket.make({ drainPerMinute: 15 * 2500, windowSeconds: 10 }).capacity, 6250)
    assert.strictEqual(Bucket.level(simple, 0), 0)
    assert.strictEqual(Bucket.utilization(pour(simple, 0, 250), 0), 0.25)
  })

  it("drains steadily, to zero and no further", () => {
    const bucket = pour(simple, 0, 700)

    assert.strictEqual(Bucket.level(bucket, 1), 699)
    assert.strictEqual(Bucket.level(bucket, 699), 1)
    assert.strictEqual(Bucket.level(bucket, 700), 0)
    assert.strictEqual(Bucket.level(bucket, 10_000), 0)
  })

  it("admits a call of any size while it is not full, and none from exactly full on", () => {
    const nearlyFull = pour(simple, 0, 999)

    assert.strictEqual(Bucket.level(pour(nearlyFull, 0, 1_000_000), 0), 1_000_999)
    assert.deepStrictEqual(Bucket.admit(pour(simple, 0, 1000), 0, 0), Either.left(1))
  })

  it("says how long the excess takes to drain, to the millisecond", () => {
    const bucket = pour(simple, 0, 1500)

    assert.deepStrictEqual(Bucket.admit(bucket, 0, 1), Either.left(501))
    assert.deepStrictEqual(Bucket.admit(bucket, 500, 1), Either.left(1))
    assert.isTrue(Either.isRight(Bucket.admit(bucket, 501, 1)))
  })

  it("corrects an estimate in either direction, and never goes below zero", () => {
    const bucket = pour(simple, 0, 500)

    assert.strictEqual(Bucket.level(Bucket.correct(bucket, 100, -300), 100), 100)
    assert.strictEqual(Bucket.level(Bucket.correct(bucket, 100, 300), 100), 700)
    assert.strictEqual(Bucket.level(Bucket.correct(bucket, 400, -300), 400), 0)
  })

  it("does not refill when the clock steps back", () => {
    const bucket = pour(simple, 1000, 500)

    assert.strictEqual(Bucket.level(bucket, 0), 500)
    assert.strictEqual(Bucket.level(pour(bucket, 0, 100), 1000), 600)
  })

  const step = FastCheck.record({
    pause: FastCheck.integer({ min: 0, max: 40 }),
    charge: FastCheck.integer({ min: 0, max: 5000 }),
    correction: FastCheck.integer({ min: -5000, max: 5000 })
  })

  it.prop(
    "agrees with exact arithmetic, call by call",
    {
      drainPerMinute: FastCheck.integer({ min: 1, max: 10_000_000 }),
      windowSeconds: FastCheck.integer({ min: 1, max: 60 }),
      steps: FastCheck.array(step, { maxLength: 30 })
    },
    ({ drainPerMinute, steps, windowSeconds }) => {
      const expected = oracle(drainPerMinute, windowSeconds)
      let bucket = Bucket.make({ drainPerMinute, windowSeconds })
      let now = 0
      for (const { charge, correction, pause } of steps) {
        now += pause
        const outcome = Bucket.admit(bucket, now, charge)
        assert.strictEqual(Either.isRight(outcome), expected.admit(now, charge))
        bucket = Bucket.correct(
          Either.getOrElse(outcome, () => bucket),
          now,
          correction
        )
        expected.correct(now, correction)
        assert.strictEqual(Bucket.level(bucket, now), expected.level(now))
      }
    }
  )

  it("counts a capacity that is a fraction of a token exactly", () => {
    // 133 1/3 tokens: division and multiplication do not give that back to the last bit.
    const bucket = pour(Bucket.make({ drainPerMinute: 500, windowSeconds: 16 }), 0, 134)

    assert.deepStrictEqual(Bucket.admit(bucket, 0, 1), Either.left(81))
    assert.isTrue(Either.isLeft(Bucket.admit(bucket, 80, 1)))
    assert.isTrue(Either.isRight(Bucket.admit(bucket, 81, 1)))
  })

  it.prop(
    "admits after exactly the wait it names, and not a millisecond before",
    {
      drainPerMinute: FastCheck.integer({ min: 1, max: 10_000_000 }),
      windowSeconds: FastCheck.integer({ min: 1, max: 60 }),
      charge: FastCheck.integer({ min: 0, max: 50_000_000 }),
      now: FastCheck.integer({ min: 0, max: 100_000 })
    },
    ({ charge, drainPerMinute, now, windowSeconds }) => {
      const bucket = pour(Bucket.make({ drainPerMinute, windowSeconds }), 0, charge)
      const outcome = Bucket.admit(bucket, now, 1)
      if (Either.isRight(outcome)) return
      assert.isTrue(Number.isInteger(outcome.left) && outcome.left >= 1)
      assert.isTrue(Either.isRight(Bucket.admit(bucket, now + outcome.left, 1)))
      assert.isTrue(Either.isLeft(Bucket.admit(bucket, now + outcome.left - 1, 1)))
    }
  )
})
