// The Responses API: what makes a response. What is made may be kept, and be gone on from.
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Wire from "../Wire.js"
import * as Completion from "./completion.js"
import type { Deployment } from "./deployment.js"
import type { Call } from "./front.js"
import * as InvalidRequest from "./invalidRequest.js"
import type { Context, Job, Said, Work } from "./job.js"
import { refused } from "./job.js"
import * as Pace from "./pace.js"
import * as ResponseObject from "./responseObject.js"
import * as ResponsesRequest from "./responsesRequest.js"
import type { Store, Stored } from "./responseStore.js"
import * as ResponseStream from "./responseStream.js"
import * as Timed from "./timed.js"

const nothing: ResponsesRequest.Past = { subject: "", tokens: 0 }

/** What a request goes on from, or the reply that refuses it. */
const pastOf = (
  request: ResponsesRequest.ResponsesRequest,
  host: string,
  store: Store
): Either.Either<ResponsesRequest.Past, Wire.Reply> => {
  const id = request.previous_response_id
  if (!id) return Either.right(nothing)
  const stored = store.find(host, id)
  return stored === undefined ? Either.left(InvalidRequest.previousResponseNotFound(id)) : Either.right(stored.past)
}

/** Server-sent events of a response under the headers that go with them. */
export const streamed = (
  body: Stream.Stream<Uint8Array>,
  headers: Readonly<Record<string, string>> = {}
): Wire.Reply => ({
  status: 200,
  headers: { "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no", ...headers },
  body
})

interface Making {
  readonly call: Call
  readonly request: ResponsesRequest.ResponsesRequest
  readonly wish: Completion.Wish
  readonly completion: Completion.Completion
  readonly store: Store
  readonly cancelled: Deferred.Deferred<void>
}

const begin = ({ call, cancelled, completion, request, wish }: Making, context: Context): Effect.Effect<Stored> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const { completionTokens, promptTokens } = Completion.usage(completion)
    return {
      host: context.host,
      deployment: call.deployment,
      response: {
        id: ResponseObject.idOf(context.id),
        seed: context.id,
        model: context.model,
        createdAt: Math.floor(now / 1000),
        request,
        body: call.body,
        completion
      },
      past: {
        subject: wish.subject + completion.choices.map(Completion.text).join(""),
        tokens: promptTokens + completionTokens
      },
      release: { pace: context.pace, burstTokens: context.contentFilter === "asynchronous" ? 1 : context.burstTokens },
      began: context.began,
      duration: Pace.timeOf(context.pace, Completion.length(completion)),
      cancelledAt: undefined,
      cancel: Effect.asVoid(Deferred.succeed(cancelled, undefined))
    }
  })

const reply = (making: Making, context: Context): Effect.Effect<Wire.Reply, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { cancelled, request, store } = making
    const stored = yield* begin(making, context)
    const { response } = stored
    const keep = request.store === false ? Effect.void : store.put(stored)
    const headers = { "x-ms-rai-invoked": "true", ...context.headers }
    const background = request.background === true
    if (request.stream === true) {
      yield* keep
      const body = Timed.play(ResponseStream.writes(response, stored.release), context)
      if (background) return streamed(Stream.interruptWhenDeferred(body, cancelled), headers)
      yield* Effect.addFinalizer(() =>
        Effect.flatMap(context.time.now, (now) =>
          now < stored.began + stored.duration && store.find(stored.host, response.id) !== undefined
            ? store.put({ ...stored, cancelledAt: now })
            : Effect.void
        )
      )
      return streamed(body, headers)
    }
    if (background) {
      yield* keep
      return Wire.json(200, ResponseObject.show(response, "queued"), headers)
    }
    yield* Timed.until(context.time, stored.began, stored.duration)
    yield* keep
    return Wire.json(200, ResponseObject.show(response, ResponseObject.finalStatus(response)), headers)
  })

const job = (making: Omit<Making, "cancelled">): Job => {
  const { completion, request } = making
  const cancelled = Deferred.unsafeMake<void>(FiberId.none)
  return {
    usage: (generated) => Completion.usage(completion, generated),
    reply: (context) => reply({ ...making, cancelled }, context),
    ...(request.background === true
      ? { background: { length: Completion.length(completion), cancelled: Deferred.await(cancelled) } }
      : {})
  }
}

/** Reads a request to a deployment. */
export const read = (call: Call, deployment: Deployment, store: Store, said?: Said): Work =>
  Either.match(ResponsesRequest.decode(call.body), {
    onLeft: (refusal) => refused(refusal),
    onRight: (request): Work => {
      // A script may go on from a response that it made up itself.
      const past = pastOf(request, call.host, store).pipe(
        Either.orElse((refusal) => (said?.always === true ? Either.right(nothing) : Either.left(refusal)))
      )
      return {
        demand: {
          promptTokens: Either.getOrElse(past, () => nothing).tokens + ResponsesRequest.promptTokens(request),
          maxTokens: request.max_output_tokens ?? undefined,
          choices: 1
        },
        judge: () =>
          Either.flatMap(past, (past) => {
            const refusal = said?.always === true ? undefined : ResponsesRequest.refusal(deployment, request, past)
            if (refusal !== undefined) return Either.left(refusal)
            return Either.map(ResponsesRequest.wish(request, deployment, past), (wish) =>
              job({
                call,
                request,
                wish,
                completion: Completion.override(Completion.make(wish, deployment.answerTokens), said),
                store
              })
            )
          })
      }
    }
  })
