/**
 * One gate per deployment, for all calls of the process: who is sent now, who waits, who had better go elsewhere. Without
 * it every call decides alone: those that were refused together come back together, and who goes first is chance.
 *
 * The decisions are those of `Gate`; here they become waiting fibers. A gate has one timer, however many calls wait.
 *
 * @since 0.1.0
 */
import * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { CountTokens, Demand, Usage } from "./Call.js"
import type * as Gate from "./Gate.js"
import { LiveGate } from "./internal/liveGate.js"
import * as Metrics from "./Metrics.js"

/**
 * What a gate is made from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Gate.Options {
  /**
   * The longest time from the start of a call to its turn, where neither `CallSettings.withMaxWait` nor the Schedule
   * around the deployment (`RetryAfter.limitOf`) says otherwise. Defaults to 4 seconds.
   */
  readonly maxWait?: Duration.DurationInput | undefined
  /** The deployment's name in the metrics of the gate's state. Defaults to none: no metrics. */
  readonly deployment?: string | undefined
}

/**
 * A call that asks for its turn. Instants are nanoseconds of `Clock.currentTimeNanos`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  /** Its class: a lower number always goes first. */
  readonly priority: number
  /** Its place within the class: a lower number goes first. A call that comes back has the number it had. */
  readonly order: number
  /** What the server will charge it on arrival, in tokens. */
  readonly cost: number
  /** The last instant at which it may be sent. */
  readonly latest: bigint
  /** The first instant at which it may be sent. */
  readonly notBefore?: bigint | undefined
}

/**
 * The call's turn: the request is to be sent now. What becomes of it is to be told by exactly one of these; a second word
 * is not heard.
 *
 * @since 0.1.0
 * @category models
 */
export interface Turn {
  /** It was answered. `actual`: what it cost in tokens, where that is known. */
  readonly completed: (actual: number | undefined) => Effect.Effect<void>
  /** It was refused for lack of capacity, with the server's hint in milliseconds where it gave one. */
  readonly throttled: (retryAfter: number | undefined) => Effect.Effect<void>
  /** It failed otherwise, or was not sent after all, and cost nothing. */
  readonly failed: Effect.Effect<void>
}

/**
 * The call will not get its turn in time, and was not sent.
 *
 * - `waited`: how long it waited in line.
 * - `predicted`: how long it would have waited in line in all, as far as was known.
 *
 * @since 0.1.0
 * @category models
 */
export interface GaveUp {
  readonly reason: Gate.Reason
  readonly waited: Duration.Duration
  readonly predicted: Duration.Duration
}

/**
 * The gate of one deployment.
 *
 * @since 0.1.0
 * @category models
 */
export interface Controller {
  /** The default of {@link Options.maxWait}, decoded. */
  readonly maxWait: Duration.Duration
  /**
   * Waits for the call's turn, if it has to: then `wait` is given the waiting itself and how long it is expected to take,
   * to put it into a span. To be run uninterruptibly, with `wait` making its part interruptible: a call that is
   * interrupted while it waits leaves the line; a turn that came at the same moment goes to the next.
   */
  readonly enter: (
    request: Request,
    wait: (waiting: Effect.Effect<void>, planned: Duration.Duration) => Effect.Effect<void>
  ) => Effect.Effect<Turn, GaveUp>
  /** The gate's state, for metrics. */
  readonly snapshot: Effect.Effect<Gate.Snapshot>
}

/**
 * What admission charges a call: on arrival, and in the end. In tokens.
 *
 * @since 0.1.0
 * @category models
 */
export interface Quote {
  readonly cost: number
  readonly actual: (usage: Usage) => number
}

/**
 * A failure that may hold the server's hint.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hinted {
  readonly retryAfter: Option.Option<Duration.Duration>
}

/**
 * How a deployment's calls pass its gate: for `Runner.make`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Admitted<F extends Hinted> {
  readonly controller: Controller
  /** How the deployment counts the tokens of a text. */
  readonly count: CountTokens
  /** What a call is charged; `demand` is undefined where the operation does not say. */
  readonly quote: (demand: Demand | undefined) => Effect.Effect<Quote>
  /** Whether the server refused for lack of capacity. */
  readonly isThrottle: (failure: F) => boolean
  /** What a call failed with that was not sent. */
  readonly saturated: (gaveUp: GaveUp) => F
}

/**
 * The gates of a program, one for each key, made when first asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * The gate of a deployment, whose key is unique in the program: its endpoint and name, say. `deployment`: its name in
   * metrics.
   */
  readonly controller: (key: string, deployment?: string) => Effect.Effect<Controller, ConfigError.ConfigError>
}

/**
 * Admission, for the deployments that have it. Without it they send at once.
 *
 * @since 0.1.0
 * @category tags
 * @example
 * ```ts
 * import { Admission } from "@spillway/core"
 * import { Effect } from "effect"
 *
 * // The gate of one deployment: how many calls wait at it.
 * export const waiting = Effect.gen(function* () {
 *   const admission = yield* Admission.Admission
 *   const gate = yield* admission.controller("https://contoso.openai.azure.com gpt-4o-ptu")
 *   return (yield* gate.snapshot).waiting
 * })
 * ```
 */
