import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"

/** Why a read was given up: it was silent for too long, or the deadline passed. @internal */
export type Cut = "timeout" | "deadline"

interface Reading {
  readonly fiber: Fiber.RuntimeFiber<unknown>
  readonly since: bigint
  cut: Cut | undefined
}

// A timer of Node's holds at most 2^31 - 1 ms; beyond it fires at once.
const longestSleep = Duration.days(1)

/**
 * Gives up reads of one stream that take longer than `idle`, or beyond `deadline`, in nanoseconds of the monotonic clock;
 * undefined is no limit. One fiber watches for as long as the stream lasts: a timer for each read would cost several times
 * what the read does.
 *
 * @internal
 */
export class Watchdog {
  private reading: Reading | undefined

  constructor(
    private readonly idle: bigint | undefined,
    private readonly deadline: bigint | undefined
  ) {}

  /** To be run once, before the first read. Ends with the Scope, whatever the caller's fiber may not be interrupted by. */
  readonly start: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() =>
    this.idle === undefined && this.deadline === undefined
      ? Effect.void
      : Effect.asVoid(Effect.forkScoped(Effect.interruptible(this.watching)))
  )

  private readonly watching: Effect.Effect<void> = Effect.clockWith((clock) => {
    const now = clock.unsafeCurrentTimeNanos()
    const { reading } = this
    const silent = this.idle === undefined ? undefined : (reading?.since ?? now) + this.idle
    const byDeadline = this.deadline !== undefined && (silent === undefined || this.deadline <= silent)
    const instant = byDeadline ? this.deadline : silent
    if (instant === undefined) return Effect.void
    if (now >= instant) {
      // Without a read in progress, the next one finds the deadline passed.
      if (reading === undefined) return Effect.void
      reading.cut = byDeadline ? "deadline" : "timeout"
      reading.fiber.unsafeInterruptAsFork(reading.fiber.id())
      return Effect.void
    }
    // The clock is read again after every sleep, because timers fire up to 1 ms early.
    const left = Duration.millis(Number((instant - now + 999_999n) / 1_000_000n))
    return Effect.zipRight(Effect.sleep(Duration.min(left, longestSleep)), this.watching)
  })

  /** Reads, unless it is given up first: then with `onCut`. `read` may be interrupted for that even where the caller may not. */
  run<A, B>(read: Effect.Effect<A>, onCut: (cut: Cut) => B): Effect.Effect<A | B> {
    // Between the read's beginning and the caller's waiting for it no interruption may come: nobody would end the read.
    return Effect.uninterruptibleMask((restore) =>
      Effect.withFiberRuntime((parent, { runtimeFlags }) => {
        const since = Context.get(parent.currentDefaultServices, Clock.Clock).unsafeCurrentTimeNanos()
        if (this.deadline !== undefined && since >= this.deadline) return Effect.sync(() => onCut("deadline"))
        if (this.idle === undefined && this.deadline === undefined) return restore(read)
        const fiber = Runtime.runFork(
          Runtime.make({ context: Context.empty(), runtimeFlags, fiberRefs: parent.getFiberRefs() }),
          Effect.interruptible(read)
        )
        const exit = fiber.unsafePoll()
        if (exit !== null) return exit
        const reading: Reading = { fiber, since, cut: undefined }
        this.reading = reading
        fiber.addObserver(() => {
          this.reading = undefined
        })
        const waiting = Effect.async<A | B>((resume) => {
          fiber.addObserver((exit) => {
            const { cut } = reading
            resume(cut !== undefined && Exit.isInterrupted(exit) ? Effect.sync(() => onCut(cut)) : exit)
          })
        })
        return Effect.onInterrupt(restore(waiting), () => Fiber.interrupt(fiber))
      })
    )
  }
}
