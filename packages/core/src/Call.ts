/**
 * One use of a deployment by the application: its start, its attempts and waits, its root span.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import { dual } from "effect/Function"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type { Attempt, Kind } from "./Attempt.js"
import { CallSettings } from "./CallSettings.js"
import * as Log from "./internal/log.js"
import { toMillis, toNanos } from "./internal/time.js"
import * as Metrics from "./Metrics.js"
import { attributes, events } from "./Telemetry.js"

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
  /** An attempt begins; until the next one, what it takes goes to `metrics`. Returns what to run when it has ended. */
  readonly recordSent: (metrics: Metrics.Deployment) => () => void
  /** `errorType`: where it failed, as its span has it. */
  readonly record: (leaf: object, attempt: Attempt, errorType: string | undefined) => void
  readonly recordWait: (nanos: bigint) => void
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
 */
export class Call extends Context.Tag("@spillway/core/Call")<Call, Service>() {}

/** The tag of an error, as it is named in attributes and logs. */
const nameOf = (error: unknown): string =>
  Predicate.hasProperty(error, "_tag") && Predicate.isString(error._tag) ? error._tag : "_OTHER"

let arrivals = 0

class State implements Service {
  readonly order = ++arrivals
  readonly attempts: Array<Attempt> = []
  private readonly sent = new Map<object, number>()
  private waitedNanos = 0n
  fellBack = false
  reply: Reply = {}
  private metrics: Metrics.Deployment | undefined = undefined
  private usage: Usage | undefined = undefined
  private counted: { readonly by: CountTokens; readonly demand: Demand | undefined } | undefined = undefined

  constructor(
    readonly startedAt: bigint,
    readonly deadline: Option.Option<bigint>,
    readonly span: Tracer.Span,
    private readonly tags: Metrics.Tags,
    readonly once: boolean,
    private readonly demanded: ((count: CountTokens) => Demand) | undefined
  ) {}

  // Counting reads the whole prompt, so a retry does not count again.
  demand(count: CountTokens): Demand | undefined {
    if (this.counted?.by !== count) this.counted = { by: count, demand: this.demanded?.(count) }
    return this.counted.demand
  }

  sentBy(leaf: object): number {
    return this.sent.get(leaf) ?? 0
  }

  recordReply(reply: Reply): void {
    this.reply = reply
  }

  recordSent(metrics: Metrics.Deployment): () => void {
    this.metrics = metrics
    metrics.sent(this.tags)
    return () => metrics.ended(this.tags)
  }

  recordUsage(usage: Usage | undefined): void {
    this.usage = usage
    if (usage !== undefined) this.metrics?.tokens(usage, this.tags)
  }

  takeUsage(): Usage | undefined {
    const { usage } = this
    this.usage = undefined
    return usage
  }

  record(leaf: object, attempt: Attempt, errorType: string | undefined): void {
    const recorded = { ...attempt, ...this.reply }
    this.sent.set(leaf, this.sentBy(leaf) + 1)
    this.attempts.push(recorded)
    this.metrics?.attempt(recorded, errorType, this.tags)
    this.reply = {}
  }

  recordWait(nanos: bigint): void {
    this.waitedNanos += nanos
  }

  recordRetry(now: bigint, deployment: string, wait: Duration.Duration, fellBack: boolean): Effect.Effect<void> {
    this.fellBack = fellBack
    return this.decided(events.retry, LogLevel.Debug, now, {
      [attributes.deployment]: deployment,
      [attributes.waitPlannedMs]: Duration.toMillis(wait)
    })
  }

