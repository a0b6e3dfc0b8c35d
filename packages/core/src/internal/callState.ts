import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type { Attempt } from "../Attempt.js"
import type { CountTokens, Demand, Outcome, Reply, Service, Usage } from "../Call.js"
import type * as Metrics from "../Metrics.js"
import { attributes, events } from "../Telemetry.js"
import * as Log from "./log.js"
import { toMillis } from "./time.js"

/** The tag of an error, as it is named in attributes and logs. */
const nameOf = (error: unknown): string =>
  Predicate.hasProperty(error, "_tag") && Predicate.isString(error._tag) ? error._tag : "_OTHER"

let arrivals = 0

/** @internal */
export class CallState implements Service {
  readonly order = ++arrivals
  readonly attempts: Array<Attempt> = []
  private readonly finalizers: Array<Scope.Scope.Finalizer> = []
  private closedBy: Exit.Exit<unknown, unknown> | undefined = undefined
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

  recordSent(metrics: Metrics.Deployment): void {
    this.metrics = metrics
    // What an attempt before it took is not this one's.
    this.usage = undefined
    metrics.sent(this.tags)
  }

  recordEnded(metrics: Metrics.Deployment): void {
    metrics.ended(this.tags)
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
    // The failure knows its hint better, if it has one.
    const { retryAfterMs: _, ...reply } = this.reply
    const recorded = { ...attempt, ...reply }
    this.sent.set(leaf, this.sentBy(leaf) + 1)
    this.attempts.push(recorded)
    this.metrics?.attempt(recorded, errorType, this.tags)
    this.reply = {}
  }

  addFinalizer(finalizer: Scope.Scope.Finalizer): Effect.Effect<void> {
    return Effect.suspend(() => {
      // A fiber that outlives the call that it was forked in may still be answered.
      if (this.closedBy !== undefined) return finalizer(this.closedBy)
      this.finalizers.push(finalizer)
      return Effect.void
    })
  }

  /** No finalizers are kept from here on. The ones there are, to be run. */
  close(exit: Exit.Exit<unknown, unknown>): ReadonlyArray<Scope.Scope.Finalizer> {
    this.closedBy = exit
    return this.finalizers
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
