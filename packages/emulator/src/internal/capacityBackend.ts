import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import * as Random from "effect/Random"
import type { EmulatorConfig } from "../EmulatorConfig.js"
import * as ErrorReply from "../ErrorReply.js"
import type * as Wire from "../Wire.js"
import * as Capacity from "./capacity.js"
import * as Chat from "./chat.js"
import { type Deployment, resolve } from "./deployment.js"
import type { Backend, Call } from "./front.js"
import * as InvalidRequest from "./invalidRequest.js"

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
          : Effect.map(respondChat(call, target, { random, region: options.region, time }), call.stamp)
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

/** How long a deployment takes for one answer. */
interface Pace {
  readonly firstTokenMs: number
  readonly msPerToken: number
}

const pace = (deployment: Deployment, random: Random.Random): Effect.Effect<Pace> => {
  const { firstTokenMs, jitter, tokensPerSecond } = deployment.latency
  return Effect.map(jitter === 0 ? Effect.succeed(0.5) : random.next, (draw) => {
    const factor = 1 + jitter * (2 * draw - 1)
    return { firstTokenMs: firstTokenMs * factor, msPerToken: (1000 / tokensPerSecond) * factor }
  })
}

const duration = ({ firstTokenMs, msPerToken }: Pace, tokens: number): number =>
  Math.round(firstTokenMs + tokens * msPerToken)

const usageAfter = (
  completion: Chat.Completion,
  { firstTokenMs, msPerToken }: Pace,
  elapsed: number
): Capacity.Usage => ({
  promptTokens: completion.usage.promptTokens,
  completionTokens: Math.min(
    completion.usage.completionTokens,
    completion.texts.length * Math.max(0, Math.floor((elapsed - firstTokenMs) / msPerToken))
  )
})

/** What the model makes of a request: an answer, or the reply that refuses it. */
const judge = (
  deployment: Deployment,
  decoded: Either.Either<Chat.ChatRequest, Wire.Reply>
): Either.Either<Chat.Completion, Wire.Reply> =>
  Either.flatMap(decoded, (request) => {
    const refusal = Chat.refusal(deployment, request)
    return refusal === undefined
      ? Either.right(Chat.complete(request, deployment.answerTokens, deployment.model.maxOutputTokens))
      : Either.left(refusal)
  })

const demand = Either.match({
  onLeft: (): Capacity.Demand => ({ promptTokens: 0, maxTokens: undefined, choices: 1 }),
  onRight: (request: Chat.ChatRequest): Capacity.Demand => ({
    promptTokens: Chat.promptTokens(request),
    maxTokens: Chat.maxTokens(request),
    choices: Chat.choices(request)
  })
})

const respondChat = (
  call: Call,
  { capacity, deployment }: Served,
  { random, region, time }: Surroundings
): Effect.Effect<Wire.Reply> => {
  const { model } = deployment
  if (model.operation !== "chat") {
    return Effect.succeed(ErrorReply.operationNotSupported(call.operation.label, model.name))
  }
  const decoded = Chat.decode(call.body)
  if (Either.isRight(decoded) && decoded.right.stream === true)
    return Effect.succeed(InvalidRequest.notEmulated("stream"))

  // Capacity is asked before the request is judged: the limit is the gateway's, the judgement the model's.
  return Effect.acquireUseRelease(
    Effect.all({
      admitted: capacity.admit(demand(decoded)),
      pace: pace(deployment, random),
      began: time.now,
      judgement: Effect.sync(() => judge(deployment, decoded))
    }),
    ({ admitted, judgement, pace }) =>
      Either.match(judgement, {
        onLeft: (refusal) =>
          Effect.as(pause(deployment.latency.rejectionMs), {
            ...refusal,
            headers: { ...admitted.headers, ...refusal.headers }
          }),
        onRight: (completion) =>
          Effect.zipRight(
            pause(duration(pace, completion.longest)),
            Chat.reply(completion, { model: model.name, id: call.id, headers: admitted.headers })
          )
      }),
    ({ admitted, began, judgement, pace }, exit) =>
      Either.match(judgement, {
        onLeft: () => admitted.settle(undefined),
        onRight: (completion) =>
          Exit.isSuccess(exit)
            ? admitted.settle(completion.usage)
            : Effect.flatMap(time.now, (now) => admitted.settle(usageAfter(completion, pace, now - began)))
      })
  ).pipe(
    Effect.catchAll((throttled) =>
      Effect.as(pause(deployment.latency.rejectionMs), throttledReply(call, deployment, region, throttled))
    )
  )
}
