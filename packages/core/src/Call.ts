/**
 * One use of a deployment by the application: its start, its attempts and waits, its root span.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Span as RootSpan } from "effect/Tracer"
import type { ParentSpan } from "effect/Tracer"
import type { Attempt, Kind } from "./Attempt.js"
import { CallSettings } from "./CallSettings.js"
import { CallState } from "./internal/callState.js"
import * as Span from "./internal/span.js"
import { toMillis, toNanos } from "./internal/time.js"
import * as Uninterrupted from "./internal/uninterrupted.js"
import * as Metrics from "./Metrics.js"

/**
 * How an answer came about.
 *
 * - `served`: by the first deployment of the chain, without waiting.
 * - `served_after_wait`: by the first deployment, after waiting for capacity.
 * - `fallback`: by a later deployment of the chain.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome = "served" | "served_after_wait" | "fallback"

/**
 * Who served a call and why. Times are milliseconds of monotonic time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Served {
  readonly deployment: string
  readonly servedBy: Kind
  readonly outcome: Outcome
  readonly requestId: string | undefined
  readonly attempts: ReadonlyArray<Attempt>
  readonly waitedMs: number
  readonly totalMs: number
}

/**
 * What a transport knows of a reply, answer or not: its status, the service's id for it, and how the deployment that
 * really served it is paid for, where that is not the one that was asked.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reply {
  readonly status?: number
  readonly requestId?: string
  /** The service's id for what it is making, by which that can be found later. */
  readonly responseId?: string
  /** The server's hint, where it refused: an attempt that is cut off before the refusal is read keeps it. */
  readonly retryAfterMs?: number
  readonly kind?: Kind
}

/**
 * How many tokens a text has, for a deployment's model.
 *
 * @since 0.1.0
 * @category models
 */
export type CountTokens = (text: string) => number

/**
 * What an operation expects its request to take, before it is sent. In tokens.
 *
 * @since 0.1.0
 * @category models
 */
export interface Demand {
  /** How long the prompt is: counted or estimated. */
  readonly inputTokens: number
  /** The longest answer the request allows, over all choices; undefined where it sets no bound. */
  readonly outputTokens: number | undefined
}

/**
 * What a request took, as its reply says. In tokens.
 *
 * @since 0.1.0
 * @category models
 */
export interface Usage {
  readonly inputTokens: number
  /** The part of the prompt that the service had in its cache. */
  readonly cachedTokens: number
  readonly outputTokens: number
}

/**
 * A call in progress. The leaf deployment writes its log; retry and orElse read its deadline.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Its root span. */
  readonly span: RootSpan
  /** When the call began, in nanoseconds of `Clock.currentTimeNanos`. */
  readonly startedAt: bigint
  /** Its place among all calls of the process, in order of arrival. */
  readonly order: number
  /** What its request is expected to take, its texts counted by `count`; undefined where the operation does not say. */
  readonly demand: (count: CountTokens) => Demand | undefined
  /** The instant of the call's deadline, on the same clock. */
  readonly deadline: Option.Option<bigint>
  /** Whether its request must not run twice: then it is not sent again after it may have run. */
  readonly once: boolean
  /** The attempts so far, oldest first. */
  readonly attempts: ReadonlyArray<Attempt>
  /** The outcome, if the call were answered now. */
  readonly outcome: Outcome
  /** Time spent in waits so far, in milliseconds. */
  readonly waitedMs: number
  /** How many of the attempts were sent by this leaf. */
  readonly sentBy: (leaf: object) => number
  /** Adds what the transport knows of the attempt in progress; it becomes part of the next attempt recorded. */
  readonly recordReply: (reply: Reply) => void
  /** What was recorded of the attempt in progress. */
  readonly reply: Reply
  /** Adds what the attempt in progress took, when its reply says so: at the end, for a stream. */
  readonly recordUsage: (usage: Usage | undefined) => void
  /** What was recorded since the last time it was asked for. */
  readonly takeUsage: () => Usage | undefined
  /** An attempt begins; until the next one, what it takes goes to `metrics`. */
  readonly recordSent: (metrics: Metrics.Deployment) => void
  /** An attempt whose beginning was recorded has ended, its stream included. */
  readonly recordEnded: (metrics: Metrics.Deployment) => void
  /** `errorType`: where it failed, as its span has it. */
  readonly record: (leaf: object, attempt: Attempt, errorType: string | undefined) => void
  readonly recordWait: (nanos: bigint) => void
  /** What to run when the call has ended, before its span does; what was added last runs first. At once, where it has ended. */
  readonly addFinalizer: (finalizer: Scope.Scope.Finalizer) => Effect.Effect<void>
  /** Whether a later deployment than the first has taken over. */
  readonly fellBack: boolean
  /** `fellBack`: where the retry goes back to. */
  readonly recordRetry: (
    now: bigint,
    deployment: string,
    wait: Duration.Duration,
    fellBack: boolean
  ) => Effect.Effect<void>
  readonly recordFallback: (now: bigint, from: string, to: string, error: unknown) => Effect.Effect<void>
}

