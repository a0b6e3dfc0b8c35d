import { Deadline } from "@spillway/core"
import * as Chunk from "effect/Chunk"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Failure from "../Failure.js"
import * as Sse from "../Sse.js"
import type { Limits, Opened } from "../Target.js"
import { requestIdOf } from "./serviceError.js"
import type { Cut } from "./watchdog.js"
import { Watchdog } from "./watchdog.js"

/**
 * What one event is to a stream: part of the preamble, which is held back until output begins; output; the last event; or
 * the end of it. `failing`: it failed, and the next event may say why.
 *
 * @internal
 */
export type Step<A> =
  | { readonly _tag: "preamble" | "output" | "last"; readonly value: A }
  | { readonly _tag: "done" }
  | { readonly _tag: "failing" | "failed"; readonly failure: Failure.Failure }

/**
 * How an operation reads its stream. One value reads one stream, and keeps what it has to know of it.
 *
 * @internal
 */
export interface Protocol<A> {
  readonly read: (event: Sse.Event, now: number) => Step<A>
  /** Whether the answer may end here: after its terminator, or without one, when nothing that was asked for may be missing. */
  readonly complete: (terminated: boolean) => boolean
  /** The text of the answer so far. */
  readonly text: () => string
  /** What the service says the request took, once it has. */
  readonly usage: () => unknown
  /** Attributes of the call's span, as far as the stream has told. */
  readonly attributes: () => Record<string, unknown>
}

type Ending = { readonly _tag: "complete" } | { readonly _tag: "failed"; readonly failure: Failure.Failure }

const complete: Ending = { _tag: "complete" }

// How long a stream that is over may take to say why it failed, or to end: reading to its end lets the connection be used
// again.
const patience = 250_000_000n

/** Events of a stream as they come out of its bytes: plain state, no effects. @internal */
export class Reader<A> {
  /** Read, and not yet taken. */
  private ready: Array<A> = []
  /** How many were taken. */
  taken = 0
  private readonly parser: Sse.Parser
  private failing: { readonly failure: Failure.Failure; readonly until: bigint } | undefined
  private began = false
  private held = 0
  private ending: Ending | undefined

  constructor(
    private readonly reply: Failure.Head,
    private readonly protocol: Protocol<A>,
    private readonly limit: number
  ) {
    this.parser = Sse.parser(limit)
  }

  /** Whether output has begun. */
  get output(): boolean {
    return this.began
  }

  /** How it ends, after what is ready was taken. */
  get ended(): Ending | undefined {
    return this.ending
  }

  /** Where it has failed without a reason: the instant until which one may come. */
  get reasonUntil(): bigint | undefined {
    return this.failing?.until
  }

  take(): ReadonlyArray<A> {
    const taken = this.ready
    this.ready = []
    this.taken += taken.length
    return taken
  }

  feed(bytes: Uint8Array, clock: Clock.Clock): void {
    const now = clock.unsafeCurrentTimeMillis()
    for (const event of this.parser.feed(bytes)) {
      if (this.ending !== undefined) return
      this.step(this.protocol.read(event, now), clock)
    }
    // What is held back counts as well: a preamble must not fill the memory.
    this.held = this.began ? 0 : this.held + bytes.length
    if (this.parser.overflown() || this.held > this.limit) this.fail(Failure.tooLarge(this.reply, this.limit))
  }

  /** No more bytes. */
  end(): void {
    this.lost(Failure.endedEarly(this.reply))
  }

  /** No more bytes, because of a failure: of no matter where the answer was complete without them. */
  lost(failure: Failure.Failure): void {
    if (this.failing === undefined && this.protocol.complete(false)) this.ending ??= complete
    else this.fail(failure)
  }

  /** Given up here. The reply is known, so its id is too. */
  cut(cut: Cut): void {
    const { headers, status } = this.reply
    this.lost({ ...Failure.cutOff(cut, {}), status, requestId: requestIdOf(headers) })
  }

  private fail(failure: Failure.Failure): void {
    this.ending ??= { _tag: "failed", failure: this.failing?.failure ?? failure }
  }

