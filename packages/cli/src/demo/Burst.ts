/** The burst itself: every call on its own fiber, and what became of each. */
import type { CallError, Deployment } from "@spillway/azure-openai"
import { AzureOpenAI } from "@spillway/azure-openai"
import type { Attempt, Call } from "@spillway/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scenario from "./Scenario.js"

/** What became of a call. */
export type Result = Answered | Unanswered

export interface Answered {
  readonly _tag: "Answered"
  readonly outcome: Call.Outcome
  readonly servedBy: Attempt.Kind
  readonly attempts: ReadonlyArray<Attempt.Attempt>
  readonly waitedMs: number
}

export interface Unanswered {
  readonly _tag: "Unanswered"
  readonly error: CallError.CallError
}

const call = (index: number): Effect.Effect<Result, never, Deployment.Deployment> =>
  AzureOpenAI.chat({
    messages: [{ role: "user", content: Scenario.question(index) }],
    max_tokens: Scenario.answerTokens
  }).pipe(
    Effect.match({
      onFailure: (error): Result => ({ _tag: "Unanswered", error }),
      onSuccess: ({ served }): Result => ({ _tag: "Answered", ...served })
    })
  )

/** Calls enough for node to have compiled what a call runs through: else a slow machine spends the waits of the burst on that. */
export const warmUp: Effect.Effect<void, CallError.CallError, Deployment.Deployment> = Effect.replicateEffect(
  AzureOpenAI.chat({ messages: [{ role: "user", content: "Hello" }], max_tokens: 1 }),
  48,
  { concurrency: "unbounded", discard: true }
)

/** Makes every call of the scenario. `onResult` sees each result as it comes. */
export const run = (
  onResult: (result: Result) => void
): Effect.Effect<ReadonlyArray<Result>, never, Deployment.Deployment> =>
  Effect.forEach(
    Array.from({ length: Scenario.calls }, (_, index) => index),
    (index) =>
      call(index).pipe(
        Effect.tap((result) => Effect.sync(() => onResult(result))),
        Effect.delay(Duration.times(Scenario.interval, index))
      ),
    { concurrency: "unbounded" }
  )