  recordFallback(now: bigint, from: string, to: string, error: unknown): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.fellBack = true
      return this.decided(events.fallback, LogLevel.Info, now, {
        [attributes.fallbackFrom]: from,
        [attributes.fallbackTo]: to,
        [attributes.errorType]: nameOf(error)
      })
    })
  }

  private decided(
    event: string,
    level: LogLevel.LogLevel,
    now: bigint,
    what: Record<string, unknown>
  ): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.span.event(event, now, what)
      return Log.write(this.span, level, event, () => ({
        ...what,
        [attributes.elapsedMs]: toMillis(now - this.startedAt),
        [attributes.responseMs]: this.responses
      }))
    })
  }

  private get responses(): string {
    return this.attempts.map(({ durationMs }) => Math.round(durationMs)).join(",")
  }

  get waitedMs(): number {
    return toMillis(this.waitedNanos)
  }

  get outcome(): Outcome {
    if (this.fellBack) return "fallback"
    return this.waitedNanos > 0n ? "served_after_wait" : "served"
  }

  /** The call has ended. */
  end(exit: Exit.Exit<unknown, unknown>, now: bigint, metrics: Metrics.Calls): Effect.Effect<void> {
    const last = this.attempts.at(-1)
    const answered = Exit.isSuccess(exit)
    const interrupted = !answered && Cause.isInterruptedOnly(exit.cause)
    const outcome = answered ? this.outcome : interrupted ? "interrupted" : "failed"
    const errorType =
      answered || interrupted
        ? undefined
        : Option.match(Cause.failureOption(exit.cause), { onNone: () => "defect", onSome: nameOf })
    const totalMs = toMillis(now - this.startedAt)
    const what = {
      [attributes.attempts]: this.attempts.length,
      [attributes.waitedMs]: this.waitedMs,
      [attributes.outcome]: outcome,
      ...(answered && last !== undefined
        ? { [attributes.servedBy]: last.kind, [attributes.deployment]: last.deployment }
        : {}),
      ...(errorType === undefined ? {} : { [attributes.errorType]: errorType })
    }
    for (const [key, value] of Object.entries(what)) this.span.attribute(key, value)
    metrics.ended({ outcome, errorType, waitedMs: this.waitedMs, totalMs }, this.tags)
    return Log.write(this.span, LogLevel.Debug, events.call, () => ({
      ...what,
      [attributes.elapsedMs]: totalMs,
      [attributes.responseMs]: this.responses
    }))
  }
}

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

/**
 * Runs `self` as one call: makes the root span (kind client) and provides {@link Call}. Both last until the enclosing
 * Scope closes, so that a stream's root span ends with the stream; if `self` fails, until then.
 *
 * The call's clock starts here. `CallSettings.withDeadline` is read here, once. `demand` is asked for only where a
 * deployment has admission. `once` says that the request must not run twice; it defaults to false. When the Scope closes,
 * the call is counted in `metrics` (`Metrics.calls`; defaults to metrics without labels) and logged at debug level.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run: {
  (
    options: Options
  ): <A, E, R>(
    self: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, Exclude<Exclude<R, Call>, Tracer.ParentSpan> | Scope.Scope>
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    options: Options
  ): Effect.Effect<A, E, Exclude<Exclude<R, Call>, Tracer.ParentSpan> | Scope.Scope>
} = dual(
  2,
  <A, E, R>(
    self: Effect.Effect<A, E, R>,
    options: Options
  ): Effect.Effect<A, E, Exclude<Exclude<R, Call>, Tracer.ParentSpan> | Scope.Scope> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        // A Scope of its own, so that a call which fails inside a longer one ends then and there.
        const scope = yield* Effect.flatMap(Effect.scope, (outer) => Scope.fork(outer, ExecutionStrategy.sequential))
        const span = yield* Scope.extend(
          Effect.makeSpanScoped(options.name, {
            kind: "client",
            captureStackTrace: false,
            attributes: options.attributes
          }),
          scope
        )
        const settings = yield* CallSettings
        const tags = yield* FiberRef.get(FiberRef.currentMetricLabels)
        const clock = yield* Clock.clockWith(Effect.succeed)
        const startedAt = clock.unsafeCurrentTimeNanos()
        const deadline = Option.map(settings.deadline, (deadline) => startedAt + toNanos(deadline))
        const state = new State(startedAt, deadline, span, tags, options.once ?? false, options.demand)
        const metrics = options.metrics ?? sharedMetrics()
        yield* Scope.addFinalizerExit(scope, (exit) =>
          Effect.suspend(() => state.end(exit, clock.unsafeCurrentTimeNanos(), metrics))
        )
        return yield* restore(self).pipe(
          Effect.provideService(Call, state),
          Effect.provideService(Scope.Scope, scope),
          Effect.withParentSpan(span),
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
        )
      })
    )
)

/**
 * How the call in progress came to its answer: to be asked once the answer is there. `primary` stands in for a deployment
 * of your own that records no attempts.
 *
 * @since 0.1.0
 * @category accessors
 */
export const served = (primary: {
  readonly deployment: string
  readonly kind: Kind
}): Effect.Effect<Served, never, Call> =>
  Effect.zipWith(Call, Clock.currentTimeNanos, (call, now) => {
    const last = call.attempts.at(-1)
    return {
      deployment: last?.deployment ?? primary.deployment,
      servedBy: last?.kind ?? primary.kind,
      outcome: call.outcome,
      requestId: last?.requestId,
      attempts: [...call.attempts],
      waitedMs: call.waitedMs,
      totalMs: toMillis(now - call.startedAt)
    }
  })
