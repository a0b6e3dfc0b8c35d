import * as Effect from "effect/Effect"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import * as Conversation from "../Conversation.js"

/** A call that is made over and over, and under which tracer. */
export interface Subject {
  readonly name: string
  readonly tracer: Tracer
  /** The name of what it is compared with: the same spans, without Spillway. */
  readonly beyond: string | undefined
  /** So many calls, one after the other, in one fiber. */
  readonly calls: (times: number) => Effect.Effect<void, unknown>
}

export type Tracer = "native" | "OpenTelemetry"

/** Runs `call` so many times. A call that comes to another answer than the one there is ends it: it measures something else. */
export const repeat = <E, R>(call: Effect.Effect<string, E, R>, times: number): Effect.Effect<void, E, R> =>
  Effect.suspend(() => {
    let done = 0
    let wrong = 0
    return Effect.whileLoop({
      while: () => done < times,
      body: () => call,
      step: (answer) => {
        done++
        if (answer !== Conversation.answer) wrong++
      }
    }).pipe(
      Effect.zipRight(
        Effect.suspend(() => (wrong === 0 ? Effect.void : Effect.dieMessage(`${wrong} calls came to another answer`)))
      )
    )
  })

/** Under the tracer that it names; every other fiber keeps its own. */
export const traced = (subject: Subject, sdk: ManagedRuntime.ManagedRuntime<never, never>): Subject =>
  subject.tracer === "native" ? subject : { ...subject, calls: (times) => Effect.provide(subject.calls(times), sdk) }

/** What others are compared with, or what they stand on. */
export const base = (name: string, tracer: Tracer, call: Effect.Effect<string, unknown>): Subject => ({
  name,
  tracer,
  beyond: undefined,
  calls: (times) => repeat(call, times)
})
