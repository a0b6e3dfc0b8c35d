import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import * as Script from "../Script.js"
import * as Wire from "../Wire.js"
import * as Breakage from "./breakage.js"
import type { Timeline } from "./capacity.js"
import * as Chat from "./chat.js"
import { resolve } from "./deployment.js"
import type { Backend, Call } from "./front.js"
import * as ScriptedStream from "./scriptedStream.js"

const answer = (
  call: Call,
  step: Extract<Script.Step, { readonly _tag: "Answer" }>,
  time: Timeline
): Effect.Effect<Wire.Reply, never, Scope.Scope> => {
  const deployment = resolve({ kind: "standard", name: call.deployment, model: step.model })
  return Either.match(Chat.read(call.body, deployment, step).judge(), {
    onLeft: (refusal) => Effect.succeed(call.stamp(refusal)),
    onRight: (job) =>
      Effect.flatMap(time.now, (began) =>
        Effect.map(
          job.reply({
            time,
            began,
            pace: { firstTokenMs: 0, msPerToken: Duration.toMillis(step.every) },
            model: step.model,
            id: call.id,
            host: call.host,
            headers: step.headers,
            contentFilter: "default",
            burstTokens: 1,
            ended: call.ended
          }),
          call.stamp
        )
      )
  })
}

/** Plays a script: every deployment its own list of steps, from the first on. */
export const make = (script: Script.Script, time: Timeline): Effect.Effect<Backend> =>
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
          return step === undefined
            ? Effect.succeed(Script.exhausted(call.deployment, steps.length))
            : play(call, step, time)
        })
    }
  })

const pause = (after: Duration.Duration): Effect.Effect<void> =>
  Duration.toMillis(after) > 0 ? Effect.sleep(after) : Effect.void

const play = (call: Call, step: Script.Step, time: Timeline): Effect.Effect<Wire.Reply, Wire.Dropped, Scope.Scope> => {
  switch (step._tag) {
    case "Answer":
      return Effect.zipRight(pause(step.after), answer(call, step, time))
    case "Reply":
      return Effect.as(pause(step.after), step.verbatim ? step.reply : call.stamp(step.reply))
    case "Stream":
      return Effect.zipRight(pause(step.after), ScriptedStream.make(step, call, time))
    case "Truncated":
      return Effect.map(play(call, step.step, time), (reply) => Breakage.breakOff(reply, step.afterBytes, step.end))
    case "Refuse":
      return Effect.zipRight(pause(step.after), new Wire.Dropped())
    case "Silent":
      return Effect.never
    case "Forever":
      return play(call, step.step, time)
  }
}
