import { Admission, Call, Recovery, Runner } from "@spillway/core"
import { Clock, Data, Duration, Effect, Option } from "effect"

/** A request as it was sent: which, and when, in milliseconds of the test's clock. */
export type Sent = readonly [name: string, at: number]

export interface Failure extends Runner.Failure {
  readonly gaveUp?: Admission.GaveUp
}

/** The errors of a deployment that needs no HTTP. */
export class Refused extends Data.TaggedError("Refused")<{
  readonly retryAfter: Option.Option<Duration.Duration>
  readonly since: bigint
  readonly attempts: number
}> {
  readonly [Recovery.TypeId] = "retry"
  readonly throttled = true
}

export class GaveUp extends Data.TaggedError("GaveUp")<Admission.GaveUp & { readonly attempts: number }> {
  readonly [Recovery.TypeId] = "next"
}

export class Failed extends Data.TaggedError("Failed")<{ readonly attempts: number }> {}

export const refused = (retryAfterMs: number): Failure => ({
  _tag: "Refused",
  errorType: "429",
  retryAfter: Option.some(Duration.millis(retryAfterMs))
})

/** What a server does with a request. */
export type Reply = (name: string, nth: number) => Effect.Effect<string, Failure>

/** A deployment behind a gate: a list of what was sent to it, and a way to call it. Every call costs 100 tokens. */
export const deployment = (
  controller: Admission.Controller,
  reply: Reply = () => Effect.succeed("hi"),
  wrap: (
    runner: Runner.Runner<string, Failure, Refused | GaveUp | Failed>
  ) => Runner.Runner<string, Failure, Refused | GaveUp | Failed> = (runner) => runner
) => {
  const sent: Array<Sent> = []
  const runner = wrap(
    Runner.make<string, Failure, Refused | GaveUp | Failed>({
      deployment: "ptu",
      model: "model",
      kind: "provisioned",
      target: "ptu",
      timeout: Duration.minutes(1),
      attributes: {},
      cutOff: () => ({ _tag: "Failed", errorType: "timeout", retryAfter: Option.none() }),
      toError: (failure, { attempts, since }) => {
        if (failure.gaveUp !== undefined) return new GaveUp({ ...failure.gaveUp, attempts: attempts.length })
        return failure._tag === "Refused"
          ? new Refused({ retryAfter: failure.retryAfter, since, attempts: attempts.length })
          : new Failed({ attempts: attempts.length })
      },
      admission: {
        controller,
        count: (text) => text.length,
        quote: () => Effect.succeed({ cost: 100, actual: (usage) => usage.outputTokens }),
        isThrottle: (failure) => failure._tag === "Refused",
        saturated: (gaveUp) => ({ _tag: "GaveUp", errorType: "gave_up", retryAfter: Option.none(), gaveUp })
      }
    })
  )
  const ask = (name: string) =>
    runner
      .execute(() =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          reply(name, sent.push([name, now]) && sent.filter(([other]) => other === name).length)
        )
      )
      .pipe(Call.run({ name: "call", attributes: {} }))
  return { ask, sent }
}

/** A token a millisecond, nothing saved up: one call is sent every 100 ms. */
export const strict = (more?: Partial<Admission.Options>) =>
  Admission.make({ tokensPerSecond: 1000, burstMs: 0, size: "exact", ...more })
