/** Clients beside each other, against one server on loopback: whole answers, and streams. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Client, Definition } from "../clients/Client.js"
import * as Conversation from "../Conversation.js"
import * as Cpu from "../Cpu.js"
import * as Rounds from "../Rounds.js"
import type { Server } from "../server/Server.js"
import * as Statistics from "../Statistics.js"
import * as Load from "./Load.js"

export interface Row {
  readonly id: string
  readonly name: string
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of the client's processor time, for one request. */
  readonly cpuUs: number
  /** Beside the reference, the median of the ratios within each round; undefined without a reference. */
  readonly beside: { readonly requestsPerSecond: number; readonly cpuUs: number } | undefined
}

export interface Options extends Rounds.Options {
  readonly concurrency: number
  /** How much processor time of the client a turn takes, about. */
  readonly turnMs: number
  /** How much before that, to open connections. */
  readonly connectMs: number
  /** The id of the row that the others are compared with. */
  readonly reference: string
}

interface Sample {
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuUs: number
}

export type Ask = () => Promise<string>

/** A client that is ready, and one of its ways to ask. */
export interface Asker {
  readonly definition: Definition
  readonly ask: Ask
}

/** All clients of a part, made once, for as long as the scope is open. */
export const askers = (
  definitions: ReadonlyArray<Definition>,
  server: Server,
  way: (client: Client) => Ask | undefined
): Effect.Effect<ReadonlyArray<Asker>, unknown, Scope.Scope> =>
  Effect.map(
    Effect.forEach(definitions, (definition) =>
      Effect.map(definition.make(server.origin), (client) => {
        const ask = way(client)
        return ask === undefined ? [] : [{ definition, ask }]
      })
    ),
    Arr.flatten
  )

const load = ({ ask, definition }: Asker, options: Omit<Load.Options, "expected">): Effect.Effect<Load.Served, Error> =>
  Effect.tryPromise({
    try: () => Load.run(ask, { ...options, expected: Conversation.answer }),
    catch: (cause) => new Error(`${definition.name}: ${String(cause)}`, { cause })
  })

/** Lets the machine code settle, which takes Effect's programs some thousand calls. */
export const settle = (
  askers: ReadonlyArray<Asker>,
  server: Server,
  options: { readonly requests: number; readonly onTurn: (name: string) => Effect.Effect<void> }
): Effect.Effect<void, unknown> =>
  Effect.forEach(
    askers,
    (asker) =>
      options
        .onTurn(asker.definition.name)
        .pipe(
          Effect.zipRight(load(asker, { concurrency: 64, requests: options.requests })),
          Effect.zipRight(rest(server))
        ),
    { discard: true }
  )

// The next client finds no connections but its own, and is not disturbed by what the server closes later.
const rest = (server: Server): Effect.Effect<void> => Effect.zipRight(server.release, Effect.sleep("50 millis"))

const turn = (asker: Asker, server: Server, options: Options): Effect.Effect<Sample, unknown> =>
  Effect.gen(function* () {
    const { concurrency } = options
    const { name } = asker.definition
    yield* load(asker, { concurrency, cpuMs: options.connectMs })
    const before = yield* server.counts
    const [{ latencies, wallMs }, { cpuUs }] = yield* Cpu.measure(load(asker, { concurrency, cpuMs: options.turnMs }))
    const after = yield* server.counts
    const sent = after.answered + after.refused - before.answered - before.refused
    if (sent !== latencies.length || after.refused > before.refused) {
      return yield* Effect.fail(
        new Error(`${name}: ${latencies.length} answers to ${sent} requests, ${after.refused} refused`)
      )
    }
    yield* rest(server)
    const times = Arr.fromIterable(latencies)
    if (!Arr.isNonEmptyArray(times)) return yield* Effect.fail(new Error(`${name}: no requests`))
    return {
      requestsPerSecond: (1000 * times.length) / wallMs,
      p50Ms: Statistics.median(times),
      p99Ms: Statistics.quantile(times, 0.99),
      cpuUs: cpuUs / times.length
    }
  })

/** Measures them in turns, all at one concurrency. */
export const run = (
  contestants: ReadonlyArray<Asker>,
  server: Server,
  options: Options
): Effect.Effect<ReadonlyArray<Row>, unknown> =>
  Effect.map(
    Rounds.run(
      contestants.map((asker) => ({ name: asker.definition.id, round: turn(asker, server, options) })),
      options
    ),
    (samples) => contestants.flatMap(({ definition }) => toRow(definition, samples, options.reference))
  )

const toRow = (
  { id, name }: Definition,
  samples: ReadonlyMap<string, Rounds.Samples<Sample>>,
  reference: string
): ReadonlyArray<Row> => {
  const own = samples.get(id)
  const others = samples.get(reference)
  if (own === undefined) return []
  const median = (figure: keyof Sample) => Statistics.median(Arr.map(own, (sample) => sample[figure]))
  const ratio = (figure: keyof Sample, others: Rounds.Samples<Sample>) =>
    Statistics.median(Arr.zipWith(own, others, (sample, other) => sample[figure] / other[figure]))
  return [
    {
      id,
      name,
      requestsPerSecond: median("requestsPerSecond"),
      p50Ms: median("p50Ms"),
      p99Ms: median("p99Ms"),
      cpuUs: median("cpuUs"),
      beside:
        others === undefined
          ? undefined
          : { requestsPerSecond: ratio("requestsPerSecond", others), cpuUs: ratio("cpuUs", others) }
    }
  ]
}
