import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Script from "../Script.js"
import * as Wire from "../Wire.js"
import * as Chat from "./chat.js"
import type { Backend, Call } from "./front.js"
import * as InvalidRequest from "./invalidRequest.js"

const answerLength = { min: 16, max: 80 }

const answer = (call: Call, step: Extract<Script.Step, { readonly _tag: "Answer" }>): Effect.Effect<Wire.Reply> =>
  Effect.map(
    Either.match(Chat.decode(call.body), {
      onLeft: (refusal) => Effect.succeed(refusal),
      onRight: (request) => {
        if (request.stream === true) return Effect.succeed(InvalidRequest.notEmulated("stream"))
        const completion =
          step.text === undefined
            ? Chat.complete(request, answerLength, answerLength.max)
            : Chat.say(request, step.text)
        const texts = completion.texts.map(({ finishReason, text }) => ({
          text,
          finishReason: step.finishReason ?? finishReason
        }))
        return Chat.reply({ ...completion, texts }, { model: step.model, id: call.id, headers: {} })
      }
    }),
    call.stamp
  )

/** Plays a script: every deployment its own list of steps, from the first on. */
export const make = (script: Script.Script): Effect.Effect<Backend> =>
  Effect.sync(() => {
    const played = new Map<string, number>()
    const stepsOf = (deployment: string) => script.deployments[deployment] ?? []
    return {
      has: (deployment) => Object.hasOwn(script.deployments, deployment),
      respond: (call) =>
        Effect.suspend(() => {
          const index = played.get(call.deployment) ?? 0
          played.set(call.deployment, index + 1)
          const steps = stepsOf(call.deployment)
          const step = Script.at(steps, index)
          if (step === undefined) return Effect.succeed(Script.exhausted(call.deployment, steps.length))
          if (step._tag === "Silent") return Effect.never
          const pause = Duration.toMillis(step.after) > 0 ? Effect.sleep(step.after) : Effect.void
          return Effect.zipRight(pause, play(call, step))
        })
    }
  })

const play = (
  call: Call,
  step: Extract<Script.Step, { readonly _tag: "Answer" | "Reply" | "Refuse" }>
): Effect.Effect<Wire.Reply, Wire.Dropped> => {
  switch (step._tag) {
    case "Answer":
      return answer(call, step)
    case "Reply":
      return Effect.succeed(step.verbatim ? step.reply : call.stamp(step.reply))
    case "Refuse":
      return new Wire.Dropped()
  }
}
