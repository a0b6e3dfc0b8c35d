import type * as HttpBody from "@effect/platform/HttpBody"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { Readable } from "node:stream"
import type { Dispatcher } from "undici"
import { FormData as UndiciFormData } from "undici"

/** A request's body as undici takes it. @internal */
export type Encoded = NonNullable<Dispatcher.DispatchOptions["body"]> | null

/** A body that cannot be sent, or that failed while it was. @internal */
export class BodyError extends Data.Error<{ readonly message: string; readonly cause?: unknown }> {}

// Both the one of Node and that of the package undici, which does not take Node's.
const isFormData = (u: unknown): u is FormData =>
  Predicate.hasProperty(u, Symbol.toStringTag) && u[Symbol.toStringTag] === "FormData"

const formData = (input: FormData): Effect.Effect<UndiciFormData, BodyError> =>
  Effect.try({
    try: () => {
      const form = new UndiciFormData()
      for (const [name, value] of input) {
        if (typeof value === "string") form.append(name, value)
        else form.append(name, value, value.name)
      }
      return form
    },
    catch: (cause) => new BodyError({ message: "the body's form cannot be read", cause })
  })

const ignore = () => {}

// What is destroyed with its request must not end the process by an error that nobody listens to.
const guarded = (readable: Readable): Readable => readable.on("error", ignore)

const streamed = (stream: Stream.Stream<unknown, unknown>): Effect.Effect<Readable> =>
  Effect.map(
    Stream.toAsyncIterableEffect(
      Stream.catchAllCause(stream, (cause) =>
        Stream.fail(new BodyError({ message: "the body's stream failed", cause: Cause.squash(cause) }))
      )
    ),
    (chunks) => guarded(Readable.from(chunks, { objectMode: false }))
  )

const isAsyncIterable = (u: unknown): u is AsyncIterable<unknown> => Predicate.hasProperty(u, Symbol.asyncIterator)

const raw = (body: unknown): Effect.Effect<Encoded, BodyError> => {
  if (Predicate.isNullable(body)) return Effect.succeed(null)
  if (typeof body === "string" || body instanceof Uint8Array) return Effect.succeed(body)
  if (body instanceof ArrayBuffer) return Effect.succeed(new Uint8Array(body))
  if (ArrayBuffer.isView(body)) return Effect.succeed(new Uint8Array(body.buffer, body.byteOffset, body.byteLength))
  if (body instanceof URLSearchParams) return Effect.succeed(body.toString())
  if (isFormData(body)) return formData(body)
  if (body instanceof Blob) {
    return Effect.tryPromise({
      try: async () => new Uint8Array(await body.arrayBuffer()),
      catch: (cause) => new BodyError({ message: "the body's Blob cannot be read", cause })
    })
  }
  if (body instanceof Readable) return Effect.sync(() => guarded(body))
  if (isAsyncIterable(body)) return streamed(Stream.fromAsyncIterable(body, (error) => error))
  return Effect.fail(
    new BodyError({ message: "expected a raw body of text, bytes, Blob, FormData, Readable or ReadableStream" })
  )
}

/** @internal */
export const encode = (body: HttpBody.HttpBody): Effect.Effect<Encoded, BodyError> => {
  switch (body._tag) {
    case "Empty":
      return Effect.succeed(null)
    case "Uint8Array":
      return Effect.succeed(body.body)
    case "Raw":
      return raw(body.body)
    case "FormData":
      return formData(body.formData)
    case "Stream":
      return streamed(body.stream)
  }
}

/** Ends a body that was not sent, or not to its end. undici leaves alone what it has not begun. @internal */
export const discard = (body: Encoded): void => {
  if (body instanceof Readable) body.destroy()
}
