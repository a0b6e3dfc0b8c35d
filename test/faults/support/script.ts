import * as fc from "fast-check"

/** What comes of a request, so many milliseconds after it was sent. */
export interface Reply {
  readonly after: number
  readonly is: "answered" | "unmetered" | "throttled" | "failed" | "broken" | "never"
  /** What it cost in the end, where it is answered and says so: as a share of the estimate. */
  readonly share: number
  readonly hint: number | undefined
}

/** A call, as its caller means it. */
export interface Plan {
  readonly priority: number
  readonly cost: number
  /** Defaults to the policy's. */
  readonly maxWait: number | undefined
  readonly deadline: number | undefined
  /** What comes of each of its requests; of those beyond the list an answer. */
  readonly replies: ReadonlyArray<Reply>
  /** How long it goes on after its answer has begun, as a stream does; undefined where it is none. */
  readonly streams: number | undefined
  /** How much later than now it may be sent at the earliest, where it asks the gate itself. */
  readonly delay: number
  /** Whether the gate is told again what has become of a turn. */
  readonly twice: boolean
}

/** Something that happens, so long after what happened before it. `after`: so many operations of any fiber later. */
export type Command =
  | {
      readonly do: "arrive"
      readonly pause: number
      readonly plan: Plan
      readonly interruptedAfter: number | undefined
      /** Before the fibers of the arrivals so far have run. */
      readonly together: boolean
    }
  | { readonly do: "interrupt"; readonly pause: number; readonly which: number; readonly after: number }
  | { readonly do: "stall"; readonly pause: number; readonly millis: number }
  | { readonly do: "close"; readonly pause: number }

export interface Script {
  readonly tokensPerSecond: number
  readonly burstMs: number
  readonly size: "exact" | "estimated"
  readonly maxWaiting: number
  /** The policy's. */
  readonly maxWait: number
  /** The Schedule's own pause between attempts, where it has one. */
  readonly spaced: number | undefined
  /** By how much timers ring early. */
  readonly early: number
  /** After how many operations a fiber lets others go on: more than it takes to do so. */
  readonly patience: number
  readonly commands: ReadonlyArray<Command>
}

const rarely = <A>(arbitrary: fc.Arbitrary<A>): fc.Arbitrary<A | undefined> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })

// Mostly so little that there is a crowd.
const pause = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(0, 0, 1, 20) }, { weight: 1, arbitrary: fc.nat(900) })

const reply = (is: ReadonlyArray<Reply["is"]>): fc.Arbitrary<Reply> =>
  fc.record({
    after: fc.constantFrom(0, 1, 20, 20, 150, 150, 700, 3000),
    is: fc.constantFrom(...is),
    share: fc.constantFrom(0.25, 0, 1, 1.5),
    hint: fc.constantFrom(1, 80, 80, 700, 700, 5000, 90_000, undefined)
  })

const plan = (is: ReadonlyArray<Reply["is"]>): fc.Arbitrary<Plan> =>
  fc.record({
    priority: fc.constantFrom(0, 0, 1, 10),
    cost: fc.oneof(fc.constantFrom(100, 0), fc.nat(2000)),
    maxWait: fc.constantFrom(undefined, undefined, 0, 300, 1500, 6000, 150_000, 150_000),
    deadline: rarely(fc.constantFrom(0, 150, 2000, 8000)),
    replies: fc.array(reply(is), { maxLength: 3, size: "max" }),
    streams: rarely(fc.constantFrom(0, 400)),
    delay: fc.constantFrom(0, 0, 0, 0, 250),
    twice: fc.boolean()
  })

const commands = (is: ReadonlyArray<Reply["is"]>): fc.Arbitrary<ReadonlyArray<Command>> =>
  fc.array(
    fc.oneof(
      {
        weight: 48,
        arbitrary: fc.record({
          do: fc.constant("arrive" as const),
          pause,
          plan: plan(is),
          interruptedAfter: rarely(fc.nat(400)),
          together: fc.boolean()
        })
      },
      {
        weight: 16,
        arbitrary: fc.record({
          do: fc.constant("interrupt" as const),
          pause,
          which: fc.nat(30),
          after: fc.oneof(fc.constant(0), fc.nat(300))
        })
      },
      { weight: 5, arbitrary: fc.record({ do: fc.constant("stall" as const), pause, millis: fc.nat(1500) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("close" as const), pause }) }
    ),
    { maxLength: 30, size: "max" }
  )

const some: ReadonlyArray<Reply["is"]> = ["answered", "answered", "answered", "unmetered", "failed", "broken", "never"]

/** Scripts of what may happen at a gate. In a third of them the server refuses nobody. */
export const script: fc.Arbitrary<Script> = fc.record({
  tokensPerSecond: fc.constantFrom(1000, 1000, 300, 20_000),
  burstMs: fc.constantFrom(0, 0, 500, 10_000),
  size: fc.constantFrom("exact" as const, "estimated" as const),
  maxWaiting: fc.constantFrom(100_000, 100_000, 100_000, 100_000, 100_000, 100_000, 3, 0),
  maxWait: fc.constantFrom(4000, 60_000),
  spaced: fc.constantFrom(undefined, undefined, 300),
  early: fc.constantFrom(0, 0, 0.9),
  patience: fc.constantFrom(2048, 2048, 17, 41),
  commands: fc.oneof(
    { weight: 1, arbitrary: commands(some) },
    { weight: 2, arbitrary: commands([...some, "throttled", "throttled", "throttled", "throttled", "throttled"]) }
  )
})
