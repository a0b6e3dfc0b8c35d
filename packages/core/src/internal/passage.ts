import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Admitted, Hinted, Quote, Turn } from "../Admission.js"
import type { Call } from "../Call.js"
import { CallSettings, longestWait, rankOf } from "../CallSettings.js"
import type { Conditions, Pause } from "../Runner.js"
import * as Bucket from "./bucket.js"
import { toNanos } from "./time.js"

/** A call that was let through, until it is settled. @internal */
export interface Passage<F extends Hinted> {
  readonly admission: Admitted<F>
  readonly turn: Turn
  readonly quote: Quote
}

// The gate was told of the hint, and may know better since; but it keeps no hint longer than this.
const isTheGates = ({ hinted, planned }: Pause): boolean =>
  hinted && Duration.toMillis(planned) <= Bucket.longestClosureMs

/** Waits, in a span. @internal */
export type Wait = (
  waiting: Effect.Effect<void>,
  plan: { readonly reason: string; readonly planned: Duration.Duration }
) => Effect.Effect<void>

/** `refused`: what a failure becomes. To be run uninterruptibly. @internal */
export const enter = <F extends Hinted, E>(
  admission: Admitted<F>,
  call: Call["Type"],
  conditions: Conditions | undefined,
  wait: Wait,
  refused: (failure: F) => E
): Effect.Effect<Passage<F>, E> =>
  Effect.withFiberRuntime((fiber) => {
    const settings = Context.get(fiber.currentContext, CallSettings)
    const { controller } = admission
    const pause = conditions?.pause
    const latest = call.startedAt + toNanos(longestWait(settings, conditions?.waitLimit ?? controller.maxWait))
    return Effect.flatMap(admission.quote(call.demand(admission.count)), (quote) =>
      Effect.mapBoth(
        controller.enter(
          {
            priority: rankOf(settings.priority),
            order: call.order,
            cost: quote.cost,
            latest: Option.match(call.deadline, {
              onNone: () => latest,
              onSome: (deadline) => (deadline < latest ? deadline : latest)
            }),
            notBefore: pause === undefined || isTheGates(pause) ? undefined : pause.notBefore
          },
          (waiting, planned) => wait(waiting, { reason: pause?.reason ?? "queue", planned })
        ),
        {
          onFailure: (gaveUp) => refused(admission.saturated(gaveUp)),
          onSuccess: (turn) => ({ admission, turn, quote })
        }
      )
    )
  })

/** The attempt is over, for a stream at its end: what it took is known, or never will be. @internal */
export const settle = <F extends Hinted>(call: Call["Type"], { quote, turn }: Passage<F>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const usage = call.takeUsage()
    return turn.completed(usage === undefined ? undefined : quote.actual(usage))
  })

/** The attempt failed. @internal */
export const refuse = <F extends Hinted>(
  call: Call["Type"],
  passage: Passage<F>,
  cause: Cause.Cause<F>
): Effect.Effect<void> =>
  Option.match(Cause.failureOption(cause), {
    // Cancelled under way: the server had begun, so it cost something.
    onNone: () => (Cause.isInterruptedOnly(cause) ? settle(call, passage) : passage.turn.failed),
    onSome: (failure) =>
      passage.admission.isThrottle(failure)
        ? passage.turn.throttled(Option.getOrUndefined(Option.map(failure.retryAfter, Duration.toMillis)))
        : passage.turn.failed
  })
