import { Call, CallSettings, Deadline, Telemetry } from "@spillway/core"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CallError } from "../CallError.js"
import type { StreamBroken } from "../StreamBroken.js"
import type { Deployment, Service } from "../Deployment.js"
import * as Failure from "../Failure.js"
import { pathOf } from "./issuePath.js"
import type { Opened, Request, Target } from "../Target.js"
import { attributes, Content, values } from "../Telemetry.js"
import * as Tokens from "../Tokens.js"
import * as CallMetrics from "./callMetrics.js"
import * as Contents from "./content.js"
import type { Protocol } from "./eventStream.js"
import * as EventStream from "./eventStream.js"

/** Attributes without those that have no value: exporters write `undefined` as a word. @internal */
export const defined = (entries: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined && value !== null))

/** @internal */
export interface CallOptions {
  readonly once?: boolean
  /** What it will take of a deployment's capacity. */
  readonly body?: Readonly<Record<string, unknown>>
}

const optionsOf = (
  runner: Service,
  name: string,
  request: Record<string, unknown>,
  options: CallOptions = {}
): Call.Options => ({
  metrics: CallMetrics.of(name, runner.primary.model),
  once: options.once,
  demand: options.body === undefined ? undefined : Tokens.demand(options.body),
  name: `${name} ${runner.primary.model}`,
  attributes: {
    [attributes.operation]: name,
    [attributes.provider]: values.provider,
    [attributes.resourceProvider]: values.resourceProvider,
    [attributes.requestModel]: runner.primary.model,
    ...defined(request)
  }
})

/** Runs an operation as a call, with its root span `{name} {model}`. @internal */
export const call = (...options: Parameters<typeof optionsOf>) => Call.run(optionsOf(...options))

/** {@link call}, for what lasts until the enclosing Scope closes. @internal */
export const callScoped = (...options: Parameters<typeof optionsOf>) => Call.runScoped(optionsOf(...options))

/** Tells admission and metrics what the reply says the request took. @internal */
export const recordUsage = (usage: unknown): Effect.Effect<void, never, Call.Call> =>
  Effect.map(Call.Call, (call) => call.recordUsage(Tokens.used(usage)))

/** What was asked or answered, onto the call's span, for who asks for it. @internal */
export const content = (attributes: () => Record<string, unknown>): Effect.Effect<void> =>
  Effect.flatMap(Content, (wanted) => (wanted ? Effect.annotateCurrentSpan(defined(attributes())) : Effect.void))

/** A failure of the call that no attempt came to. @internal */
export const fail = (runner: Service, failure: Failure.Failure): Effect.Effect<never, CallError, Call.Call> =>
  Effect.flatMap(Call.Call, ({ attempts, once, startedAt }) =>
    Effect.fail(
      Failure.toError(runner.primary.deployment, failure, { attempts: [...attempts], since: startedAt, once })
    )
  )

/**
 * The request, if it can be right, its parameters noted on the call's span; or `BadRequest` without attempts. What a program
 * hands over may do anything when it is looked at, so even that is tried.
 *
 * @internal
 */
export const valid = <A>(
  runner: Service,
  check: () => Either.Either<A, ParseResult.ParseError>,
  describe: (request: A) => Record<string, unknown>
): Effect.Effect<A, CallError, Call.Call> =>
  Effect.try({ try: check, catch: () => Failure.refused("request") }).pipe(
    Effect.flatMap(Either.mapLeft((issue) => Failure.refused(pathOf(issue)))),
    Effect.filterOrFail(isJson, () => Failure.refused("body")),
    Effect.tap((request) => Effect.annotateCurrentSpan(defined(describe(request)))),
    Effect.catchAll((failure) => fail(runner, failure))
  )

const isJson = (request: unknown): boolean => {
  try {
    return JSON.stringify(request)?.startsWith("{") === true
  } catch {
    return false
  }
}

/** A stream whose output has begun. @internal */
export interface Begun<A> {
  readonly served: Call.Served
  readonly events: Stream.Stream<A, StreamBroken>
  /** The same as it came over the wire. One of both can be run, once. */
  readonly bytes: Stream.Stream<Uint8Array, StreamBroken>
  readonly reply: Opened
}

