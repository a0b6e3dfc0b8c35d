import type { Admission } from "@spillway/core"
import { Call, CallSettings, Recovery, RetryAfter, Runner } from "@spillway/core"
import { Data, Duration, Effect, Exit, Option, Schedule } from "effect"
import type { Ledger } from "./ledger.js"
import type { Reply } from "./script.js"
import type { Visit } from "./visit.js"

export class Throttled extends Data.TaggedError("Throttled")<{
  readonly retryAfter: Option.Option<Duration.Duration>
  readonly since: bigint
}> {
  readonly [Recovery.TypeId] = "retry"
  readonly throttled = true
}

export class GaveUp extends Data.TaggedError("GaveUp")<Admission.GaveUp> {}

export class Failed extends Data.TaggedError("Failed") {}

export type Refusal = Throttled | GaveUp | Failed

/** A way to use a gate. */
export interface Caller {
  /** Whether its calls end at their deadlines. */
  readonly keepsDeadlines: boolean
  /** The whole of a call: tells the ledger when a request of it goes out, and when its turn is over. */
  readonly call: (visit: Visit) => Effect.Effect<unknown, Refusal>
  /** How long it waits at least, and at most, by its own decision, before it asks again after a refusal. */
  readonly pause: (visit: Visit, hint: number | undefined) => readonly [least: number, most: number]
  /** Whether it may end with a refusal that came with this hint. */
  readonly mayEnd: (visit: Visit, hint: number | undefined) => boolean
}

/** How long a request may take. */
export const timeout = 20_000

const answered: Reply = { after: 20, is: "answered", share: 0.5, hint: undefined }

interface Failure extends Runner.Failure {
  readonly gaveUp?: Admission.GaveUp
}

const failure = (_tag: "Throttled" | "Failed" | "GaveUp", more?: Partial<Failure>): Failure => ({
  _tag,
  errorType: _tag,
  retryAfter: Option.none(),
  ...more
})

const errorOf = ({ _tag, gaveUp, retryAfter }: Failure, since: bigint): Refusal => {
  if (gaveUp !== undefined) return new GaveUp(gaveUp)
  return _tag === "Throttled" ? new Throttled({ retryAfter, since }) : new Failed()
}

/** What the server does with the request that was sent last; `patience`: how long who has no timeout waits for an answer. */
const serve = (visit: Visit, patience: number): Effect.Effect<Reply, Failure> => {
  const reply = visit.plan.replies[visit.sent - 1] ?? answered
  const coming = Effect.suspend((): Effect.Effect<Reply, Failure> => {
    visit.came = reply
    if (reply.is === "broken") return Effect.die("broken")
    if (reply.is === "failed" || reply.is === "never") return Effect.fail(failure("Failed"))
    return reply.is === "throttled"
      ? Effect.fail(failure("Throttled", { retryAfter: Option.map(Option.fromNullable(reply.hint), Duration.millis) }))
      : Effect.succeed(reply)
  })
  const after = reply.is === "never" ? patience : reply.after
  return after === 0 ? coming : Effect.delay(coming, after)
}

const nanos = (millis: number): bigint => BigInt(Math.round(millis * 1e6))

/** Asks the gate itself, and comes back after every refusal, to its old place. */
export const byHand = (ledger: Ledger): Caller => {
  const { gate } = ledger
  const round = (visit: Visit): Effect.Effect<unknown, Refusal> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const { order, plan } = visit
        const notBefore = visit.notBefore.free
        const request = {
          priority: plan.priority,
          order,
          cost: plan.cost,
          latest: nanos(visit.latest),
          ...(notBefore > ledger.now ? { notBefore: nanos(notBefore) } : {})
        }
        return gate.enter(request, (waiting) => restore(waiting))
      }).pipe(
        Effect.mapError((gaveUp) => new GaveUp(gaveUp)),
        Effect.flatMap((turn) =>
          Effect.suspend(() => {
            ledger.sent(visit)
            const serving = serve(visit, timeout).pipe(
              Effect.tap(() => Effect.sleep(visit.plan.streams ?? 0)),
              Effect.mapError((failure) => errorOf(failure, nanos(visit.arrivedAt)))
            )
            return Effect.flatMap(Effect.exit(restore(serving)), (exit) => {
              const settled = Effect.zipRight(
                settle(visit, turn, exit),
                Effect.sync(() => ledger.over(visit, exit))
              )
              return Effect.zipRight(
                visit.plan.twice ? Effect.zipRight(settled, Effect.zipRight(turn.failed, turn.completed(1))) : settled,
                exit
              )
            })
          })
        )
      )
    )
  return {
    keepsDeadlines: false,
    call: (visit) => {
      const again: Effect.Effect<unknown, Refusal> = Effect.suspend(() =>
        Effect.catchTag(round(visit), "Throttled", () => again)
      )
      visit.notBefore = { earliest: visit.arrivedAt + visit.plan.delay, free: visit.arrivedAt + visit.plan.delay }
      return again
    },
    pause: ({ plan }) => [plan.delay, plan.delay],
    mayEnd: () => false
  }
}

