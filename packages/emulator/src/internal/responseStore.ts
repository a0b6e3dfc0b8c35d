// The responses a resource keeps. A resource is known by its host: one emulator stands for all of them.
import * as Effect from "effect/Effect"
import * as ResponseObject from "./responseObject.js"
import type { Release } from "./responseStream.js"

/** A response that is kept, in the making or made. */
export interface Stored {
  readonly host: string
  /** The deployment that makes it. */
  readonly deployment: string
  readonly response: ResponseObject.Response
  /** What a response that goes on from it begins with. */
  readonly past: { readonly subject: string; readonly tokens: number }
  readonly release: Release
  /** When it was taken on, and for how long it is made. */
  readonly began: number
  readonly duration: number
  /** When it was given up before its end. */
  readonly cancelledAt: number | undefined
  /** Ends what is in the background. */
  readonly cancel: Effect.Effect<void>
}

export interface Store {
  readonly find: (host: string, id: string) => Stored | undefined
  readonly put: (stored: Stored) => Effect.Effect<void>
  readonly remove: (stored: Stored) => Effect.Effect<void>
}

const limit = 10_000

/** Keeps the newest ten thousand, until its emulator ends. */
export const make: Effect.Effect<Store> = Effect.sync(() => {
  const kept = new Map<string, Stored>()
  const key = (host: string, id: string): string => `${host}/${id}`
  return {
    find: (host, id) => kept.get(key(host, id)),
    put: (stored) =>
      Effect.sync(() => {
        kept.set(key(stored.host, stored.response.id), stored)
        for (const oldest of kept.keys()) {
          if (kept.size <= limit) break
          kept.delete(oldest)
        }
      }),
    remove: (stored) =>
      Effect.sync(() => {
        kept.delete(key(stored.host, stored.response.id))
      })
  }
})

/** What a stored response is at a moment. Only what runs in the background queues. */
export const statusAt = (
  { began, cancelledAt, duration, release, response }: Stored,
  now: number
): ResponseObject.Status => {
  if (cancelledAt !== undefined) return "cancelled"
  if (now >= began + duration) return ResponseObject.finalStatus(response)
  const queues = response.request.background === true && now < began + release.pace.firstTokenMs
  return queues ? "queued" : "in_progress"
}
