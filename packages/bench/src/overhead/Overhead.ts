/** What the policy costs in the client's own processor, for a call that succeeds at once, beyond the two spans it makes. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import * as Cpu from "../Cpu.js"
import * as OpenTelemetry from "../OpenTelemetry.js"
import * as Rounds from "../Rounds.js"
import * as Statistics from "../Statistics.js"
import * as Chat from "./Chat.js"
import * as Policy from "./Policy.js"
import * as Subject from "./Subject.js"

export interface Row {
  readonly name: string
  /** The steps that Effect's runtime takes for one call: the same on every machine. Counted with the native tracer alone. */
  readonly steps: number | undefined
  /** Of processor time, for one call. */
  readonly cpuUs: number
  /** Its middle half over the rounds. */
  readonly spreadUs: readonly [low: number, high: number]
  /** Beyond the same spans without Spillway; undefined for those that stand for it. */
  readonly beyondUs: number | undefined
  readonly callsPerSecond: number
}

export interface Options extends Rounds.Options {
  /** How much processor time a turn takes, about. */
  readonly turnMs: number
  /** How many calls of each come before the first round, to let the machine code settle. */
  readonly settle: number
}

/** The policy alone in steps, then a whole call. */
const groups = Effect.all([Policy.subjects, Chat.subjects])

interface Sample {
  readonly cpuUs: number
  readonly wallUs: number
}

const batch = 20

/** Calls one after the other until they have taken `ms` of processor time. */
const callsFor = (subject: Subject.Subject, ms: number): Effect.Effect<number, unknown> =>
  Effect.suspend(() => {
    const before = process.cpuUsage()
    const spent = () => {
      const { system, user } = process.cpuUsage(before)
      return (system + user) / 1000
    }
    const go = (made: number): Effect.Effect<number, unknown> =>
      spent() >= ms ? Effect.succeed(made) : Effect.flatMap(subject.calls(batch), () => go(made + batch))
    return go(0)
  })

const turn = (subject: Subject.Subject, turnMs: number): Effect.Effect<Sample, unknown> =>
  Effect.map(Cpu.measure(callsFor(subject, turnMs)), ([made, { cpuUs, wallUs }]) => ({
    cpuUs: cpuUs / made,
    wallUs: wallUs / made
  }))

// A tracer's context is entered for every step.
const countSteps = (subject: Subject.Subject): Effect.Effect<number, unknown> =>
  Effect.tracerWith((tracer) => {
    const times = 100
    let steps = 0
    const counting = Tracer.make({
      span: (...args) => tracer.span(...args),
      context: (f, fiber) => {
        steps++
        return tracer.context(f, fiber)
      }
    })
    return Effect.map(Effect.withTracer(subject.calls(times), counting), () => steps / times)
  })

const toRow = (
  subject: Subject.Subject,
  steps: number | undefined,
  samples: ReadonlyMap<string, Rounds.Samples<Sample>>
): Row => {
  const of = (name: string) => samples.get(name) ?? [{ cpuUs: Number.NaN, wallUs: Number.NaN }]
  const own = of(subject.name)
  const cpuUs = Arr.map(own, (sample) => sample.cpuUs)
  const { beyond } = subject
  return {
    name: subject.name,
    steps,
    cpuUs: Statistics.median(cpuUs),
    spreadUs: Statistics.middle(cpuUs),
    beyondUs:
      beyond === undefined
        ? undefined
        : Statistics.median(Arr.zipWith(own, of(beyond), (sample, spans) => sample.cpuUs - spans.cpuUs)),
    callsPerSecond: 1e6 / Statistics.median(Arr.map(own, (sample) => sample.wallUs))
  }
}

/** Measures all of them in turns. A group is a table: the policy alone, a whole call. */
export const run = (options: Options): Effect.Effect<ReadonlyArray<ReadonlyArray<Row>>, unknown> =>
  Effect.gen(function* () {
    const sdk = yield* OpenTelemetry.runtime(new OpenTelemetry.Counter())
    const tables = yield* groups
    const traced = tables.map((subjects) => subjects.map((subject) => Subject.traced(subject, sdk)))
    const steps = new Map<string, number>()
    for (const subject of traced.flat()) {
      if (options.onTurn !== undefined) yield* options.onTurn(-1, subject.name)
      yield* subject.calls(options.settle)
      if (subject.tracer === "native") steps.set(subject.name, yield* countSteps(subject))
    }
    const samples = yield* Rounds.run(
      traced.flat().map((subject) => ({ name: subject.name, round: turn(subject, options.turnMs) })),
      options
    )
    return traced.map((subjects) => subjects.map((subject) => toRow(subject, steps.get(subject.name), samples)))
  }).pipe(Effect.scoped)
