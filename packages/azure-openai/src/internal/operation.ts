import { Call, CallSettings, Deadline, Telemetry } from "@spillway/core"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CallError } from "../CallError.js"
import type { StreamBroken } from "../StreamBroken.js"
import type { Service } from "../Deployment.js"
import { Deployment } from "../Deployment.js"
import * as Failure from "../Failure.js"
import { pathOf } from "./issuePath.js"
import type { Opened, Request } from "../Target.js"
import * as Target from "../Target.js"
import { attributes, Content, values } from "../Telemetry.js"
import * as Tokens from "../Tokens.js"
import * as CallMetrics from "./callMetrics.js"
import * as Contents from "./content.js"
import type { Protocol } from "./eventStream.js"
import * as EventStream from "./eventStream.js"

/** Attributes without those that have no value: exporters write `undefined` as a word. @internal */
export const defined = (entries: Record<string, unknown>): Record<string, unknown> =>
  Record.filter(entries, Predicate.isNotNullable)

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

/** A failure of the call that no attempt came to. @internal */
export const fail = (runner: Service, failure: Failure.Failure): Effect.Effect<never, CallError, Call.Call> =>
  Effect.flatMap(Call.Call, ({ attempts, once, startedAt }) =>
    Effect.fail(
      Failure.toError(runner.primary.deployment, failure, { attempts: [...attempts], since: startedAt, once })
    )
  )

/** How an operation is asked for. @internal */
export interface Operation<Req> {
  /** What its span and its metrics call it. */
  readonly name: string
  readonly path: string
  readonly check: (request: unknown) => Either.Either<Req, Failure.Failure>
  /** Attributes of the call's span. */
  readonly describe: (request: Req) => Record<string, unknown>
  /** The same, for who wants to see the prompt. */
  readonly prompt: (request: Req) => Record<string, unknown>
  /** Whether the request must not run twice. Defaults to false. */
  readonly once?: (request: Req) => boolean
  /** Who is asked. Defaults to whom the program was given. */
  readonly runner?: (all: Service, request: Req) => Service
}

/** @internal */
export const checkWith =
  <A>(check: (request: unknown) => Either.Either<A, ParseResult.ParseError>) =>
  (request: unknown): Either.Either<A, Failure.Failure> =>
    Either.mapLeft(check(request), (issue) => Failure.refused(pathOf(issue)))

interface Prepared<Req> {
  readonly runner: Service
  readonly request: Req
  /** Written down here, once for all attempts. */
  readonly body: string
  readonly options: Call.Options
}

// What a program hands over may do anything when it is looked at, so even that is tried.
const prepare = <Req extends object>(
  all: Service,
  operation: Operation<Req>,
  wanted: boolean,
  input: unknown,
  stream: boolean
): Either.Either<Prepared<Req>, Failure.Failure> =>
  Either.flatMap(
    Either.try({ try: () => operation.check(input), catch: () => Failure.refused("request") }),
    Either.flatMap((request) => {
      const runner = operation.runner?.(all, request) ?? all
      const fields = { ...request, ...(stream ? { stream } : {}) }
      return Either.map(Target.bodyOf(fields), (body) => {
        const described = {
          ...operation.describe(request),
          ...(stream ? { [attributes.stream]: stream } : {}),
          ...(wanted ? operation.prompt(request) : {})
        }
        const once = operation.once?.(request) ?? false
        return { runner, request, body, options: optionsOf(runner, operation.name, described, { once, body: fields }) }
      })
    })
  )

const refuse = (
  all: Service,
  name: string,
  failure: Failure.Failure,
  stream: boolean
): Effect.Effect<never, CallError> =>
  fail(all, failure).pipe(call(all, name, stream ? { [attributes.stream]: stream } : {}))

/** What an answer says of itself. @internal */
export interface Said {
  readonly attributes: Record<string, unknown>
  /** The same, for who wants to see the answer. */
  readonly answer: () => Record<string, unknown>
  readonly usage: unknown
}

const note = (call: Call.Service, attributes: Record<string, unknown>): void => {
  for (const [key, value] of Object.entries(attributes)) {
    // Exporters write `undefined` as a word.
    if (value !== undefined && value !== null) call.span.attribute(key, value)
  }
}