/**
 * The call that a deployment is used in. Made by {@link run}; a deployment requires it, so that a request without a root
 * span does not compile.
 *
 * @since 0.1.0
 * @category tags
 * @example
 * ```ts
 * import { Call } from "@spillway/core"
 * import { Effect } from "effect"
 *
 * // How many requests the call in progress has sent.
 * export const sent = Effect.map(Call.Call, (call) => call.attempts.length)
 * ```
 */
export class Call extends Context.Tag("@spillway/core/Call")<Call, Service>() {}

// Of an operation that gives none of its own: made when there is one.
let shared: Metrics.Calls | undefined
const sharedMetrics = (): Metrics.Calls => (shared ??= Metrics.calls({ labels: {} }))

/**
 * What {@link run} makes a call from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The name of the root span. */
  readonly name: string
  /** The attributes that the root span begins with. */
  readonly attributes: Record<string, unknown>
  /** What its request is expected to take. Asked for only where a deployment has admission. Defaults to not known. */
  readonly demand?: ((count: CountTokens) => Demand) | undefined
  /** Where the call is counted. Defaults to the counters that all calls without their own share. */
  readonly metrics?: Metrics.Calls | undefined
  /** Whether the request must not run twice. Defaults to false. */
  readonly once?: boolean | undefined
}

// The context is changed by hand: `Effect.provide` costs as much as the two spans of a call.
const within = <A, E, R, R2 = never>(
  self: Effect.Effect<A, E, R>,
  { attributes, demand, metrics = sharedMetrics(), name, once = false }: Options,
  ending: (end: Scope.Scope.Finalizer, exit: Exit.Exit<A, E>) => Effect.Effect<unknown, never, R2>
): Effect.Effect<A, E, Exclude<R, Call | ParentSpan> | R2> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.withFiberRuntime((fiber) => {
      const outer = fiber.currentContext
      const settings = Context.get(outer, CallSettings)
      const clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
      const tags = fiber.getFiberRef(FiberRef.currentMetricLabels)
      return Effect.flatMap(Effect.makeSpan(name, { kind: "client", captureStackTrace: false, attributes }), (span) => {
        const startedAt = clock.unsafeCurrentTimeNanos()
        const deadline = Option.map(settings.deadline, (deadline) => startedAt + toNanos(deadline))
        const call = new CallState(startedAt, deadline, span, tags, once, demand)
        const endSpan = Span.ender(span, clock, fiber)
        const ended = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
          Effect.suspend(() => {
            const logged = call.end(exit, clock.unsafeCurrentTimeNanos(), metrics)
            endSpan(exit)
            return logged
          })
        const end = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
          // A finalizer may break as soon as it is called: that must not keep the others, nor the context, from what they are due.
          call.close(exit).reduce(
            (after, finalizer) =>
              Uninterrupted.ensure(
                Effect.suspend(() => finalizer(exit)),
                after
              ),
            ended(exit)
          )
        const leave = (exit: Exit.Exit<A, E>): Effect.Effect<A, E, R2> =>
          Effect.zipRight(
            FiberRef.set(FiberRef.currentContext, outer),
            Uninterrupted.ensure(
              exit,
              Effect.suspend(() => ending(end, exit))
            )
          )
        const inner = Span.within(outer, span, Call, call)
        return Effect.zipRight(
          FiberRef.set(FiberRef.currentContext, inner),
          // The compiler cannot know that what was excluded and then added is all there was.
          Effect.matchCauseEffect(restore(self as Effect.Effect<A, E, Exclude<R, Call | ParentSpan>>), {
            onFailure: (cause) => leave(Exit.failCause(cause)),
            onSuccess: (answer) => leave(Exit.succeed(answer))
          })
        )
      })
    })
  )

