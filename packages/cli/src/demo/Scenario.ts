/**
 * What the demo plays: more calls than the PTUs can take, at once and over time, so that some are answered at once, some after a wait,
 * and some by Standard. On a slow machine as well: the PTUs could only keep up if the calls took eight seconds to arrive.
 */
import type { EmulatorConfig } from "@spillway/emulator"
import { Model } from "@spillway/emulator"
import * as Duration from "effect/Duration"

/** How many calls. */
export const calls = 32

/** From one call to the next. */
export const interval = Duration.millis(75)

/** How long each call is ready to wait for the PTUs. */
export const maxWait = Duration.seconds(3)

/** Length of every answer, and what every call allows, in tokens: so the estimate that PTUs are charged is what they are charged. */
export const answerTokens = 60

const promptTokens = 60

/** The question of a call, `promptTokens` long by Azure's estimate: a token for four characters, and one for the message. */
export const question = (index: number): string =>
  `Ticket ${1000 + index}: the parcel has not arrived. Write a short reply that says sorry and what happens next.`.padEnd(
    4 * (promptTokens - 1),
    "."
  )

/** Names of the deployments. */
export const deployments = { provisioned: "gpt-4o-ptu", standard: "gpt-4o" } as const

/** The model behind both. */
export const model = "gpt-4o"

/** What Standard's tokens cost, in US dollars for a million: an example, in the order of what such a model costs. */
export const prices = { input: 2.5, cachedInput: 1.25, output: 10 } as const

const ptus = 15
const windowSeconds = 4
const { inputTokensPerMinutePerPtu, outputWeight } = Model.findOrGeneric(model)
const tokensPerSecond = (ptus * (inputTokensPerMinutePerPtu ?? 0)) / 60
const secondsPerCall = (promptTokens + outputWeight * answerTokens) / tokensPerSecond

const common = {
  model,
  answerTokens: { min: answerTokens, max: answerTokens },
  latency: { firstTokenMs: 250, tokensPerSecond: 100, jitter: 0.2, rejectionMs: 15 }
} as const

/** The resource that is called. */
export const resource: EmulatorConfig.EmulatorConfig = {
  deployments: [
    { ...common, name: deployments.provisioned, kind: "provisioned", ptus, windowSeconds },
    { ...common, name: deployments.standard, kind: "standard" }
  ]
}

/** What is about to happen. */
export const introduction = (url: string): string =>
  [
    `An emulated Azure OpenAI resource runs at ${url}:`,
    `  ${deployments.provisioned}  ${ptus} PTUs: full after ${Math.round(windowSeconds / secondsPerCall)} calls, then room for one every ${Math.round(secondsPerCall * 1000)} ms`,
    `  ${deployments.standard}      Standard, pay as you go`,
    `${calls} calls come in ${Duration.toSeconds(Duration.times(interval, calls))} s. Each waits for the PTUs if that takes ${Duration.toSeconds(maxWait)} s at most,`,
    "else it goes to Standard."
  ].join("\n")
