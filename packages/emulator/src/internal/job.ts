import * as Either from "effect/Either"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Wire from "../Wire.js"
import type { Demand, Timeline, Usage } from "./capacity.js"
import type * as ContentFilter from "./contentFilter.js"
import type { Pace } from "./pace.js"

/** Where and when a job is done. */
export interface Context {
  readonly time: Timeline
  /** When it was taken on. */
  readonly began: number
  readonly pace: Pace
  /** The model the reply says it is from. */
  readonly model: string
  /** Tells the reply from every other. */
  readonly id: string
  /** The caller's host, on which a stored response can be asked for. */
  readonly host: string
  /** Headers that go with the reply. */
  readonly headers: Readonly<Record<string, string>>
  readonly contentFilter: ContentFilter.Mode
  /** Tokens that the content filter releases together. */
  readonly burstTokens: number
  /** Says that the last of the reply was handed over. */
  readonly ended: Effect.Effect<void>
}

/** What there is to do for a request that the model takes. */
export interface Job {
  /** What was used when so many tokens are out. */
  readonly usage: (generated?: number) => Usage
  /** Does it, in the time it takes. The scope is that of the exchange: a body that streams lives in it. */
  readonly reply: (context: Context) => Effect.Effect<Wire.Reply, never, Scope.Scope>
  /** For what goes on when its caller has the reply: how many tokens it takes, and what waits for its being cancelled. */
  readonly background?: { readonly length: number; readonly cancelled: Effect.Effect<void> }
}

/** A request as its operation reads it. */
export interface Work {
  readonly demand: Demand
  /** The job, or the reply that refuses it. */
  readonly judge: () => Either.Either<Job, Wire.Reply>
}

/** A request that cannot be read: the model refuses it, so the gateway has let it in, for the longest answer it might have had. */
export const refused = (reply: Wire.Reply, maxTokens?: number): Work => ({
  demand: { promptTokens: 0, maxTokens, choices: 1 },
  judge: () => Either.left(reply)
})

/** What a script or a fault wants answered; undefined parts are made up as ever. */
export interface Said {
  /** Whether the model answers whatever the request is. */
  readonly always: boolean
  readonly text: string | undefined
  readonly finishReason: string | undefined
}
