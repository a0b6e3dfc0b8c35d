import type { Deployment as Config } from "../EmulatorConfig.js"
import type { Order } from "../InStreamThrottle.js"
import * as Model from "../Model.js"
import type * as ContentFilter from "./contentFilter.js"

/** A deployment with every default filled in. */
export type Deployment = Provisioned | Standard

interface Common {
  readonly name: string
  readonly model: Model.Model
  readonly latency: {
    readonly firstTokenMs: number
    readonly tokensPerSecond: number
    readonly jitter: number
    readonly rejectionMs: number
  }
  readonly defaultMaxTokens: number
  readonly answerTokens: { readonly min: number; readonly max: number }
  readonly contentFilter: ContentFilter.Mode
  readonly burstTokens: number
  readonly responsesThrottle: Order | "status"
}

export interface Provisioned extends Common {
  readonly kind: "provisioned"
  readonly drainPerMinute: number
  readonly windowSeconds: number
  readonly outputWeight: number
  readonly spilloverDeploymentName: string | undefined
}

export interface Standard extends Common {
  readonly kind: "standard"
  readonly tokensPerMinute: number
  readonly requestsPerTenSeconds: number
}

export const resolve = (config: Config): Deployment => {
  const model = Model.findOrGeneric(config.model)
  const common: Common = {
    name: config.name,
    model,
    latency: {
      firstTokenMs: config.latency?.firstTokenMs ?? 200,
      tokensPerSecond: config.latency?.tokensPerSecond ?? model.tokensPerSecond,
      jitter: config.latency?.jitter ?? 0,
      rejectionMs: config.latency?.rejectionMs ?? 0
    },
    defaultMaxTokens: config.defaultMaxTokens ?? model.defaultMaxTokens,
    answerTokens: config.answerTokens ?? { min: 16, max: 80 },
    contentFilter: config.contentFilter ?? "default",
    burstTokens: config.burstTokens ?? 16,
    responsesThrottle: config.responsesThrottle ?? "failedThenError"
  }
  if (config.kind === "provisioned") {
    const tokensPerPtu = config.inputTokensPerMinutePerPtu ?? model.inputTokensPerMinutePerPtu ?? 0
    return {
      ...common,
      kind: "provisioned",
      drainPerMinute: (config.ptus ?? model.minimumPtus) * tokensPerPtu,
      windowSeconds: config.windowSeconds ?? 10,
      outputWeight: config.outputWeight ?? model.outputWeight,
      spilloverDeploymentName: config.spilloverDeploymentName
    }
  }
  const tokensPerMinute = config.tokensPerMinute ?? 450_000
  const requestsPerMinute = config.requestsPerMinute ?? (tokensPerMinute / 1000) * model.requestsPerThousandTokens
  return {
    ...common,
    kind: "standard",
    tokensPerMinute,
    requestsPerTenSeconds: Math.max(1, Math.floor(requestsPerMinute / 6))
  }
}

/** The longest prompt a deployment takes, in tokens: for some models less where it is provisioned. */
export const promptLimit = ({ kind, model }: Deployment): number =>
  kind === "provisioned"
    ? Math.min(model.contextWindow, model.provisionedPromptLimit ?? model.contextWindow)
    : model.contextWindow
