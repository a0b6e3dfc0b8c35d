import { assert, describe, it } from "@effect/vitest"
import { Gate } from "@spillway/core"
import { FastCheck } from "effect"
import { Oracle } from "./support/gateOracle.js"

const command = FastCheck.record({
  pause: FastCheck.oneof(FastCheck.constant(0), FastCheck.integer({ min: 0, max: 600 })),
  kind: FastCheck.constantFrom(
    "submit",
    "submit",
    "submit",
    "submit",
    "cancel",
    "complete",
    "complete",
    "unknown",
    "throttle",
    "fail"
  ),
  which: FastCheck.nat(50),
  priority: FastCheck.constantFrom(0, 0, 1, 10),
  cost: FastCheck.integer({ min: 0, max: 2000 }),
  budget: FastCheck.constantFrom(0, 100, 1000, 4000),
  delay: FastCheck.constantFrom(0, 0, 0, 300),
  hint: FastCheck.constantFrom(undefined, 1, 80, 700, 5000),
  comesBack: FastCheck.boolean(),
  // A timer may ring late, by a lot when the event loop is blocked.
  late: FastCheck.constantFrom(0, 0, 0, 3, 400)
})

type Command = typeof command extends FastCheck.Arbitrary<infer C> ? C : never

const play = (options: Gate.Options, commands: ReadonlyArray<Command>): void => {
  const gate = Gate.make<number>(options)
  const oracle = new Oracle(gate, options)
  let now = 0
  let order = 0
  const advance = (until: number, late: number): void => {
    while (gate.wakeAt + late <= until) {
      now = Math.max(now, gate.wakeAt + late)
      oracle.tick(now)
    }
    now = Math.max(now, until)
  }
  const submit = (place: number, priority: number, { budget, cost, delay }: Command): void => {
    oracle.submit(
      Gate.ticket({ data: place, priority, order: place, cost, latest: now + budget, notBefore: now + delay }),
      now
    )
  }
  const pick = <A>(from: ReadonlyArray<A>, which: number): A | undefined => from[which % Math.max(1, from.length)]

  for (const step of commands) {
    advance(now + step.pause, step.late)
    const sent = pick(oracle.inFlight, step.which)
    if (step.kind === "submit") submit(++order, step.priority, step)
    else if (step.kind === "cancel") {
      const gone = pick([...oracle.waits, ...oracle.inFlight], step.which)
      if (gone !== undefined) oracle.cancel(gone, now)
    } else if (sent !== undefined) {
      if (step.kind === "complete") oracle.completed(sent, now, step.cost)
      if (step.kind === "unknown") oracle.completed(sent, now, undefined)
      if (step.kind === "fail") oracle.failed(sent, now)
      if (step.kind === "throttle") {
        oracle.throttled(sent, now, step.hint)
        if (step.comesBack) submit(sent.data, sent.priority, step)
      }
    }
  }

  // Everybody is answered in the end: the line empties, and every call had exactly one fate.
  for (let sent = oracle.inFlight[0]; sent !== undefined || gate.wakeAt < Infinity; sent = oracle.inFlight[0]) {
    if (sent === undefined) advance(gate.wakeAt, 0)
    else oracle.completed(sent, now, sent.cost)
  }
  assert.deepStrictEqual(oracle.waits, [])
  for (const fates of oracle.outcomes.values()) assert.strictEqual(fates.length, 1, fates.join(", "))
}

describe("Gate", () => {
  it.prop(
    "agrees with the rules, whatever happens in whatever order",
    {
      options: FastCheck.record({
        tokensPerSecond: FastCheck.constantFrom(100, 1000, 50_000),
        size: FastCheck.constantFrom("exact" as const, "estimated" as const),
        burstMs: FastCheck.constantFrom(0, 500, 10_000),
        maxWaiting: FastCheck.constantFrom(0, 5, 100_000)
      }),
      commands: FastCheck.array(command, { maxLength: 120, size: "max" })
    },
    ({ commands, options }) => play(options, commands),
    { fastCheck: { numRuns: 300 } }
  )
})
