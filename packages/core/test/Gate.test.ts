import { assert, describe, it } from "@effect/vitest"
import { Gate } from "@spillway/core"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

type Ticket = Gate.Ticket<string>

const call = (data: string, more?: Partial<Gate.Arrival<string>>): Ticket =>
  Gate.ticket({ data, priority: 0, order: Number(data.replace(/\D/g, "")), cost: 100, latest: 4000, ...more })

/** What was decided, as text. */
const said = (actions: Gate.Actions<string>): ReadonlyArray<string> =>
  actions.map((action) => `${action._tag} ${action.ticket.data}`)

/** A token a millisecond, nothing saved up: a call of 100 tokens keeps the gate shut for 100 ms. */
const strict = (more?: Partial<Gate.Options>): Gate.Gate<string> =>
  Gate.make({ tokensPerSecond: 1000, burstMs: 0, size: "exact", ...more })

describe("Gate", () => {
  it("sends at the pace of the drain, in order of arrival", () => {
    const gate = strict()

    assert.deepStrictEqual(said(gate.submit(call("1"), 0)), ["Send 1"])
    assert.deepStrictEqual(said(gate.submit(call("2"), 0)), [])
    assert.deepStrictEqual(said(gate.submit(call("3"), 10)), [])
    assert.strictEqual(gate.wakeAt, 100)
    assert.deepStrictEqual(said(gate.tick(99)), [])
    assert.deepStrictEqual(said(gate.tick(100)), ["Send 2"])
    assert.deepStrictEqual(said(gate.tick(200)), ["Send 3"])
    assert.strictEqual(gate.wakeAt, Infinity)
  })

  it("sends what an idle deployment has saved up at once, and no more", () => {
    const gate = strict({ burstMs: 250 })

    const sent = ["1", "2", "3", "4"].flatMap((data) => said(gate.submit(call(data, { latest: 20_000 }), 10_000)))

    // Room for 250 ms of drain: two calls fill it to 200, and one more is taken whatever its size.
    assert.deepStrictEqual(sent, ["Send 1", "Send 2", "Send 3"])
    assert.strictEqual(gate.wakeAt, 10_050)
  })

  for (const [latest, fate] of [
    [99, ["GiveUp 2"]],
    [100, []],
    [101, []]
  ] as const) {
    it(`a call that can wait ${latest} ms for a turn at 100 ms: ${fate.length === 0 ? "waits" : "is given up at once"}`, () => {
      const gate = strict()
      gate.submit(call("1"), 0)

      assert.deepStrictEqual(said(gate.submit(call("2", { latest }), 0)), fate)
      assert.deepStrictEqual(said(gate.tick(100)), fate.length === 0 ? ["Send 2"] : [])
    })
  }

  it("sends a call that cannot wait while there is room, even when its time has passed", () => {
    assert.deepStrictEqual(said(strict().submit(call("1", { latest: 0 }), 5)), ["Send 1"])
  })

  it("lets a higher class pass, and tells those it makes late halfway to their latest instant", () => {
    const gate = strict()
    // One answer that took all it was charged: predictions count in full.
    const first = call("1")
    gate.submit(first, 0)
    gate.completed(first, 0, 100)
    gate.submit(call("2", { priority: 10, latest: 300 }), 0)
    const interactive = [3, 4, 5].flatMap((n) => said(gate.submit(call(String(n)), 10)))

    assert.deepStrictEqual(interactive, [])
    assert.deepStrictEqual(said(gate.tick(100)), ["Send 3"])
    // Looked at when it came: turn at 100. Looked at again at 150: two before it, turn at 400.
    assert.strictEqual(gate.wakeAt, 150)
    assert.deepStrictEqual(said(gate.tick(150)), ["GiveUp 2"])
  })

  it("believes a prediction only from close by: those in front may be given up before", () => {
    const gate = strict()
    const first = call("1")
    gate.submit(first, 0)
    gate.completed(first, 0, 100)
    // A hundred calls in front, 100 ms each: its turn would come at 10 s, and it can wait 8 s.
    for (let n = 2; n <= 101; n++) gate.submit(call(String(n), { latest: 60_000 }), 0)
    assert.deepStrictEqual(said(gate.submit(call("999", { latest: 8000 }), 0)), [])

    let toldAt = -1
    while (toldAt < 0 && gate.wakeAt <= 8000) {
      const now = gate.wakeAt
      if (said(gate.tick(now)).includes("GiveUp 999")) toldAt = now
    }
    assert.isAtLeast(toldAt, 3000)
    assert.isBelow(toldAt, 8000)
  })

  it("tells everybody who cannot wait for the server's hint as soon as it comes", () => {
    const gate = strict()
    const first = call("1")
    gate.submit(first, 0)
    gate.submit(call("2", { latest: 4000 }), 0)
    gate.submit(call("3", { latest: 6000 }), 0)

    assert.deepStrictEqual(said(gate.throttled(first, 20, 5000)), ["GiveUp 2"])
    assert.strictEqual(gate.snapshot(20).waiting, 1)
  })

  it("is closed by no hint for longer than a minute: then one call is sent to see", () => {
    const gate = strict()
    const first = call("1")
    gate.submit(first, 0)
    gate.throttled(first, 20, 86_400_000)
    gate.submit(call("2", { latest: 62_000 }), 58_000)
    gate.submit(call("3", { latest: 64_000 }), 58_000)

    assert.deepStrictEqual(said(gate.tick(60_019)), [])
    assert.deepStrictEqual(said(gate.tick(60_020)), ["Send 2"])
  })

  it("a call that comes back after a refusal is in front of those who came after it", () => {
    const gate = strict()
    const first = call("1")
    gate.submit(first, 0)
    gate.submit(call("2"), 5)
    gate.throttled(first, 20, 300)

    gate.submit(call("1"), 20)

    assert.strictEqual(gate.wakeAt, 320)
    assert.deepStrictEqual(said(gate.tick(320)), ["Send 1"])
    assert.deepStrictEqual(said(gate.tick(gate.wakeAt)), ["Send 2"])
  })

  it("a refusal says how full the bucket was; what was sent since is added, what was sent before is in it", () => {
    const gate = strict({ burstMs: 10_000 })
    const [first, second, third] = [call("1"), call("2"), call("3")]
    for (const [at, ticket] of [first, second, third].entries()) gate.submit(ticket, at)

    // The second of three in flight: the first is in its hint, the third is not.
    gate.throttled(second, 30, 500)
    assert.strictEqual(gate.snapshot(30).fullForMs, 600)
    // Older news than that of the second: it changes nothing.
    gate.throttled(first, 31, 9000)
    assert.strictEqual(gate.snapshot(31).fullForMs, 599)
    // Newer news counts alone.
    gate.throttled(third, 32, 550)
    assert.strictEqual(gate.snapshot(32).fullForMs, 550)
    // Nobody else waits, so nobody is sent when the gate opens: refusals bring nothing forth.
    assert.strictEqual(gate.wakeAt, Infinity)
  })

  it("an answer gives back what it did not take, and the gate opens before the hint", () => {
    const gate = strict()
    const [big, next] = [call("1", { cost: 5000 }), call("2", { latest: 10_000 })]
    gate.submit(big, 0)
    gate.submit(next, 0)

    assert.strictEqual(gate.wakeAt, 5000)
    assert.deepStrictEqual(said(gate.completed(big, 1000, 600)), ["Send 2"])
  })

  it("guesses where a refusal came without a hint: 50 ms, half as much more every time, until one is let through", () => {
    const gate = strict()
    const opensAfter = (order: number): number => {
      const ticket = call(String(order), { cost: 0 })
      gate.submit(ticket, order * 10_000)
      gate.throttled(ticket, order * 10_000, undefined)
      return gate.snapshot(order * 10_000).fullForMs
    }

    assert.deepStrictEqual([1, 2, 3].map(opensAfter), [50, 75, 112.5])
    const served = call("4")
    gate.submit(served, 40_000)
    gate.completed(served, 40_000, 0)
    assert.strictEqual(opensAfter(5), 50)
  })

  it("slows down by a tenth for refusals, once in 50 ms, and not for a surprise", () => {
    const gate = strict({ burstMs: 60_000 })
    const refuse = (order: number, now: number): number => {
      const ticket = call(String(order), { cost: 10 })
      gate.submit(ticket, now)
      gate.throttled(ticket, now, 1)
      return gate.snapshot(now).pace
    }

    assert.deepStrictEqual([refuse(1, 0), refuse(2, 10), refuse(3, 20), refuse(4, 80)], [1, 0.9, 0.9, 0.81])
  })

  it("goes faster while calls wait and none is refused, unless its size is exact", () => {
    const pace = (size: "exact" | "estimated"): number => {
      const gate = strict({ size })
      for (let n = 0; n < 101; n++) gate.submit(call(String(n), { latest: 1e6 }), 0)
      while (gate.wakeAt < Infinity) gate.tick(gate.wakeAt)
      return gate.snapshot(0).pace
    }

    // The first finds nobody waiting, and the last leaves nobody: 99 steps.
    assert.strictEqual(pace("exact"), 1)
    assert.approximately(pace("estimated"), 1.003 ** 99, 1e-9)
  })

  it.each([
    { name: "a priority that is no number", more: { priority: Number.NaN } },
    { name: "a cost that is no number", more: { cost: Number.NaN } },
    { name: "an endless cost", more: { cost: Infinity } },
    { name: "a negative cost", more: { cost: -1e9 } },
    { name: "an actual cost that is no number", actual: Number.NaN },
    { name: "an endless actual cost", actual: Infinity },
    { name: "a negative actual cost", actual: -1e9 }
  ])("$name does not bring the gate to a halt, nor open it", ({ actual = 100, more }) => {
    const gate = strict()
    const odd = call("1", more)
    // Twice, because it is the difference of two that is no number.
    for (const ticket of [odd, call("2", more)]) {
      gate.submit(ticket, 0)
      gate.completed(ticket, 0, actual)
    }
    for (const n of [3, 4, 5]) gate.submit(call(String(n), { ...more, latest: 100 }), 0)
    const sent = [6, 7].map((n) => said(gate.submit(call(String(n), { latest: 1e15 }), 10)))
    const later: Array<string> = []
    while (gate.wakeAt < Infinity && later.length < 10) later.push(...said(gate.tick(gate.wakeAt)))

    assert.include([...sent.flat(), ...later], "Send 7")
    assert.strictEqual(gate.snapshot(1e15).waiting, 0)
    assert.isFalse(
      sent.every((actions) => actions.length === 1),
      "6 and 7 are not sent at once"
    )
  })

  it("beyond its bound the last in line goes, be it the one that came or one of a lower class", () => {
    const gate = strict({ maxWaiting: 2 })
    gate.submit(call("1"), 0)
    gate.submit(call("2", { priority: 10 }), 0)
    gate.submit(call("3"), 0)

    assert.deepStrictEqual(said(gate.submit(call("4"), 0)), ["GiveUp 2"])
    assert.deepStrictEqual(said(gate.submit(call("5", { priority: 10 }), 0)), ["GiveUp 5"])
    assert.deepStrictEqual(said(gate.submit(call("6"), 0)), ["GiveUp 6"])
  })

  it("a call that may not be sent yet lets others pass, and then has its place again", () => {
    const gate = strict()
    gate.submit(call("9"), 0)
    gate.submit(call("1", { notBefore: 150 }), 0)
    gate.submit(call("2"), 0)
    gate.submit(call("3"), 0)

    assert.deepStrictEqual(said(gate.tick(100)), ["Send 2"])
    assert.strictEqual(gate.wakeAt, 150)
    assert.deepStrictEqual(said(gate.tick(150)), [])
    assert.deepStrictEqual(said(gate.tick(200)), ["Send 1"])
  })

  it("eases into what a quiet time has saved up, so that a refusal is back before all of a crowd is sent", () => {
    const gate = strict({ burstMs: 60_000 })
    const crowd = [1, 2, 3, 4, 5].flatMap((n) => said(gate.submit(call(String(n), { cost: 4000, latest: 1100 }), 1000)))

    // 10 s of drain in 50 ms are 4 s in 20 ms. The others are expected within the second that they can wait, for there is room.
    assert.deepStrictEqual(crowd, ["Send 1", "Send 2", "Send 3"])
    assert.strictEqual(gate.wakeAt, 1010)
    assert.deepStrictEqual(said(gate.tick(1010)), ["Send 4"])
    assert.deepStrictEqual(said(gate.tick(1030)), ["Send 5"])
  })

  it("comes near the pace it was refused at slowly, and leaves it behind quickly", () => {
    const gate = strict({ size: "estimated" })
    const pace = () => gate.snapshot(0).pace
    let now = 0
    let order = 0
    const advance = () => gate.tick((now = gate.wakeAt))
    const refused = call(String(++order), { latest: 1e9 })
    gate.submit(refused, 0)
    for (let n = 0; n < 400; n++) gate.submit(call(String(++order), { latest: 1e9 }), 0)
    gate.throttled(refused, 10, 100)
    assert.strictEqual(pace(), 0.9)
    for (let n = 0; n < 25; n++) advance()
    assert.approximately(pace(), 1, 1e-9)

    const steps = Array.from({ length: 300 }, () => {
      const before = pace()
      advance()
      return [before, pace() / before - 1] as const
    })
    // Refused at 1: 15 hundredths of the growth beside it, all of it from 1.1 on.
    assert.approximately(steps[0]?.[1] ?? 0, 0.00045, 1e-9)
    const far = steps.find(([before]) => before > 1.1)
    assert.approximately(far?.[1] ?? 0, 0.003, 1e-9)
    assert.isAbove(now, 0)
  })

  it("a turn that nobody takes goes to the next", () => {
    const gate = strict()
    const first = call("1")
    gate.submit(first, 0)
    gate.submit(call("2"), 0)

    assert.deepStrictEqual(said(gate.cancel(first, 1)), ["Send 2"])
    assert.deepStrictEqual(said(gate.cancel(first, 2)), [])
    assert.deepStrictEqual(said(gate.completed(first, 3, 100)), [])
  })

  it("gives everybody up when it is closed", () => {
    const gate = strict()
    for (const data of ["1", "2", "3"]) gate.submit(call(data), 0)

    assert.deepStrictEqual(said(gate.close(1)), ["GiveUp 2", "GiveUp 3"])
    assert.strictEqual(gate.wakeAt, Infinity)
  })

  it("takes less than 512 bytes for a call, at 100 000 waiting, and looks at few of them to wake one", () => {
    setFlagsFromString("--expose-gc")
    const collect: () => void = runInNewContext("gc")
    const waiting = 100_000
    const gate = Gate.make<undefined>({ tokensPerSecond: 1000, burstMs: 0 })
    const submit = (order: number) =>
      gate.submit(
        Gate.ticket({
          data: undefined,
          priority: order % 3,
          // Fractions, as times have in life: whole numbers take less.
          order: order + 0.5,
          cost: 100.25,
          latest: 1e9 + order / 3
        }),
        0.25 + order / 1e6
      )
    submit(0)
    collect()
    const before = process.memoryUsage().heapUsed
    for (let order = 1; order <= waiting; order++) submit(order)
    collect()
    const bytes = (process.memoryUsage().heapUsed - before) / waiting

    const began = performance.now()
    let sent = 0
    while (sent < 1000) sent += gate.tick(gate.wakeAt).filter((action) => action._tag === "Send").length
    const micros = (performance.now() - began) * 1000
    // eslint-disable-next-line no-console
    console.info(`gate: ${Math.round(bytes)} bytes per waiting call, ${(micros / sent).toFixed(1)} us per wake-up`)

    assert.isBelow(bytes, 512)
    assert.strictEqual(gate.snapshot(0).waiting, waiting - 1000)
  })
})
