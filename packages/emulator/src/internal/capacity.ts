import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Bucket from "../Bucket.js"
import * as RateWindow from "../RateWindow.js"
import type { Deployment, Provisioned, Standard } from "./deployment.js"

/** What a call asks of a deployment, as far as can be told before it is answered. */
export interface Demand {
  readonly promptTokens: number
  /** The longest answer the request allows; undefined if it does not say. */
  readonly maxTokens: number | undefined
  /** How many answers are asked for. */
  readonly choices: number
}

/** What a call took. */
export interface Usage {
  readonly promptTokens: number
  readonly completionTokens: number
}

/** The right to be answered. */
export interface Admitted {
  readonly headers: Readonly<Record<string, string>>
  /** Corrects the estimate to what was used; undefined for a call that was refused after all. */
  readonly settle: (usage: Usage | undefined) => Effect.Effect<void>
}

/** No room: what ran out, and how long until there is room. */
export interface Throttled {
  readonly limit: "throughput" | "token" | "call"
  readonly retryAfterMs: number
  readonly headers: Readonly<Record<string, string>>
}

export interface Capacity {
  readonly admit: (demand: Demand) => Effect.Effect<Admitted, Throttled>
  /** Share of a provisioned deployment's capacity that is taken. */
  readonly utilization: Effect.Effect<Option.Option<number>>
}

/** Whole milliseconds since some moment, by a clock that does not step. */
export interface Timeline {
  readonly now: Effect.Effect<number>
}

export const timeline: Effect.Effect<Timeline> = Effect.map(Clock.currentTimeNanos, (began) => ({
  now: Effect.map(Clock.currentTimeNanos, (nanos) => Number((nanos - began) / 1_000_000n))
}))

export const make = (deployment: Deployment, time: Timeline): Effect.Effect<Capacity> =>
  deployment.kind === "provisioned" ? makeProvisioned(deployment, time) : makeStandard(deployment, time)

const answerEstimate = (demand: Demand, { defaultMaxTokens }: Deployment): number =>
  Math.max(0, demand.maxTokens ?? defaultMaxTokens) * Math.max(1, demand.choices)

const makeProvisioned = (deployment: Provisioned, time: Timeline): Effect.Effect<Capacity> =>
  Effect.map(Ref.make(Bucket.make(deployment)), (bucket) => {
    const cost = (usage: Usage) => usage.promptTokens + deployment.outputWeight * usage.completionTokens
    return {
      utilization: Effect.map(Effect.zip(time.now, Ref.get(bucket)), ([now, state]) =>
        Option.some(Bucket.utilization(state, now))
      ),
      admit: (demand) =>
        Effect.gen(function* () {
          const now = yield* time.now
          const charge = cost({
            promptTokens: demand.promptTokens,
            completionTokens: answerEstimate(demand, deployment)
          })
          return yield* Ref.modify(bucket, (state): readonly [Either.Either<Admitted, Throttled>, Bucket.Bucket] =>
            Either.match(Bucket.admit(state, now, charge), {
              onLeft: (retryAfterMs) => [Either.left({ limit: "throughput", retryAfterMs, headers: {} }), state],
              onRight: (filled) => [
                Either.right({
                  headers: {},
                  settle: (usage) =>
                    Effect.flatMap(time.now, (at) =>
                      Ref.update(bucket, Bucket.correct(at, (usage === undefined ? 0 : cost(usage)) - charge))
                    )
                }),
                filled
              ]
            })
          ).pipe(Effect.flatten)
        })
    }
  })

interface Windows {
  readonly requests: RateWindow.RateWindow
  readonly tokens: RateWindow.RateWindow
}

const makeStandard = (deployment: Standard, time: Timeline): Effect.Effect<Capacity> =>
  Effect.map(
    Ref.make<Windows>({
      requests: RateWindow.make({ limit: deployment.requestsPerTenSeconds, windowMs: 10_000 }),
      tokens: RateWindow.make({ limit: deployment.tokensPerMinute, windowMs: 60_000 })
    }),
    (windows) => ({
      utilization: Effect.succeedNone,
      admit: (demand) =>
        Effect.gen(function* () {
          const now = yield* time.now
          const charge = (deployment.model.chargesPrompt ? demand.promptTokens : 0) + answerEstimate(demand, deployment)
          return yield* Ref.modify(windows, (before): readonly [Either.Either<Admitted, Throttled>, Windows] => {
            const callWait = RateWindow.waitFor(before.requests, now, 1)
            // A failed request counts as a request, so the arrival is recorded whatever becomes of it.
            const requests = RateWindow.record(before.requests, now, 1)
            if (callWait > 0) {
              const after = { requests, tokens: before.tokens }
              const retryAfterMs = RateWindow.waitFor(requests, now, 1)
              return [Either.left({ limit: "call", retryAfterMs, headers: standardHeaders(after, now) }), after]
            }
            return Either.match(RateWindow.admit(before.tokens, now, charge), {
              onLeft: (retryAfterMs) => {
                const after = { requests, tokens: before.tokens }
                return [Either.left({ limit: "token", retryAfterMs, headers: standardHeaders(after, now) }), after]
              },
              onRight: (tokens) => {
                const after = { requests, tokens }
                // The estimate stays: Standard's windows are never corrected.
                return [Either.right({ headers: standardHeaders(after, now), settle: () => Effect.void }), after]
              }
            })
          }).pipe(Effect.flatten)
        })
    })
  )

const standardHeaders = ({ requests, tokens }: Windows, now: number): Record<string, string> => ({
  "x-ratelimit-limit-requests": String(requests.limit),
  "x-ratelimit-remaining-requests": String(RateWindow.remaining(requests, now)),
  "x-ratelimit-reset-requests": String(untilEmpty(requests, now)),
  "x-ratelimit-limit-tokens": String(tokens.limit),
  "x-ratelimit-remaining-tokens": String(RateWindow.remaining(tokens, now)),
  "x-ratelimit-reset-tokens": String(untilEmpty(tokens, now))
})

const untilEmpty = (window: RateWindow.RateWindow, now: number): number =>
  Math.ceil(RateWindow.waitFor(window, now, window.limit) / 1000)