  private step(step: Step<A>, clock: Clock.Clock): void {
    // The event after a failure without a reason is either that reason, or nothing that could mend it.
    if (this.failing !== undefined) {
      this.ending = { _tag: "failed", failure: step._tag === "failed" ? step.failure : this.failing.failure }
      return
    }
    switch (step._tag) {
      case "preamble":
        this.ready.push(step.value)
        return
      case "output":
        this.ready.push(step.value)
        this.began = true
        return
      case "last":
        this.ready.push(step.value)
        this.began = true
        this.ending = complete
        return
      case "done":
        if (this.protocol.complete(true)) this.ending = complete
        else this.fail(Failure.endedEarly(this.reply))
        return
      case "failing":
        this.failing = { failure: step.failure, until: clock.unsafeCurrentTimeNanos() + patience }
        return
      case "failed":
        this.fail(step.failure)
    }
  }
}

/** The next packet of bytes. Fails with none at the end. @internal */
export type Pull = Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<Failure.Failure>>

const isEventStream = (reply: Opened): boolean =>
  /^text\/event-stream\b/i.test(reply.headers["content-type"] ?? "text/event-stream")

// Another deployment, or this one a moment later, may do better.
const isMendable = ({ _tag }: Failure.Failure): boolean => _tag === "RateLimited" || _tag === "Unavailable"

/**
 * Reads a reply up to its first output. Fails where it ends, or fails, before that: nothing of it was seen by anyone yet.
 * Nor was it where the packet that its output began with also brought a failure; so that fails too, where asking again could
 * mend it and the request is not `once`.
 *
 * What it reads from is released with the enclosing Scope.
 *
 * @internal
 */
export const open = <A>(
  reply: Opened,
  protocol: Protocol<A>,
  limits: Limits,
  once: boolean
): Effect.Effect<Begun<A>, Failure.Failure, Scope.Scope> =>
  Effect.gen(function* () {
    if (!isEventStream(reply)) return yield* Effect.fail(Failure.brokenBody(reply))
    const reader = new Reader(reply, protocol, limits.bodyBytes)
    const pull = yield* Stream.toPull(reply.body)
    const raw: Array<Uint8Array> = []
    while (!reader.output && reader.ended === undefined) {
      raw.push(...(yield* untilReason(reader, advance(reader, pull))))
    }
    if (reader.ended?._tag === "failed") {
      const { failure } = reader.ended
      if (!reader.output || (!once && isMendable(failure))) return yield* Effect.fail(failure)
    }
    return new Begun(reader, pull, raw)
  })

const nothing: Chunk.Chunk<Uint8Array> = Chunk.empty()

// Feeds the next packet to the reader. Never fails: how it went is in the reader.
const advance = <A>(reader: Reader<A>, pull: Pull): Effect.Effect<Chunk.Chunk<Uint8Array>> =>
  Effect.clockWith((clock) =>
    Effect.match(pull, {
      onFailure: (end) => {
        Option.match(end, { onNone: () => reader.end(), onSome: (failure) => reader.lost(failure) })
        return nothing
      },
      onSuccess: (packets) => {
        for (const bytes of packets) reader.feed(bytes, clock)
        return packets
      }
    })
  )

// A stream that failed without a reason may be left open by the service.
const untilReason = <A>(
  reader: Reader<A>,
  next: Effect.Effect<Chunk.Chunk<Uint8Array>>
): Effect.Effect<Chunk.Chunk<Uint8Array>> => {
  const { reasonUntil } = reader
  if (reasonUntil === undefined) return next
  return Deadline.failAt(next, reasonUntil, () => "timeout" as const).pipe(
    Effect.catchAll((cut) =>
      Effect.sync(() => {
        reader.cut(cut)
        return nothing
      })
    )
  )
}

/** A stream that has begun. It can be read once, as events or as bytes. @internal */
export class Begun<A> {
  private read = false

  constructor(
    readonly reader: Reader<A>,
    readonly pull: Pull,
    private raw: ReadonlyArray<Uint8Array>
  ) {}

  /** The bytes that were read to begin it. A second time it is a mistake in the program: there is nothing left to give. */
  readonly claim: Effect.Effect<ReadonlyArray<Uint8Array>> = Effect.suspend(() => {
    if (this.read) return Effect.dieMessage("a stream that has begun can be run once, and was run twice")
    this.read = true
    const { raw } = this
    this.raw = []
    return Effect.succeed(raw)
  })
}

/** @internal */
export interface Options<E> {
  readonly limits: Limits
  readonly deadline: Option.Option<bigint>
  readonly onBroken: (failure: Failure.Failure) => Effect.Effect<never, E>
}

