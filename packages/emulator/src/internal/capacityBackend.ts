import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { EmulatorConfig } from "../EmulatorConfig.js"
import * as ErrorReply from "../ErrorReply.js"
import type * as Wire from "../Wire.js"
import * as Capacity from "./capacity.js"
import * as Chat from "./chat.js"
import { type Deployment, resolve } from "./deployment.js"
import type { Backend, Call } from "./front.js"
import * as Pace from "./pace.js"

interface Served {
  readonly deployment: Deployment
  readonly capacity: Capacity.Capacity
}

export interface CapacityBackend extends Backend {
  readonly utilization: (deployment: string) => Effect.Effect<Option.Option<number>>
}

/** Answers as long as the deployment has capacity for it. */
export const make = (
  config: EmulatorConfig,
  options: { readonly region: string; readonly seed: string },
  time: Capacity.Timeline
): Effect.Effect<CapacityBackend> =>
  Effect.gen(function* () {
    const random = Random.make(options.seed)
    const served = new Map<string, Served>()
    for (const deployment of config.deployments.map(resolve)) {
      served.set(deployment.name, { deployment, capacity: yield* Capacity.make(deployment, time) })
    }
    return {
      has: (name) => served.has(name),
      utilization: (name) => {
        const target = served.get(name)
        return target === undefined ? Effect.succeedNone : target.capacity.utilization
      },
      respond: (call) => {
        const target = served.get(call.deployment)
        return target === undefined
          ? Effect.succeed(call.stamp(ErrorReply.deploymentNotFound))
          : Effect.map(respondIn(call, target, { random, region: options.region, time }), call.stamp)
      }
    }
  })

interface Surroundings {
  readonly random: Random.Random
  readonly region: string
  readonly time: Capacity.Timeline
}

const pause = (ms: number): Effect.Effect<void> => (ms > 0 ? Effect.sleep(ms) : Effect.void)

const throttledReply = (
  call: Call,
  deployment: Deployment,
  region: string,
  throttled: Capacity.Throttled
): Wire.Reply => {
  const reply =
    throttled.limit === "throughput"
      ? ErrorReply.throughputExceeded(throttled)
      : ErrorReply.rateLimitReached({
          limit: throttled.limit,
          deployment: deployment.name,
          model: deployment.model.name,
          region,
          apiVersion: call.apiVersion,
          operation: call.operation.id,
          retryAfterMs: throttled.retryAfterMs
        })
  return { ...reply, headers: { ...throttled.headers, ...reply.headers } }
}

const respondIn = (
  call: Call,
  { capacity, deployment }: Served,
  { random, region, time }: Surroundings
): Effect.Effect<Wire.Reply, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { model } = deployment
    if (model.operation !== "chat") return ErrorReply.operationNotSupported(call.operation.label, model.name)
    const work = Chat.read(call.body, deployment)
    const pace = yield* Pace.draw(deployment, random)
    const began = yield* time.now
    // Capacity is asked before the request is judged: the limit is the gateway's, the judgement the model's.
    const { admitted, judgement } = yield* Effect.acquireRelease(
      Effect.map(capacity.admit(work.demand), (admitted) => ({ admitted, judgement: work.judge() })),
      ({ admitted, judgement }) =>
        Either.match(judgement, {
          onLeft: () => admitted.settle(undefined),
          onRight: (job) =>
            Effect.flatMap(time.now, (now) => admitted.settle(job.usage(Pace.tokensBy(pace, now - began))))
        })
    )
    return yield* Either.match(judgement, {
      onLeft: (refusal) =>
        Effect.as(pause(deployment.latency.rejectionMs), {
          ...refusal,
          headers: { ...admitted.headers, ...refusal.headers }
        }),
      onRight: (job) =>
        job.reply({
          time,
          began,
          pace,
          model: model.name,
          id: call.id,
          host: call.host,
          headers: admitted.headers,
          contentFilter: deployment.contentFilter,
          burstTokens: deployment.burstTokens,
          ended: call.ended
        })
    })
  }).pipe(
    Effect.catchAll((throttled) =>
      Effect.as(pause(deployment.latency.rejectionMs), throttledReply(call, deployment, region, throttled))
    )
  )
