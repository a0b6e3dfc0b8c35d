/** Measures what calls allocate, in a process of its own: with such a heap, times would mean nothing. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Clients from "../clients/Clients.js"
import * as Conversation from "../Conversation.js"
import * as OpenTelemetry from "../OpenTelemetry.js"
import * as Chat from "../overhead/Chat.js"
import * as Policy from "../overhead/Policy.js"
import * as Subject from "../overhead/Subject.js"
import * as Load from "../requests/Load.js"
import * as Statistics from "../Statistics.js"
import type { Report } from "./Allocation.js"
import { Order } from "./Allocation.js"
import * as Window from "./Window.js"

/** Makes some more calls than it is told, maybe: it says how many. */
type Calls = (times: number) => Effect.Effect<number, unknown>

const order = Schema.decodeUnknownSync(Schema.parseJson(Order))(process.argv[2])

const report = (name: string, calls: Calls): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    yield* calls(order.settle)
    const perCall = yield* Effect.forEach(Arr.range(1, order.times), () =>
      Effect.map(Window.measure(calls(order.calls)), ([made, bytes]) => bytes / made)
    )
    const message: Report = { name, bytes: Statistics.median(perCall) }
    process.send?.(message)
  })

const clients = (origin: string, ids: ReadonlyArray<string>) =>
  Effect.forEach(
    Clients.all.filter(({ id }) => ids.includes(id)),
    ({ id, make }) =>
      Effect.flatMap(make(origin), ({ chat }) =>
        report(id, (requests) =>
          Effect.map(
            Effect.tryPromise(() => Load.run(chat, { concurrency: 64, requests, expected: Conversation.answer })),
            ({ latencies }) => latencies.length
          )
        )
      ).pipe(Effect.scoped),
    { discard: true }
  )

const overhead = Effect.gen(function* () {
  const sdk = yield* OpenTelemetry.runtime(new OpenTelemetry.Counter())
  const subjects = [...(yield* Policy.subjects), ...(yield* Chat.subjects)]
  yield* Effect.forEach(subjects, (subject) =>
    report(subject.name, (times) => Effect.as(Subject.traced(subject, sdk).calls(times), times))
  )
})

const { what } = order
await Effect.runPromise(Effect.scoped(what === "overhead" ? overhead : clients(what.origin, what.ids)))
process.disconnect()