type Next = Effect.Effect<Chunk.Chunk<Uint8Array>>

// The next packet, as often as it is run, unless the stream is silent for too long or the deadline comes first.
const reading = <A, E>(
  { pull, reader }: Begun<A>,
  { deadline, limits }: Options<E>
): Effect.Effect<Next, never, Scope.Scope> => {
  const watchdog = new Watchdog(Option.getOrUndefined(Duration.toNanos(limits.idle)), Option.getOrUndefined(deadline))
  const onCut = (cut: Cut) => {
    reader.cut(cut)
    return nothing
  }
  const next = watchdog.run(advance(reader, pull), onCut)
  return Effect.as(
    watchdog.start,
    Effect.suspend(() => untilReason(reader, next))
  )
}

const broken = <A, E>(failure: Failure.Failure, { onBroken }: Options<E>): Effect.Effect<A, Option.Option<E>> =>
  Effect.mapError(onBroken(failure), Option.some)

// Until when a stream that is over may take to end: nobody waits for that past the deadline.
const endsBy = <E>(clock: Clock.Clock, { deadline }: Options<E>): bigint => {
  const until = clock.unsafeCurrentTimeNanos() + patience
  return Option.isSome(deadline) && deadline.value < until ? deadline.value : until
}

const drain = <E>(pull: Pull, options: Options<E>): Effect.Effect<void> =>
  Effect.clockWith((clock) =>
    Effect.ignore(Deadline.failAt(Effect.forever(pull), endsBy(clock, options), () => Option.none()))
  )

/**
 * The events of a stream that has begun, from the preamble on. Reads no further than it is pulled. Ends with `onBroken` of
 * what broke it: a failure in it, a silence longer than `limits.idle`, or `deadline`, an instant of the monotonic clock.
 *
 * @internal
 */
export const events = <A, E>(begun: Begun<A>, options: Options<E>): Stream.Stream<A, E> =>
  Stream.unwrapScoped(
    Effect.map(Effect.zipRight(begun.claim, reading(begun, options)), (read) => {
      const { pull, reader } = begun
      const next: Effect.Effect<Chunk.Chunk<A>, Option.Option<E>> = Effect.suspend(() => {
        const ready = reader.take()
        if (ready.length > 0) return Effect.succeed(Chunk.unsafeFromArray(ready))
        const { ended } = reader
        if (ended === undefined) return Effect.zipRight(read, next)
        return ended._tag === "failed"
          ? broken(ended.failure, options)
          : Effect.zipRight(drain(pull, options), Effect.fail(Option.none()))
      })
      return Stream.repeatEffectChunkOption(next)
    })
  )

// What comes after the last event, such as a comment. However it ends, nothing that was asked for is missing.
const trailing = <E>(pull: Pull, options: Options<E>): Stream.Stream<Uint8Array> =>
  Stream.unwrap(
    Effect.clockWith((clock) => {
      const until = endsBy(clock, options)
      const next = Effect.suspend(() =>
        clock.unsafeCurrentTimeNanos() >= until
          ? Effect.fail(Option.none())
          : Effect.mapError(
              Deadline.failAt(pull, until, () => Option.none()),
              () => Option.none()
            )
      )
      return Effect.succeed(Stream.repeatEffectChunkOption(next))
    })
  )

/**
 * The bytes of a stream that has begun, from the first to the last, as they came; they are still read for how it ends.
 * Otherwise as {@link events}.
 *
 * @internal
 */
export const bytes = <A, E>(begun: Begun<A>, options: Options<E>): Stream.Stream<Uint8Array, E> =>
  Stream.unwrapScoped(
    Effect.zipWith(begun.claim, reading(begun, options), (raw, read) => {
      const { pull, reader } = begun
      const next: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<E>> = Effect.suspend(() => {
        reader.take()
        const { ended } = reader
        if (ended === undefined) {
          return Effect.flatMap(read, (packets) => (Chunk.isEmpty(packets) ? next : Effect.succeed(packets)))
        }
        return ended._tag === "failed" ? broken(ended.failure, options) : Effect.fail(Option.none())
      })
      return Stream.fromIterable(raw).pipe(
        Stream.concat(Stream.repeatEffectChunkOption(next)),
        Stream.concat(trailing(pull, options))
      )
    })
  )
