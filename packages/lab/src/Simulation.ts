/**
 * One run: one policy, one workload, one seed.
 *
 * @since 0.1.0
 */
import { Draws, streams } from "./internal/random.js"
import type { Client, Policy } from "./Policy.js"
import type { Arrival, Callers } from "./Request.js"
import { Request } from "./Request.js"
import type { Options as ServerOptions } from "./Server.js"
import { Server } from "./Server.js"
import { Tally } from "./Tally.js"
import { Timeline } from "./Timeline.js"
import type { Workload } from "./Workload.js"

/**
 * Everything but the policy and the seed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Setup {
  readonly workload: Workload
  readonly callers: Callers
  readonly server: ServerOptions
  /** What the clients believe of the server. */
  readonly client: Client
  /** Demand of other tenants of the provisioned deployment, over its capacity: they take room wherever there is any, and never wait. */
  readonly tenants: number
  /** How many client processes share the traffic, each knowing nothing of the others. */
  readonly processes: number
}

const samples = 240
// A tenant's request: what the made-up workloads have in the median.
const tenant = { promptTokens: 1100, outputTokens: 200, maxTokens: 260, lastsMs: 4000 }

/**
 * A run in progress.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Model } from "@spillway/emulator"
 * import { Scenario, Simulation, Spillway } from "@spillway/lab"
 *
 * const scenario: Scenario.Scenario = {
 *   ...Scenario.defaults,
 *   traffic: { _tag: "Synthetic", shape: "onoff" },
 *   model: Model.findOrGeneric("gpt-4o"),
 *   inputTokensPerMinutePerPtu: 2500,
 *   ptus: 1200
 * }
 *
 * const simulation = new Simulation.Simulation(Scenario.setup(scenario), Spillway.spillway, 1)
 * while (simulation.run(100_000));
 *
 * export const { tally } = simulation
 * ```
 */
export class Simulation {
  readonly tally: Tally
  private readonly timeline = new Timeline()
  private readonly server: Server
  private readonly arrivals: Iterator<Arrival>
  private readonly accept: ReadonlyArray<(request: Request) => void>
  private index = 0

  constructor(
    private readonly setup: Setup,
    policy: Policy,
    private readonly seed: number
  ) {
    const { measured, until } = setup.workload
    this.tally = new Tally(measured, setup.server.outputWeight)
    this.server = new Server(this.timeline, this.tally, setup.server)
    this.accept = Array.from({ length: policy.central === true ? 1 : setup.processes }, (_, process) => {
      const draws = new Draws(seed, streams.policy, process)
      return policy.start({
        timeline: this.timeline,
        server: this.server,
        client: setup.client,
        random: () => draws.uniform(),
        answered: (request, kind) => this.tally.answered(request, kind, this.timeline.now),
        failed: (request) => this.tally.failed(request)
      })
    })
    this.arrivals = setup.workload.arrivals(seed)[Symbol.iterator]()
    this.planSamples(measured.from, measured.to)
    if (setup.tenants > 0) this.planTenants(until)
    this.planArrival()
  }

  /** Lets at most so many events happen; false when the run is over. */
  run(events: number): boolean {
    return this.timeline.run(events)
  }

  /** How many requests have arrived. */
  get arrived(): number {
    return this.index
  }

  private planArrival(): void {
    const next = this.arrivals.next()
    if (next.done === true) return
    const arrival = next.value
    this.timeline.at(arrival.at, () => {
      const { callers, server, workload } = this.setup
      const measured = arrival.at >= workload.measured.from && arrival.at <= workload.measured.to
      const request = new Request(this.index++, arrival, this.seed, callers, server.faults, measured)
      this.tally.arrival(request)
      this.planArrival()
      this.accept[Math.floor(request.lot * this.accept.length)]?.(request)
    })
  }

  private planSamples(from: number, to: number): void {
    for (let sample = 0; sample <= samples; sample++) {
      this.timeline.at(Math.ceil(from + ((to - from) * sample) / samples), () => {
        this.server.account()
        this.tally.sample(this.timeline.now)
      })
    }
  }

  private planTenants(until: number): void {
    const draws = new Draws(this.seed, streams.tenants)
    const cost = this.server.cost(tenant)
    const meanGapMs = (cost / (this.setup.tenants * this.setup.server.tokensPerSecond)) * 1000
    const plan = (): void => {
      const at = this.timeline.now + draws.exponential() * meanGapMs
      if (at > until) return
      this.timeline.at(at, () => {
        this.server.intrude(this.server.charge(tenant), cost, tenant.lastsMs)
        plan()
      })
    }
    plan()
  }
}
