/** The policy alone, in steps: each has one part more than the one before it. The deployment answers at once, from memory. */
import { Admission, Call, Recovery, RetryAfter, Runner } from "@spillway/core"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { pipe } from "effect/Function"
import * as Option from "effect/Option"
import * as Conversation from "../Conversation.js"
import * as Spans from "./Spans.js"
import * as Subject from "./Subject.js"

class Refused extends Data.TaggedError("Refused")<{
  readonly retryAfter: Option.Option<Duration.Duration>
  readonly since: bigint
}> {
  readonly [Recovery.TypeId] = "retry"
  readonly throttled = true
}

type Target = Effect.Effect<string>
type Service = Runner.Runner<Target, Runner.Failure, Refused>

const failure: Runner.Failure = { _tag: "Refused", errorType: "429", retryAfter: Option.none() }

const leaf = (kind: "provisioned" | "standard", admission?: Admission.Controller): Service =>
  Runner.make<Target, Runner.Failure, Refused>({
    deployment: kind === "provisioned" ? "gpt-4o-ptu" : "gpt-4o",
    model: Conversation.model,
    kind,
    target: Effect.succeed(Conversation.answer),
    timeout: Duration.minutes(10),
    admission:
      admission === undefined
        ? undefined
        : {
            controller: admission,
            count: (text) => text.length / 4,
            quote: () => Effect.succeed({ cost: 100, actual: () => 100 }),
            isThrottle: () => true,
            saturated: () => failure
          },
    attributes: { "server.address": "contoso.openai.azure.com", "http.request.method": "POST" },
    cutOff: () => failure,
    toError: ({ retryAfter }, { since }) => new Refused({ retryAfter, since })
  })

const call = (runner: Service): Effect.Effect<string, Refused> =>
  runner
    .execute((target) => target)
    .pipe(
      Call.run({
        name: `chat ${Conversation.model}`,
        attributes: { "gen_ai.operation.name": "chat", "gen_ai.request.model": Conversation.model }
      })
    )

/** A gate so wide that no call ever waits at it. */
const open = Admission.make({ tokensPerSecond: 1e9 })

/** The name of what has every part. */
export const everything = "+ admission: everything"

const native = "two spans"
const sdk = "two spans, OpenTelemetry"

export const subjects = Effect.gen(function* () {
  const admission = yield* open
  const retried = (runner: Service) => Runner.retry(runner, RetryAfter.within("4 seconds"))
  const chained = (first: Service) =>
    pipe(retried(first), Runner.orElse(Runner.retry(leaf("standard"), RetryAfter.retries(2))))
  const whole = chained(leaf("provisioned", admission))

  const answer = Effect.suspend(() => Effect.succeed(Conversation.answer))
  const twoSpans = Spans.within(answer, yield* Spans.record(call(whole)))
  const step = (name: string, runner: Service, tracer: Subject.Tracer = "native"): Subject.Subject => ({
    ...Subject.base(name, tracer, call(runner)),
    beyond: tracer === "native" ? native : sdk
  })
  return [
    Subject.base("nothing", "native", answer),
    Subject.base(native, "native", twoSpans),
    step("one deployment", leaf("provisioned")),
    step("+ retry", retried(leaf("provisioned"))),
    step("+ orElse", chained(leaf("provisioned"))),
    step(everything, whole),
    Subject.base(sdk, "OpenTelemetry", twoSpans),
    step("everything, OpenTelemetry", whole, "OpenTelemetry")
  ]
})