export class Admission extends Context.Tag("@spillway/core/Admission")<Admission, Service>() {}

const problem = (option: string, message: string): ConfigError.ConfigError => ConfigError.InvalidData([option], message)

/**
 * Fails with everything that is wrong with the options.
 *
 * @since 0.1.0
 * @category guards
 * @example
 * ```ts
 * import { Admission } from "@spillway/core"
 *
 * // Fails: tokensPerSecond is to be above 0.
 * export const checked = Admission.check({ tokensPerSecond: 0 })
 * ```
 */
export const check = (options: Options): Effect.Effect<void, ConfigError.ConfigError> => {
  const { burstMs, maxWait, maxWaiting, tokensPerSecond } = options
  const decoded = maxWait === undefined ? Option.none() : Duration.decodeUnknown(maxWait)
  const problems = [
    ...(Number.isFinite(tokensPerSecond) && tokensPerSecond > 0
      ? []
      : [problem("tokensPerSecond", `${tokensPerSecond}: expected a number above 0`)]),
    ...(burstMs === undefined || (Number.isFinite(burstMs) && burstMs >= 0)
      ? []
      : [problem("burstMs", `${burstMs}: expected a number of milliseconds, 0 or more`)]),
    ...(maxWaiting === undefined || (Number.isSafeInteger(maxWaiting) && maxWaiting >= 0)
      ? []
      : [problem("maxWaiting", `${maxWaiting}: expected a whole number, 0 or more`)]),
    ...(maxWait === undefined || Option.isSome(decoded)
      ? []
      : [problem("maxWait", "not a duration: expected one such as 4 seconds")])
  ]
  return problems.length === 0
    ? Effect.void
    : Effect.fail(problems.reduce((left, right) => ConfigError.And(left, right)))
}

/**
 * A gate. It lives until the Scope closes; calls that still wait are then given up.
 *
 * Fails with a `ConfigError` that lists everything that is wrong with the options.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Admission } from "@spillway/core"
 * import { Effect } from "effect"
 *
 * export const snapshot = Admission.make({ tokensPerSecond: 4000 }).pipe(
 *   Effect.flatMap((gate) => gate.snapshot),
 *   Effect.scoped
 * )
 * ```
 */
export const make = (options: Options): Effect.Effect<Controller, ConfigError.ConfigError, Scope.Scope> =>
  Effect.gen(function* () {
    yield* check(options)
    const clock = yield* Effect.clock
    const origin = clock.unsafeCurrentTimeNanos()
    return yield* Effect.acquireRelease(
      Effect.sync(() => {
        const live = new LiveGate(options, origin)
        if (options.deployment !== undefined) {
          Metrics.gate({ deployment: options.deployment, read: () => live.state(clock) })
        }
        return live
      }),
      (live) => live.close
    )
  })

/**
 * Gates by key: each is made when its key is first asked for, with the options given then, and is the same from then on.
 * All live until the Scope closes.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Admission } from "@spillway/core"
 * import { Effect } from "effect"
 *
 * export const same = Effect.gen(function* () {
 *   const gates = yield* Admission.keyed
 *   const first = yield* gates("one", { tokensPerSecond: 4000 })
 *   return first === (yield* gates("one", { tokensPerSecond: 1 })) // => true
 * }).pipe(Effect.scoped)
 * ```
 */
export const keyed: Effect.Effect<
  (key: string, options: Options) => Effect.Effect<Controller, ConfigError.ConfigError>,
  never,
  Scope.Scope
> = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const lock = yield* Effect.makeSemaphore(1)
  const gates = new Map<string, Controller>()
  return (key, options) =>
    lock.withPermits(1)(
      Effect.suspend(() => {
        const known = gates.get(key)
        return known === undefined
          ? Effect.tap(Scope.extend(make(options), scope), (gate) => Effect.sync(() => gates.set(key, gate)))
          : Effect.succeed(known)
      })
    )
})

/**
 * Gates for the deployments below it, one for each, all with these options. For Azure OpenAI use the layer of
 * `@spillway/azure-openai`, which knows what a PTU is worth.
 *
 * Provide it once, at the edge of the program: every build of the Layer makes gates of its own. Fails with a `ConfigError`
 * that lists everything that is wrong with the options.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import { Admission } from "@spillway/core"
 *
 * export const Paced = Admission.layer({ tokensPerSecond: 4000, maxWait: "2 seconds" })
 * ```
 */
export const layer = (options: Options): Layer.Layer<Admission, ConfigError.ConfigError> =>
  Layer.scoped(
    Admission,
    Effect.gen(function* () {
      yield* check(options)
      const gates = yield* keyed
      return {
        controller: (key, deployment) => gates(key, deployment === undefined ? options : { ...options, deployment })
      }
    })
  )