const settle = (visit: Visit, turn: Admission.Turn, exit: Exit.Exit<unknown, Refusal>): Effect.Effect<void> => {
  const { came } = visit
  if (came?.is === "answered") return turn.completed(came.share * visit.plan.cost)
  if (Exit.isSuccess(exit) || Exit.isInterrupted(exit)) return turn.completed(undefined)
  return came?.is === "throttled" ? turn.throttled(came.hint) : turn.failed
}

/** A deployment with a policy, used as an application does. */
export const throughRunner = (ledger: Ledger): Caller => {
  const { gate, script } = ledger
  const { maxWait, spaced } = script
  const schedule = RetryAfter.within(maxWait, spaced === undefined ? undefined : Schedule.spaced(spaced))
  const leaf = Runner.make<undefined, Failure, Refusal>({
    deployment: "ptu",
    model: "model",
    kind: "provisioned",
    target: undefined,
    timeout: Duration.millis(timeout),
    attributes: {},
    cutOff: () => failure("Failed"),
    toError: (failure, { since }) => errorOf(failure, since),
    admission: {
      controller: gate,
      count: (text) => text.length,
      quote: (demand) => Effect.succeed({ cost: demand?.inputTokens ?? 0, actual: ({ outputTokens }) => outputTokens }),
      isThrottle: ({ _tag }) => _tag === "Throttled",
      saturated: (gaveUp) => failure("GaveUp", { gaveUp })
    }
  })
  const runner = Runner.retry(leaf, schedule)

  /** How long the Schedule says to wait after so many refusals, at least and at most. */
  const wait = (throttled: number, hint: number | undefined): readonly [number, number] => {
    const guess = Math.min(50 * 2 ** (throttled - 1), 2000)
    if (hint === undefined && spaced === undefined) return [guess, 1.5 * guess + 1]
    const planned = Math.max(hint ?? 50, spaced ?? 0)
    return [planned, planned]
  }

  const attempt = (visit: Visit) => {
    ledger.sent(visit)
    const ending = Effect.acquireRelease(Effect.void, (_, exit) => Effect.sync(() => ledger.over(visit, exit)))
    return Effect.zipRight(ending, Effect.zip(Call.Call, serve(visit, Infinity))).pipe(
      Effect.map(([call, { is, share }]) => {
        if (is === "answered")
          call.recordUsage({ inputTokens: 0, cachedTokens: 0, outputTokens: share * visit.plan.cost })
      })
    )
  }

  return {
    keepsDeadlines: true,
    call: (visit) => {
      const { cost, deadline, maxWait, priority, streams } = visit.plan
      const options = {
        name: "call",
        attributes: {},
        demand: () => ({ inputTokens: cost, outputTokens: undefined })
      }
      const asking = runner.execute(() => attempt(visit))
      return (
        streams === undefined
          ? Call.run(Effect.scoped(asking), options)
          : Effect.scoped(Effect.zipRight(Call.runScoped(asking, options), Effect.sleep(streams)))
      ).pipe(
        CallSettings.withPriority(priority),
        (call) => (maxWait === undefined ? call : CallSettings.withMaxWait(call, maxWait)),
        (call) => (deadline === undefined ? call : CallSettings.withDeadline(call, deadline))
      )
    },
    pause: ({ throttled }, hint) => {
      const [least, most] = wait(throttled, hint)
      // What the server asks for is the gate's to wait for, which keeps no hint longer than a minute.
      return hint !== undefined && most <= hint && most <= 60_000 ? [0, 0] : [least, most]
    },
    mayEnd: ({ arrivedAt, deadline, plan, throttled }, hint) => {
      const until = ledger.now + wait(throttled, hint)[1]
      return until > arrivedAt + (plan.maxWait ?? maxWait) || until >= deadline
    }
  }
}
