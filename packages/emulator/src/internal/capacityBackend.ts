import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { EmulatorConfig } from "../EmulatorConfig.js"
import * as ErrorReply from "../ErrorReply.js"
import type * as Wire from "../Wire.js"
import * as Capacity from "./capacity.js"
import { type Deployment, resolve } from "./deployment.js"
import * as Faults from "./faults.js"
import type { Backend, Call } from "./front.js"
import type { Job, Said } from "./job.js"
import * as Pace from "./pace.js"
import * as ResponseStore from "./responseStore.js"
import * as Retrieval from "./retrieval.js"
import * as Spillover from "./spillover.js"
import * as Throttle from "./throttle.js"
import * as Timed from "./timed.js"
import * as Work from "./work.js"

interface Served {
  readonly deployment: Deployment
  readonly capacity: Capacity.Capacity
}

export interface CapacityBackend extends Backend {
  readonly utilization: (deployment: string) => Effect.Effect<Option.Option<number>>
}

/** Answers as long as the deployment has capacity for it. What runs in the background runs in the scope. */
export const make = (
  config: EmulatorConfig,
  options: { readonly region: string; readonly seed: string },
  time: Capacity.Timeline
): Effect.Effect<CapacityBackend, never, Scope.Scope> =>
  Effect.gen(function* () {
    const surroundings: Surroundings = {
      random: Random.make(options.seed),
      faults: Faults.make(config.faults ?? [], options.seed),
      region: options.region,
      store: yield* ResponseStore.make,
      scope: yield* Effect.scope,
      time
    }
    const { store } = surroundings
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
        if (target === undefined) return Effect.succeed(call.stamp(ErrorReply.deploymentNotFound))
        const spill = Spillover.target(call, target.deployment, (name) => served.get(name)?.deployment)
        const fallback = spill === undefined ? undefined : served.get(spill.name)
        return attempt(call, target, surroundings).pipe(
          Effect.flatMap((first) =>
            fallback === undefined || !Spillover.triggers(first)
              ? shown(first)
              : attempt({ ...call, deployment: fallback.deployment.name }, fallback, surroundings).pipe(
                  Effect.map((second) => Spillover.reply(first, second, config.spilloverHeaders ?? "current")),
                  Effect.flatMap(shown)
                )
          ),
          Effect.map(call.stamp)
        )
      },
      maker: (host, id) => store.find(host, id)?.deployment,
      retrieve: (retrieval) => Effect.map(Retrieval.respond(retrieval, store, time), retrieval.stamp)
    }
  })

interface Surroundings {
  readonly random: Random.Random
  readonly faults: Faults.Faults
  readonly region: string
  readonly store: ResponseStore.Store
  readonly scope: Scope.Scope
  readonly time: Capacity.Timeline
}

/** What one deployment says to a call, with the fault that befalls it. What is thrown away for a spillover takes no time. */
const attempt = (
  call: Call,
  target: Served,
  surroundings: Surroundings
): Effect.Effect<Spillover.Attempt, Wire.Dropped, Scope.Scope> =>
  Effect.flatMap(surroundings.faults.next(call), (fault) => {
    if (fault === undefined) return sound(call, target, surroundings)
    const { deployment } = target
    const reply = Faults.reply(fault)
    const stopped =
      fault.fault === "filter" ? { always: false, text: undefined, finishReason: "content_filter" } : undefined
    return Effect.zipRight(
      Timed.pause(fault.delayMs ?? 0),
      reply === undefined
        ? Effect.map(sound(call, target, surroundings, stopped), (said) => ({
            ...said,
            shown: Faults.befall(said.shown, fault)
          }))
        : Effect.map(reply, (reply): Spillover.Attempt => ({ deployment, reply, shown: reply, pauseMs: 0 }))
    )
  })

/** What one deployment says to a call that no fault befalls. */
const sound = (
  call: Call,
  target: Served,
  surroundings: Surroundings,
  said?: Said
): Effect.Effect<Spillover.Attempt, never, Scope.Scope> => {
  const { deployment } = target
  return Effect.match(respondIn(call, target, surroundings, said), {
    onSuccess: (reply): Spillover.Attempt => ({ deployment, reply, shown: reply, pauseMs: 0 }),
    onFailure: (throttled): Spillover.Attempt => {
      const reply = Throttle.refusal(call, deployment, surroundings.region, throttled)
      const shown = Throttle.shown(call, deployment, throttled, reply)
      return { deployment, reply, shown, pauseMs: deployment.latency.rejectionMs }
    }
  })
}

const shown = ({ pauseMs, shown }: Spillover.Attempt): Effect.Effect<Wire.Reply> =>
  Effect.as(Timed.pause(pauseMs), shown)

/** What a call was let in to: a job, or the model's refusal, and what settles its charge when the exchange ends. */
interface Taken {
  readonly headers: Readonly<Record<string, string>>
  readonly judgement: Either.Either<Job, Wire.Reply>
  readonly settle: Effect.Effect<void>
}

const takeOn = (
  { headers, settle }: Capacity.Admitted,
  judgement: Taken["judgement"],
  pace: Pace.Pace,
  began: number,
  { scope, time }: Surroundings
): Effect.Effect<Taken> => {
  // What the model refuses costs nothing from the moment it does.
  if (Either.isLeft(judgement)) return Effect.as(settle(undefined), { headers, judgement, settle: Effect.void })
  const { background, usage } = judgement.right
  const settled = Effect.flatMap(time.now, (now) => settle(usage(Pace.tokensBy(pace, now - began))))
  if (background === undefined) return Effect.succeed({ headers, judgement, settle: settled })
  // It goes on without its caller, and is charged for when it is done or cancelled.
  const going = Effect.race(Effect.sleep(Pace.timeOf(pace, background.length)), background.cancelled)
  return Effect.as(Effect.forkIn(Effect.ensuring(Effect.interruptible(going), settled), scope), {
    headers,
    judgement,
    settle: Effect.void
  })
}

const respondIn = (
  call: Call,
  { capacity, deployment }: Served,
  surroundings: Surroundings,
  said: Said | undefined
): Effect.Effect<Wire.Reply, Capacity.Throttled, Scope.Scope> =>
  Effect.gen(function* () {
    const { random, store, time } = surroundings
    const { model } = deployment
    const unsupported = Work.unsupported(call, deployment)
    if (unsupported !== undefined) return unsupported
    const work = Work.read(call, deployment, store, said)
    const pace = yield* Pace.draw(deployment, random)
    const began = yield* time.now
    // Capacity is asked before the request is judged: the limit is the gateway's, the judgement the model's.
    const { headers, judgement } = yield* Effect.acquireRelease(
      Effect.flatMap(capacity.admit(work.demand), (admitted) =>
        takeOn(admitted, work.judge(), pace, began, surroundings)
      ),
      ({ settle }) => settle
    )
    return yield* Either.match(judgement, {
      onLeft: (refusal) =>
        Effect.as(Timed.pause(deployment.latency.rejectionMs), {
          ...refusal,
          headers: { ...headers, ...refusal.headers }
        }),
      onRight: (job) =>
        job.reply({
          time,
          began,
          pace,
          model: model.name,
          id: call.id,
          host: call.host,
          headers,
          contentFilter: deployment.contentFilter,
          burstTokens: deployment.burstTokens,
          ended: call.ended
        })
    })
  })