/**
 * Asks for an answer that comes as a whole. A request that cannot be right fails with `BadRequest` and no attempts.
 *
 * @internal
 */
export const whole = <Req extends object, A, R = never>(
  operation: Operation<Req>,
  input: unknown,
  read: (reply: Failure.RawReply, target: Target.Target, request: Req) => Effect.Effect<A, Failure.Failure, R>,
  said: (answer: A) => Said
): Effect.Effect<readonly [answer: A, served: Call.Served], CallError, Deployment | R> =>
  Effect.withFiberRuntime(({ currentContext }) => {
    const all = Context.unsafeGet(currentContext, Deployment)
    const wanted = Context.get(currentContext, Content)
    const prepared = prepare(all, operation, wanted, input, false)
    if (Either.isLeft(prepared)) return refuse(all, operation.name, prepared.left, false)
    const { body, options, request, runner } = prepared.right
    const asked = runner.execute((target) =>
      Effect.flatMap(target.send({ method: "POST", operation: operation.path, body }), (reply) =>
        read(reply, target, request)
      )
    )
    return Effect.flatMap(asked, (answer) =>
      Effect.withFiberRuntime<readonly [A, Call.Served], never, Call.Call>((fiber) => {
        const call = Context.unsafeGet(fiber.currentContext, Call.Call)
        const { answer: content, attributes, usage } = said(answer)
        note(call, attributes)
        if (wanted) note(call, content())
        call.recordUsage(Tokens.used(usage))
        return Effect.map(Call.served(runner.primary), (served) => [answer, served] as const)
      })
    ).pipe(Call.run(options))
  })

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
  (target: Target.Target, call: Call.Service) =>
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
    readonly protocol: (reply: Opened, target: Target.Target, call: Call.Service) => Protocol<A>
  }
): Effect.Effect<Begun<A>, CallError, Call.Call | Scope.Scope> =>
  Effect.gen(function* () {
    const call = yield* Call.Call
    const { begun, protocol, reply, span, target } = yield* runner.execute((target) =>
      Effect.gen(function* () {
        const reply = yield* target.open(options.request)
        const protocol = options.protocol(reply, target, call)
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
    yield* call.addFinalizer(() =>
      Effect.sync(() => {
        // Admission settles in a finalizer that was added before, so after this one.
        call.recordUsage(Tokens.used(protocol.usage()))
        const answer: Record<string, unknown> = { ...protocol.attributes(), [attributes.timeToFirstChunk]: toFirst }
        note(call, answer)
        if (wanted) {
          note(call, {
            [attributes.outputMessages]: Contents.outputText(protocol.text(), answer[attributes.finishReasons])
          })
        }
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
 * Begins an operation whose answer comes as a stream; the call lasts until the enclosing Scope closes.
 *
 * @internal
 */
export const begun = <Req extends object, A>(
  operation: Operation<Req>,
  input: unknown,
  protocol: (reply: Opened, target: Target.Target, request: Req, call: Call.Service) => Protocol<A>
): Effect.Effect<Begun<A>, CallError, Deployment | Scope.Scope> =>
  Effect.flatMap(Effect.zip(Deployment, Content), ([all, wanted]) => {
    const prepared = prepare(all, operation, wanted, input, true)
    if (Either.isLeft(prepared)) return refuse(all, operation.name, prepared.left, true)
    const { body, options, request, runner } = prepared.right
    return begin(runner, {
      name: operation.name,
      request: { method: "POST", operation: operation.path, body, headers: { accept: "text/event-stream" } },
      protocol: (reply, target, call) => protocol(reply, target, request, call)
    }).pipe(Call.runScoped(options))
  })

/** A stream out of what begins one: it lives in a Scope of its own, which closes with it, however it ends. @internal */
export const streamed = <A>(
  begun: Effect.Effect<Pick<Begun<A>, "events">, CallError, Deployment | Scope.Scope>
): Stream.Stream<A, CallError | StreamBroken, Deployment> =>
  Stream.unwrapScoped(Effect.map(begun, ({ events }) => events))
