import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Failure from "../Failure.js"
import * as Sse from "../Sse.js"
import type { Limits, Opened } from "../Target.js"

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
  /** Whether the stream may end here without a terminator. */
  readonly complete: () => boolean
  /** The text of the answer so far. */
  readonly text: () => string
  /** What the service says the request took, once it has. */
  readonly usage: () => unknown
  /** Attributes of the call's span, as far as the stream has told. */
  readonly attributes: () => Record<string, unknown>
}

type Ending = { readonly _tag: "complete" } | { readonly _tag: "failed"; readonly failure: Failure.Failure }

const complete: Ending = { _tag: "complete" }

/** Events of a stream as they come out of its bytes: plain state, no effects. @internal */
export class Reader<A> {
  /** Read, and not yet taken. */
  private ready: Array<A> = []
  /** How many were taken. */
  taken = 0
  private readonly parser: Sse.Parser
  private failing: Failure.Failure | undefined
  private began = false
  private ending: Ending | undefined

  constructor(
    private readonly reply: Pick<Opened, "status" | "headers">,
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

  take(): ReadonlyArray<A> {
    const taken = this.ready
    this.ready = []
    this.taken += taken.length
    return taken
  }

  feed(bytes: Uint8Array, now: number): void {
    for (const event of this.parser.feed(bytes)) {
      if (this.ending !== undefined) return
      this.step(this.protocol.read(event, now))
    }
    if (this.parser.overflown()) this.fail(Failure.tooLarge(this.reply, this.limit))
  }

  /** No more bytes. */
  end(): void {
    if (this.failing !== undefined) this.fail(this.failing)
    else if (this.protocol.complete()) this.ending ??= complete
    else this.fail(Failure.endedEarly(this.reply))
  }

  fail(failure: Failure.Failure): void {
    this.ending ??= { _tag: "failed", failure: this.failing ?? failure }
  }

  private step(step: Step<A>): void {
    // The event after a failure without a reason is either that reason, or nothing that could mend it.
    if (this.failing !== undefined) {
      this.ending = { _tag: "failed", failure: step._tag === "failed" ? step.failure : this.failing }
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
        if (this.protocol.complete()) {
          this.began = true
          this.ending = complete
        } else {
          this.fail(Failure.endedEarly(this.reply))
        }
        return
      case "failing":
        this.failing = step.failure
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

/**
 * Reads a reply up to its first output. Fails where it ends, or fails, before that: nothing of it was seen by anyone yet.
 * `raw` are the bytes read so far. What it reads from is released with the enended Scope.
 *
 * @internal
 */
export const open = <A>(
  reply: Opened,
  protocol: Protocol<A>,
  limits: Limits
): Effect.Effect<Begun<A>, Failure.Failure, Scope.Scope> =>
  Effect.gen(function* () {
    if (!isEventStream(reply)) return yield* Effect.fail(Failure.brokenBody(reply))
    const reader = new Reader(reply, protocol, limits.bodyBytes)
    const pull = yield* Stream.toPull(reply.body)
    const raw: Array<Uint8Array> = []
    while (!reader.output && reader.ended === undefined) {
      raw.push(...(yield* advance(reader, pull)))
    }
    if (!reader.output && reader.ended?._tag === "failed") return yield* Effect.fail(reader.ended.failure)
    return { reader, pull, raw }
  })

// Feeds the next packet to the reader. Never fails: how it went is in the reader.
const advance = <A>(reader: Reader<A>, pull: Pull): Effect.Effect<Iterable<Uint8Array>> =>
  Effect.matchEffect(pull, {
    onFailure: (end) =>
      Effect.sync(() => {
        Option.match(end, { onNone: () => reader.end(), onSome: (failure) => reader.fail(failure) })
        return Chunk.empty<Uint8Array>()
      }),
    onSuccess: (packets) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        for (const bytes of packets) reader.feed(bytes, now)
        return packets
      })
  })

// After the last event the body usually ends at once: reading to its end lets the connection be used again.
const drainTime = Duration.millis(250)

const drain = (pull: Pull): Effect.Effect<void> => Effect.forever(pull).pipe(Effect.timeout(drainTime), Effect.ignore)

/** A stream that has begun. @internal */
export interface Begun<A> {
  readonly reader: Reader<A>
  readonly pull: Pull
  readonly raw: ReadonlyArray<Uint8Array>
}

/** @internal */
export interface Options<E> {
  readonly limits: Limits
  readonly deadline: Option.Option<bigint>
  readonly onBroken: (failure: Failure.Failure) => Effect.Effect<never, E>
}

// Feeds the next packet, unless the stream is silent for too long or the deadline comes first.
const patient = <A, E>(
  { pull, reader }: Begun<A>,
  { deadline, limits }: Options<E>
): Effect.Effect<Iterable<Uint8Array>> =>
  Effect.flatMap(Clock.currentTimeNanos, (now) => {
    const left = Option.map(deadline, (instant) => Duration.nanos(instant > now ? instant - now : 0n))
    const [cut, limit] =
      Option.isSome(left) && Duration.lessThanOrEqualTo(left.value, limits.idle)
        ? (["deadline", left.value] as const)
        : (["timeout", limits.idle] as const)
    const next = advance(reader, pull)
    if (!Duration.isFinite(limit)) return next
    return Effect.flatMap(Effect.timeoutOption(next, limit), (packets) =>
      Option.isSome(packets)
        ? Effect.succeed(packets.value)
        : Effect.sync(() => {
            reader.fail(Failure.cutOff(cut, {}))
            return Chunk.empty<Uint8Array>()
          })
    )
  })

const ended = <A, E>(
  { pull }: Begun<A>,
  ending: Ending,
  { onBroken }: Options<E>
): Effect.Effect<never, Option.Option<E>> =>
  ending._tag === "complete"
    ? Effect.zipRight(drain(pull), Effect.fail(Option.none()))
    : Effect.mapError(onBroken(ending.failure), Option.some)

/**
 * The events of a stream that has begun, from the preamble on. Reads no further than it is pulled. Ends with `onBroken` of
 * what broke it: a failure in it, a silence longer than `limits.idle`, or `deadline`, an instant of the monotonic clock.
 *
 * @internal
 */
export const events = <A, E>(begun: Begun<A>, options: Options<E>): Stream.Stream<A, E> => {
  const { reader } = begun
  const next: Effect.Effect<Chunk.Chunk<A>, Option.Option<E>> = Effect.suspend(() => {
    const ready = reader.take()
    if (ready.length > 0) return Effect.succeed(Chunk.unsafeFromArray(ready))
    return reader.ended === undefined
      ? Effect.zipRight(patient(begun, options), next)
      : ended(begun, reader.ended, options)
  })
  return Stream.repeatEffectChunkOption(next)
}

/**
 * The bytes of a stream that has begun, from the first on, as they came; they are still read for how it ends. Otherwise as
 * {@link events}.
 *
 * @internal
 */
export const bytes = <A, E>(begun: Begun<A>, options: Options<E>): Stream.Stream<Uint8Array, E> => {
  const { raw, reader } = begun
  const next: Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<E>> = Effect.suspend(() => {
    reader.take()
    return reader.ended === undefined
      ? Effect.flatMap(patient(begun, options), (packets) => {
          const chunk = Chunk.fromIterable(packets)
          return Chunk.isEmpty(chunk) ? next : Effect.succeed(chunk)
        })
      : ended(begun, reader.ended, options)
  })
  return Stream.concat(Stream.fromIterable(raw), Stream.repeatEffectChunkOption(next))
}