// The attempt's own timeout, which comes later or is the only one, is the runner's.
const inTime =
  (target: Target, call: Call.Service) =>
  <A, R>(attempt: Effect.Effect<A, Failure.Failure, R>): Effect.Effect<A, Failure.Failure, R> =>
    Effect.flatMap(CallSettings.CallSettings, ({ firstOutput }) => {
      const limit = Duration.min(
        target.limits.firstOutput,
        Option.getOrElse(firstOutput, () => Duration.infinity)
      )
      return Option.match(Duration.toNanos(limit), {
        onNone: () => attempt,
        onSome: (nanos) =>
          Effect.flatMap(Clock.currentTimeNanos, (now) =>
            Deadline.failAt(attempt, now + nanos, () => Failure.cutOff("timeout", call.reply))
          )
      })
    })

/**
 * Sends until a stream's output begins, as the policy says. The span and the connection of the attempt that answers last
 * until the enclosing Scope closes.
 *
 * @internal
 */
export const begin = <A>(
  runner: Service,
  options: {
    /** The operation's name, as its call has it. */
    readonly name: string
    readonly request: Request
    readonly protocol: (reply: Opened, target: Target) => Protocol<A>
  }
): Effect.Effect<Begun<A>, CallError, Call.Call | Scope.Scope> =>
  Effect.gen(function* () {
    const call = yield* Call.Call
    const root = yield* Effect.option(Effect.currentSpan)
    const { begun, protocol, reply, span, target } = yield* runner.execute((target) =>
      Effect.gen(function* () {
        const reply = yield* target.open(options.request)
        const protocol = options.protocol(reply, target)
        const begun = yield* EventStream.open(reply, protocol, target.limits, call.once)
        const span = yield* Effect.option(Effect.currentSpan)
        return { begun, protocol, reply, span, target }
      }).pipe(inTime(target, call))
    )
    const [now, wanted, tags] = yield* Effect.all([
      Clock.currentTimeNanos,
      Content,
      FiberRef.get(FiberRef.currentMetricLabels)
    ])
    const toFirst = Number(now - call.startedAt) / 1e9
    CallMetrics.of(options.name, runner.primary.model).timeToFirstChunk.unsafeUpdate(toFirst, tags)
    call.addFinalizer(() =>
      Effect.sync(() => {
        // Admission settles in a finalizer that was added before, so after this one.
        call.recordUsage(Tokens.used(protocol.usage()))
        if (Option.isNone(root)) return
        const answer: Record<string, unknown> = { ...protocol.attributes(), [attributes.timeToFirstChunk]: toFirst }
        const said = wanted
          ? { [attributes.outputMessages]: Contents.outputText(protocol.text(), answer[attributes.finishReasons]) }
          : {}
        for (const [key, value] of Object.entries(defined({ ...answer, ...said }))) root.value.attribute(key, value)
      })
    )
    const served = yield* Call.served(runner.primary)
    const ending: EventStream.Options<StreamBroken> = {
      limits: target.limits,
      deadline: call.deadline,
      onBroken: (failure) =>
        Effect.suspend(() => {
          if (Option.isSome(span)) span.value.attribute(Telemetry.attributes.errorType, failure.errorType)
          return Effect.fail(
            Failure.toStreamBroken(target.deployment, failure, {
              text: protocol.text(),
              events: begun.reader.taken,
              attempts: call.attempts
            })
          )
        })
    }
    return { served, events: EventStream.events(begun, ending), bytes: EventStream.bytes(begun, ending), reply }
  })

/**
 * A stream out of what begins one: it lives in a Scope of its own, which closes with the stream, so that spans end and
 * connections are given up when the stream ends, however it ends.
 *
 * @internal
 */
export const streamed = <A>(
  begun: Effect.Effect<Pick<Begun<A>, "events">, CallError, Deployment | Scope.Scope>
): Stream.Stream<A, CallError | StreamBroken, Deployment> =>
  Stream.unwrap(
    Effect.map(Scope.make(), (scope) =>
      Stream.unwrap(Effect.map(Scope.extend(begun, scope), ({ events }) => events)).pipe(
        Stream.ensuringWith((exit) => Scope.close(scope, exit))
      )
    )
  )
