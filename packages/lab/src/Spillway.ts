/**
 * The library's own policy, `spillway` in every table: the gate of `@spillway/core` decides which call is sent when, the
 * functions of `RetryAfter.within` whether a refused one may wait again.
 *
 * @since 0.1.0
 */
import { Gate, RetryAfter } from "@spillway/core"
import type { Lab, Policy } from "./Policy.js"
import { useStandard } from "./Policy.js"
import type { Request } from "./Request.js"
import type { Event } from "./Timeline.js"

const classes = { interactive: 0, batch: 1 } as const

const admit = (lab: Lab) => {
  const { client, server, timeline } = lab
  const gate = Gate.make<Request>({
    tokensPerSecond: client.tokensPerSecond,
    size: client.sure ? "exact" : "estimated"
  })
  let ring: { readonly at: number; readonly event: Event } | undefined = undefined

  const follow = (actions: Gate.Actions<Request>): void => {
    for (const action of actions) {
      if (action._tag === "Send") send(action.ticket)
      else useStandard(lab, action.ticket.data)
    }
    if (gate.wakeAt < (ring?.at ?? Infinity)) {
      if (ring !== undefined) timeline.cancel(ring.event)
      set()
    }
  }

  // As the library's timer: it sleeps whole milliseconds, and one that rings too early is let ring.
  const set = (): void => {
    const at = gate.wakeAt
    const event = timeline.after(Math.ceil(at - timeline.now), () => {
      ring = undefined
      follow(gate.tick(timeline.now))
    })
    ring = { at, event }
  }

  const submit = (request: Request, notBefore: number | undefined): void =>
    follow(
      gate.submit(
        Gate.ticket({
          data: request,
          priority: classes[request.class],
          order: request.index,
          cost: client.estimate(request),
          latest: request.arrivedAt + request.budgetMs,
          notBefore
        }),
        timeline.now
      )
    )

  const send = (ticket: Gate.Ticket<Request>): void => {
    const request = ticket.data
    server.send("provisioned", request, (reply) => {
      const { now } = timeline
      switch (reply._tag) {
        case "Answered":
          lab.answered(request, "provisioned")
          return follow(gate.completed(ticket, now, server.cost(request)))
        case "Failed":
          follow(gate.failed(ticket, now))
          return useStandard(lab, request)
        case "Throttled": {
          follow(gate.throttled(ticket, now, reply.retryAfterMs))
          const elapsed = now - request.arrivedAt
          const wait = reply.retryAfterMs ?? RetryAfter.guess(request.retries, lab.random())
          if (!RetryAfter.affordable({ elapsed, wait, limit: request.budgetMs })) return useStandard(lab, request)
          request.retries++
          // Of a hint the gate knows, and may know better since; a guess is the Schedule's own.
          return submit(request, reply.retryAfterMs === undefined ? now + wait : undefined)
        }
      }
    })
  }

  return (request: Request): void => submit(request, undefined)
}

/**
 * `Deployment.retry(RetryAfter.within(maxWait))` over a deployment with `Admission.layer`, then Standard.
 *
 * @since 0.1.0
 * @category policies
 */
export const spillway: Policy = {
  name: "spillway",
  description: "one gate per deployment: a model of the bucket, classes in order, each call within its budget",
  start: admit
}
