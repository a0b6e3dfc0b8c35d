// Azure's own spillover: what a provisioned deployment cannot take, a Standard one of the same resource takes at once.
import type * as Wire from "../Wire.js"
import type { Deployment } from "./deployment.js"
import type { Call } from "./front.js"

/** What one deployment said. */
export interface Attempt {
  readonly deployment: Deployment
  /** The reply by its status. */
  readonly reply: Wire.Reply
  /** What its caller is shown of it: the same, or a throttle inside a stream. */
  readonly shown: Wire.Reply
  /** Time until it is shown. */
  readonly pauseMs: number
}

/** Which of the two descriptions of the headers is followed; the docs reversed theirs in June 2026. */
export type Semantics = "current" | "legacy"

/** Where a call goes that the deployment cannot take: to what the deployment says, else to what the request says, if that is Standard and of the same model. */
export const target = (
  { headers }: Call,
  deployment: Deployment,
  find: (name: string) => Deployment | undefined
): Deployment | undefined => {
  if (deployment.kind !== "provisioned") return undefined
  const name = deployment.spilloverDeploymentName ?? headers["x-ms-spillover-deployment"]
  const found = name === undefined ? undefined : find(name)
  return found?.kind === "standard" && found.model.name === deployment.model.name ? found : undefined
}

/** Whether a reply makes the call spill over. Of the bad requests only a prompt that is too long does. */
export const triggers = ({ reply: { body, status } }: Attempt): boolean =>
  status === 429 ||
  status === 500 ||
  status === 503 ||
  (status === 400 && typeof body === "string" && body.includes('"context_length_exceeded"'))

const withHeaders = (attempt: Attempt, headers: Readonly<Record<string, string>>): Attempt => ({
  ...attempt,
  shown: { ...attempt.shown, headers: { ...attempt.shown.headers, ...headers } }
})

/** What the caller gets when both have spoken. */
export const reply = (first: Attempt, second: Attempt, semantics: Semantics): Attempt => {
  const spilled = {
    "x-ms-deployment-name": second.deployment.name,
    "x-ms-spillover-from-deployment": first.deployment.name
  }
  if (semantics === "current") {
    return withHeaders(second, { ...spilled, "x-ms-spillover-error": String(first.reply.status) })
  }
  return second.reply.status < 400
    ? withHeaders(second, spilled)
    : withHeaders(first, { "x-ms-spillover-error": String(second.reply.status) })
}
