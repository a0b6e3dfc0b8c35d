import { Call, Telemetry } from "@spillway/core"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import type * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import type { CallError, StreamBroken } from "../CallError.js"
import type { Deployment, Service } from "../Deployment.js"
import * as Reply from "../Reply.js"
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

interface Asked {
  /** What is sent: for the estimate of what it will take. */
  readonly body: object
  /** Attributes of the request. */
  readonly attributes: Record<string, unknown>
  /** What the request says, as an attribute, for who asks for it. */
  readonly content?: () => Record<string, unknown>
}

/** Runs an operation as a call, with its root span `{name} {model}`. @internal */
export const call =
  (runner: Service, name: string, asked: Asked) =>
  <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.flatMap(Content, (wanted) => {
      const { attributes, content } = asked
      const request = wanted && content !== undefined ? { ...attributes, ...content() } : attributes
      return run(runner, name, asked.body, request)(self)
    })

const run = (runner: Service, name: string, body: object, request: Record<string, unknown>) =>
  Call.run({
    name: `${name} ${runner.primary.model}`,
    demand: Tokens.demand({ ...body }),
    metrics: CallMetrics.of(name, runner.primary.model),
    attributes: {
      [attributes.operation]: name,
      [attributes.provider]: values.provider,
      [attributes.resourceProvider]: values.resourceProvider,
      [attributes.requestModel]: runner.primary.model,
      ...defined(request)
    }
  })

const count = (value: unknown): number => (Predicate.isNumber(value) ? value : 0)

// What an answer says of itself goes onto the span, and what it took into the metrics.
const tell = (call: Call.Service, span: Option.Option<Tracer.Span>, answer: Record<string, unknown>): void => {
  if (Option.isSome(span)) {
    for (const [key, value] of Object.entries(defined(answer))) span.value.attribute(key, value)
  }
  const usage = {
    inputTokens: count(answer[attributes.inputTokens]),
    cachedTokens: count(answer[attributes.cachedTokens]),
    outputTokens: count(answer[attributes.outputTokens])
  }
  if (usage.inputTokens > 0 || usage.outputTokens > 0) call.recordUsage(usage)
}

/** Writes down what an answer says of itself, as attributes; and `content`, the answer, for who asks for it. @internal */
export const answered = (
  answer: Record<string, unknown>,
  content?: () => Record<string, unknown>
): Effect.Effect<void, never, Call.Call> =>
  Effect.map(Effect.all([Call.Call, Content, Effect.option(Effect.currentSpan)]), ([call, wanted, span]) =>
    tell(call, span, wanted && content !== undefined ? { ...answer, ...content() } : answer)
  )

/** A failure of the call that no attempt came to. @internal */
export const fail = (runner: Service, failure: Reply.Failure): Effect.Effect<never, CallError, Call.Call> =>
  Effect.flatMap(Call.Call, ({ attempts, startedAt }) =>
    Effect.fail(Reply.toError(runner.primary.deployment, failure, { attempts: [...attempts], since: startedAt }))
  )

/** What was checked here, or `BadRequest` without attempts. @internal */
export const valid = <A>(
  runner: Service,
  checked: Either.Either<A, ParseResult.ParseError>
): Effect.Effect<A, CallError, Call.Call> =>
  Either.match(checked, {
    onLeft: (issue) => fail(runner, Reply.refused(Reply.pathOf(issue))),
    onRight: (value) => Effect.succeed(value)
  })

/** A stream whose output has begun. @internal */
export interface Begun<A> {
  readonly served: Call.Served
  readonly events: Stream.Stream<A, StreamBroken>
}

/**
 * Sends until a stream's output begins, as the policy says. The span and the connection of the attempt that answers last
 * until the enclosing Scope closes.
 *
 * @internal
 */
export const begin = <A>(
  runner: Service,
  options: {
    /** The operation's name, as its span has it. */
    readonly name: string
    readonly request: (target: Target) => Request
    readonly protocol: (reply: Opened) => Protocol<A>
  }
): Effect.Effect<Begun<A>, CallError, Call.Call | Scope.Scope> =>
  Effect.gen(function* () {
    const call = yield* Call.Call
    const root = yield* Effect.option(Effect.currentSpan)
    const opened = yield* runner.execute((target) =>
      Effect.gen(function* () {
        const reply = yield* target.open(options.request(target))
        const protocol = options.protocol(reply)
        const begun = yield* EventStream.open(reply, protocol, target.limits)
        const span = yield* Effect.option(Effect.currentSpan)
        return { ...begun, protocol, span, target }
      }).pipe(Effect.timeoutFail({ duration: target.limits.firstOutput, onTimeout: () => Reply.cutOff("timeout") }))
    )
    const { protocol, reader, span, target } = opened
    const [now, content, tags] = yield* Effect.all([
      Clock.currentTimeNanos,
      Content,
      FiberRef.get(FiberRef.currentMetricLabels)
    ])
    const toFirst = Number(now - call.startedAt) / 1e9
    CallMetrics.of(options.name, runner.primary.model).timeToFirstChunk.unsafeUpdate(toFirst, tags)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        const answer: Record<string, unknown> = { ...protocol.attributes(), [attributes.timeToFirstChunk]: toFirst }
        const said = () => ({
          [attributes.outputMessages]: Contents.outputText(protocol.text(), answer[attributes.finishReasons])
        })
        tell(call, root, content ? { ...answer, ...said() } : answer)
      })
    )
    const served = yield* Call.served(runner.primary)
    const events = EventStream.events(opened, {
      limits: target.limits,
      deadline: call.deadline,
      onBroken: (failure) =>
        Effect.suspend(() => {
          if (Option.isSome(span)) span.value.attribute(Telemetry.attributes.errorType, failure.errorType)
          return Effect.fail(
            Reply.toStreamBroken(target.deployment, failure, {
              text: protocol.text(),
              events: reader.taken,
              attempts: call.attempts
            })
          )
        })
    })
    return { served, events }
  })

/**
 * A stream out of what begins one: it lives in a Scope of its own, which closes with the stream, so that spans end and
 * connections are given up when the stream ends, however it ends.
 *
 * @internal
 */
export const streamed = <A>(
  begun: Effect.Effect<Begun<A>, CallError, Deployment | Scope.Scope>
): Stream.Stream<A, CallError | StreamBroken, Deployment> =>
  Stream.unwrap(
    Effect.map(Scope.make(), (scope) =>
      Stream.unwrap(Effect.map(Scope.extend(begun, scope), ({ events }) => events)).pipe(
        Stream.ensuringWith((exit) => Scope.close(scope, exit))
      )
    )
  )
