/**
 * The bound: a policy that sees what no client can see.
 *
 * @since 0.1.0
 */
import { Heap } from "./internal/heap.js"
import type { Lab, Policy } from "./Policy.js"
import { useStandard } from "./Policy.js"
import type { Request } from "./Request.js"
import type { Event } from "./Timeline.js"

class Queued {
  index = -1

  constructor(
    readonly request: Request,
    readonly latest: number
  ) {}
}

// Whoever can wait least goes first; of two alike, whoever came first.
const isBefore = (a: Queued, b: Queued): boolean =>
  a.latest < b.latest || (a.latest === b.latest && a.request.index < b.request.index)

const serve = (lab: Lab) => {
  const { server, timeline } = lab
  const queue = new Heap<Queued>(isBefore)
  let wake: Event | undefined = undefined

  const send = ({ request }: Queued): void => {
    request.sentAt = timeline.now
    const way = request.roundTrip(server.options.network)
    server.answer("provisioned", request, way, (reply) =>
      reply._tag === "Answered" ? lab.answered(request, "provisioned") : useStandard(lab, request)
    )
  }

  const pump = (): void => {
    if (wake !== undefined) timeline.cancel(wake)
    wake = undefined
    for (let first = queue.first; first !== undefined; first = queue.first) {
      const waitMs = server.admit(server.charge(first.request))
      if (waitMs > 0) {
        wake = timeline.at(Math.floor(timeline.now) + waitMs, pump)
        return
      }
      queue.remove(first)
      send(first)
    }
  }

  server.onCorrection(pump)
  return (request: Request): void => {
    const queued = new Queued(request, request.arrivedAt + request.budgetMs)
    queue.add(queued)
    pump()
    if (queued.index < 0) return
    timeline.at(queued.latest, () => {
      if (queued.index < 0) return
      queue.remove(queued)
      useStandard(lab, request)
    })
  }
}

/**
 * Keeps its queue at the server, sees the level of the bucket and sends at the very instant at which there is room,
 * earliest deadline first; to Standard only what has waited out its budget. No policy that honours the budgets can keep the
 * provisioned deployment busier. It is an online rule with perfect sight and not a proven optimum: differences of a
 * fraction of a point in its disfavour are chance.
 *
 * @since 0.1.0
 * @category policies
 */
export const oracle: Policy = {
  name: "oracle",
  description: "sees the server's state, keeps the queue there, earliest deadline first",
  central: true,
  start: serve
}
