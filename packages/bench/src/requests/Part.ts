import * as Effect from "effect/Effect"
import * as Allocation from "../allocation/Allocation.js"
import type { Client } from "../clients/Client.js"
import * as Clients from "../clients/Clients.js"
import * as Conversation from "../Conversation.js"
import type { Goal, Part, Settings } from "../Part.js"
import * as Server from "../server/Server.js"
import * as Table from "../Table.js"
import type { Row } from "./Requests.js"
import * as Requests from "./Requests.js"

const reference = Clients.reference.id

/** At how many requests at a time most is said, and allocation is measured. */
const usual = 64

interface Length {
  readonly rounds: number
  readonly turnMs: number
}

const length = (concurrency: number, quick: boolean): Length => {
  if (quick) return { rounds: 2, turnMs: 120 }
  return concurrency > 500 ? { rounds: 3, turnMs: 400 } : { rounds: concurrency === 1 ? 5 : 9, turnMs: 300 }
}

const besides = ({ beside }: Row, figure: "requestsPerSecond" | "cpuUs"): string =>
  beside === undefined ? "" : `${beside[figure].toFixed(2)}x`

const server = Server.start(new URL("../server/main.js", import.meta.url))

const ready = (settings: Settings, part: string, requests: number, way: (client: Client) => Requests.Ask | undefined) =>
  Effect.gen(function* () {
    const { clients, progress } = settings
    const running = yield* server
    const askers = yield* Requests.askers(clients, running, way)
    yield* Requests.settle(askers, running, { requests, onTurn: (name) => progress(`${part}, settling: ${name}`) })
    return { askers, running }
  })

const goalsOf = (rows: ReadonlyArray<Row>): ReadonlyArray<Goal> =>
  Clients.goals.flatMap(({ cpu, id, rate }) =>
    rows
      .filter((row) => row.id === id)
      .flatMap(({ beside, name }) =>
        beside === undefined
          ? []
          : [
              {
                what: `${name}: requests/s beside the openai SDK`,
                limit: { atLeast: rate },
                unit: "x",
                measured: beside.requestsPerSecond
              },
              {
                what: `${name}: CPU beside the openai SDK`,
                limit: { atMost: cpu },
                unit: "x",
                measured: beside.cpuUs
              }
            ]
      )
  )

const table = (
  concurrency: number,
  rows: ReadonlyArray<Row>,
  allocated: ReadonlyMap<string, number> | undefined
): Table.Table => ({
  title: `${concurrency} ${concurrency === 1 ? "request" : "requests"} at a time`,
  head: [
    "",
    "requests/s",
    "beside openai",
    "p50 ms",
    "p99 ms",
    "CPU us",
    "beside openai",
    ...(allocated === undefined ? [] : ["KiB allocated"])
  ],
  rows: rows.map((row) => [
    row.name,
    Table.figure(row.requestsPerSecond),
    besides(row, "requestsPerSecond"),
    Table.figure(row.p50Ms),
    Table.figure(row.p99Ms),
    Table.figure(row.cpuUs),
    besides(row, "cpuUs"),
    ...(allocated === undefined ? [] : [Table.kib(allocated.get(row.id))])
  ]),
  note: "Medians over the rounds; ratios are taken within each round. CPU is the client's processor time for one request."
})

/** Whole answers. */
export const requests: Part = {
  name: "requests",
  about: "clients beside each other, one answer for each request",
  run: (settings) =>
    Effect.gen(function* () {
      const { progress, quick } = settings
      const { askers, running } = yield* ready(settings, "requests", quick ? 500 : 3000, ({ chat }) => chat)
      const wanted = settings.concurrency ?? (quick ? [usual] : [1, usual, 1000])
      const measured = yield* Effect.forEach(wanted, (concurrency) =>
        Effect.map(
          Requests.run(askers, running, {
            concurrency,
            ...length(concurrency, quick),
            warmUp: 0,
            connectMs: 50,
            reference,
            onTurn: (round, name) => progress(`requests, ${concurrency} at a time, round ${round + 1}: ${name}`)
          }),
          (rows) => ({ concurrency, rows })
        )
      )
      const ids = askers.map(({ definition }) => definition.id)
      const allocated = quick
        ? undefined
        : yield* Allocation.run(
            { what: { origin: running.origin, ids }, calls: 300, times: 3, settle: 1200 },
            ({ name }) => progress(`requests, allocation: ${name}`)
          )
      return {
        tables: measured.map(({ concurrency, rows }) =>
          table(concurrency, rows, concurrency === usual ? allocated : undefined)
        ),
        goals: measured.filter(({ concurrency }) => concurrency === usual).flatMap(({ rows }) => goalsOf(rows))
      }
    }).pipe(Effect.scoped)
}

const streams = 16

/** Streams, each read to its end. */
export const streaming: Part = {
  name: "streaming",
  about: "clients beside each other, a stream for each request",
  run: (settings) =>
    Effect.gen(function* () {
      const { progress, quick } = settings
      const { askers, running } = yield* ready(settings, "streaming", quick ? 20 : 300, ({ stream }) => stream)
      const rows = yield* Requests.run(askers, running, {
        concurrency: streams,
        rounds: quick ? 2 : 7,
        turnMs: quick ? 120 : 300,
        warmUp: 0,
        connectMs: 50,
        reference,
        onTurn: (round, name) => progress(`streaming, round ${round + 1}: ${name}`)
      })
      const chunks = Conversation.events.length - 1
      return {
        tables: [
          {
            title: `${streams} streams at a time`,
            head: ["", "chunks/s", "beside openai", "CPU us a chunk", "beside openai", "p50 ms a stream"],
            rows: rows.map((row) => [
              row.name,
              Table.figure(row.requestsPerSecond * chunks),
              besides(row, "requestsPerSecond"),
              Table.figure(row.cpuUs / chunks),
              besides(row, "cpuUs"),
              Table.figure(row.p50Ms)
            ]),
            note: `A stream has ${chunks} chunks, each written to the socket for itself.`
          }
        ],
        goals: []
      }
    }).pipe(Effect.scoped)
}
