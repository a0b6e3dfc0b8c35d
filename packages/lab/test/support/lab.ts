import type { Policy, Request, Workload } from "@spillway/lab"
import { Scenario, Simulation } from "@spillway/lab"
import { Model } from "@spillway/emulator"

export const gpt4o = Model.findOrGeneric("gpt-4o")

/** A made-up workload of a minute: small enough for a test, large enough for queues to build up. */
export const scenario = (
  shape: Workload.Shape,
  load: number | undefined,
  more: Partial<Scenario.Scenario> = {}
): Scenario.Scenario => ({
  ...Scenario.defaults,
  traffic: { _tag: "Synthetic", shape, seconds: 60 },
  model: gpt4o,
  inputTokensPerMinutePerPtu: 2500,
  ptus: 300,
  load,
  ...more
})

/** One attempt, as the server saw it come: which request, to whom, when. */
export interface Sent {
  readonly index: number
  readonly kind: Request.Kind
  readonly at: number
}

/** The policy, with everything it is given and everything it sends written down. */
export const recorded = (policy: Policy.Policy) => {
  const sent: Array<Sent> = []
  const requests: Array<Request.Request> = []
  const settled = new Map<number, Array<"provisioned" | "standard" | "failed">>()
  const settle = (request: Request.Request, outcome: "provisioned" | "standard" | "failed") =>
    settled.set(request.index, [...(settled.get(request.index) ?? []), outcome])
  const watched: Policy.Policy = {
    ...policy,
    start: (lab) => {
      const { server } = lab
      const watching: typeof server = Object.assign(Object.create(server) as typeof server, {
        send: (kind: Request.Kind, request: Request.Request, reply: Parameters<typeof server.send>[2]) => {
          sent.push({ index: request.index, kind, at: lab.timeline.now })
          server.send(kind, request, reply)
        }
      })
      const accept = policy.start({
        ...lab,
        server: watching,
        answered: (request, kind) => {
          settle(request, kind)
          lab.answered(request, kind)
        },
        failed: (request) => {
          settle(request, "failed")
          lab.failed(request)
        }
      })
      return (request) => {
        requests.push(request)
        accept(request)
      }
    }
  }
  return { policy: watched, sent, requests, settled }
}

/** Runs to the end. */
export const finish = (simulation: Simulation.Simulation): Simulation.Simulation => {
  while (simulation.run(100_000));
  return simulation
}

export const play = (of: Scenario.Scenario, policy: Policy.Policy, seed = 1): Simulation.Simulation =>
  finish(new Simulation.Simulation(Scenario.setup(of), policy, seed))