/**
 * Runs `self` as one call: makes the root span (kind client) and provides {@link Call}.
 *
 * The call's clock starts here. `CallSettings.withDeadline` is read here, once. When `self` has ended, interrupted or not,
 * what its attempts acquired is released, the call is counted and logged at debug level, and its span ends.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import type { Runner } from "@spillway/core"
 * import { Call } from "@spillway/core"
 * import { Effect } from "effect"
 *
 * // An operation of your own, over any deployment.
 * export const ask = <T, F, E>(runner: Runner.Runner<T, F, E>, use: (target: T) => Effect.Effect<string, F>) =>
 *   runner.execute(use).pipe(Call.run({ name: "ask", attributes: {} }))
 * ```
 */
export const run: {
  (options: Options): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Call | ParentSpan>>
  <A, E, R>(self: Effect.Effect<A, E, R>, options: Options): Effect.Effect<A, E, Exclude<R, Call | ParentSpan>>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, options: Options): Effect.Effect<A, E, Exclude<R, Call | ParentSpan>> =>
    within(self, options, (end, exit) => end(exit))
)

/**
 * {@link run}, for what outlives the effect, such as a stream: the call, its root span and what its attempts acquired last
 * until the enclosing Scope closes; if `self` fails, until then.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import type { Runner } from "@spillway/core"
 * import { Call } from "@spillway/core"
 * import type { Effect, Stream } from "effect"
 *
 * // What is opened lasts as long as the caller's Scope, and the call's span with it.
 * export const open = <T, F, E>(
 *   runner: Runner.Runner<T, F, E>,
 *   use: (target: T) => Effect.Effect<Stream.Stream<string>, F>
 * ) => Call.runScoped(runner.execute(use), { name: "open", attributes: {} })
 * ```
 */
export const runScoped: {
  (
    options: Options
  ): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, Exclude<R, Call | ParentSpan> | Scope.Scope>
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    options: Options
  ): Effect.Effect<A, E, Exclude<R, Call | ParentSpan> | Scope.Scope>
} = dual(
  2,
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    options: Options
  ): Effect.Effect<A, E, Exclude<R, Call | ParentSpan> | Scope.Scope> =>
    within(self, options, (end, exit): Effect.Effect<unknown, never, Scope.Scope> =>
      // A call which fails inside a longer Scope ends then and there.
      Exit.isSuccess(exit) ? Effect.addFinalizer(end) : end(exit)
    )
)

/**
 * How the call in progress came to its answer: to be asked once the answer is there. `primary` stands in for a deployment
 * of your own that records no attempts.
 *
 * @since 0.1.0
 * @category accessors
 * @example
 * ```ts
 * import { Call } from "@spillway/core"
 * import { Effect } from "effect"
 *
 * // Within a call.
 * export const outcome = Effect.map(Call.served({ deployment: "ptu", kind: "provisioned" }), ({ outcome }) => outcome)
 * ```
 */
export const served = (primary: {
  readonly deployment: string
  readonly kind: Kind
}): Effect.Effect<Served, never, Call> =>
  Effect.withFiberRuntime((fiber) => {
    const call = Context.unsafeGet(fiber.currentContext, Call)
    const clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
    const last = call.attempts.at(-1)
    return Effect.succeed({
      deployment: last?.deployment ?? primary.deployment,
      servedBy: last?.kind ?? primary.kind,
      outcome: call.outcome,
      requestId: last?.requestId,
      attempts: [...call.attempts],
      waitedMs: call.waitedMs,
      totalMs: toMillis(clock.unsafeCurrentTimeNanos() - call.startedAt)
    })
  })
