import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Script from "../Script.js"
import * as Wire from "../Wire.js"
import * as Breakage from "./breakage.js"
import type { Timeline } from "./capacity.js"
import { resolve } from "./deployment.js"
import type { Backend, Call, Retrieval as Retrieved } from "./front.js"
import * as ResponseStore from "./responseStore.js"
import * as Retrieval from "./retrieval.js"
import * as ScriptedStream from "./scriptedStream.js"
import * as Timed from "./timed.js"
import * as Work from "./work.js"

type Answer = Extract<Script.Step, { readonly _tag: "Answer" }>

/** How a step answers: from the request where it is one of a model, from what is stored where it is about that. */
type Answering = (step: Answer) => Effect.Effect<Wire.Reply, never, Scope.Scope>

const answering =
  (call: Call, store: ResponseStore.Store, time: Timeline): Answering =>
  (step) => {
    const model = step.model ?? (call.operation.name === "embeddings" ? "text-embedding-3-small" : "gpt-4o")
    const deployment = resolve({ kind: "standard", name: call.deployment, model })
    const said = { always: true, text: step.text, finishReason: step.finishReason }
    return Either.match(Work.read(call, deployment, store, said).judge(), {
      onLeft: (refusal) => Effect.succeed(refusal),
      onRight: (job) =>
        Effect.flatMap(time.now, (began) =>
          job.reply({
            time,
            began,
            pace: { firstTokenMs: 0, msPerToken: Duration.toMillis(step.every) },
            model,
            id: call.id,
            host: call.host,
            headers: step.headers,
            contentFilter: "default",
            burstTokens: 1,
            ended: call.ended
          })
        )
    })
  }

/** Plays a script: every deployment its own list of steps, from the first on, and requests about stored responses another. */
export const make = (script: Script.Script, time: Timeline): Effect.Effect<Backend> =>
  Effect.map(ResponseStore.make, (store) => {
    const played = new Map<string, number>()
    const playNext = (
      name: string,
      steps: ReadonlyArray<Script.Step>,
      request: Call | Retrieved,
      answer: Answering
    ): ReturnType<Backend["respond"]> =>
      Effect.suspend(() => {
        const index = played.get(name) ?? 0
        played.set(name, index + 1)
        const step = Script.at(steps, index)
        return step === undefined
          ? Effect.succeed(Script.exhausted(name, steps.length))
          : play(request, step, time, answer)
      })
    return {
      has: (deployment) => Object.hasOwn(script.deployments, deployment),
      respond: (call) =>
        playNext(call.deployment, script.deployments[call.deployment] ?? [], call, answering(call, store, time)),
      maker: (host, id) => store.find(host, id)?.deployment,
      retrieve: (retrieval) => {
        const answer = Retrieval.respond(retrieval, store, time)
        return script.retrievals === undefined
          ? Effect.map(answer, retrieval.stamp)
          : playNext("(stored responses)", script.retrievals, retrieval, () => answer)
      }
    }
  })

const play = (
  request: Call | Retrieved,
  step: Script.Step,
  time: Timeline,
  answer: Answering
): ReturnType<Backend["respond"]> => {
  switch (step._tag) {
    case "Answer":
      return Effect.zipRight(Timed.pause(step.after), Effect.map(answer(step), request.stamp))
    case "Reply":
      return Effect.as(Timed.pause(step.after), step.verbatim ? step.reply : request.stamp(step.reply))
    case "Stream":
      return Effect.zipRight(Timed.pause(step.after), ScriptedStream.make(step, request, time))
    case "Truncated":
      return Effect.map(play(request, step.step, time, answer), (reply) =>
        Breakage.breakOff(reply, step.afterBytes, step.end)
      )
    case "Refuse":
      return Effect.zipRight(Timed.pause(step.after), new Wire.Dropped())
    case "Silent":
      return Effect.never
    case "Forever":
      return play(request, step.step, time, answer)
  }
}
