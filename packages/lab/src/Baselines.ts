/**
 * What people do today, to compare with.
 *
 * @since 0.1.0
 */
import { RetryAfter } from "@spillway/core"
import type { Lab, Policy } from "./Policy.js"
import { useStandard } from "./Policy.js"
import type { Kind, Request } from "./Request.js"

/**
 * The published rule ("smart retry"), by the functions with which `RetryAfter.within` decides: wait for the server's hint
 * and try again while time since arrival + hint fits the budget, else go to Standard. Every call decides for itself. It is
 * what `Deployment.retry(RetryAfter.within(…))` does without admission.
 *
 * Source: placerda/retry-logic (2024).
 *
 * @since 0.1.0
 * @category policies
 */
export const publishedRule: Policy = {
  name: "published rule",
  description: "wait for the hint and try again while it fits the budget, each call for itself",
  start: (lab) => (request) => {
    const attempt = (): void =>
      lab.server.send("provisioned", request, (reply) => {
        switch (reply._tag) {
          case "Answered":
            return lab.answered(request, "provisioned")
          case "Failed":
            return useStandard(lab, request)
          case "Throttled": {
            const elapsed = lab.timeline.now - request.arrivedAt
            const wait = reply.retryAfterMs ?? RetryAfter.guess(request.retries, lab.random())
            if (!RetryAfter.affordable({ elapsed, wait, limit: request.budgetMs })) return useStandard(lab, request)
            request.retries++
            return lab.timeline.after(wait, attempt)
          }
        }
      })
    attempt()
  }
}

/**
 * Standard at the first refusal, as with Azure's native spillover.
 *
 * Source: Azure documentation, "Manage traffic with spillover for provisioned deployments".
 *
 * @since 0.1.0
 * @category policies
 */
export const spillAtOnce: Policy = {
  name: "spill at once",
  description: "Standard at the first refusal, as native spillover does",
  start: (lab) => (request) =>
    lab.server.send("provisioned", request, (reply) =>
      reply._tag === "Answered" ? lab.answered(request, "provisioned") : useStandard(lab, request)
    )
}

const sdkRetries = 2
const sdkLongestHintMs = 60_000

// openai-node 6 and 7: a hint of up to a minute is obeyed as it is, any other makes way for backoff.
const askWithSdk = (lab: Lab, request: Request, kind: Kind, otherwise: () => void): void => {
  request.retries = 0
  const attempt = (): void =>
    lab.server.send(kind, request, (reply) => {
      if (reply._tag === "Answered") return lab.answered(request, kind)
      if (request.retries >= sdkRetries) return otherwise()
      const hint = reply._tag === "Throttled" ? reply.retryAfterMs : undefined
      const wait =
        hint !== undefined && hint <= sdkLongestHintMs ? hint : RetryAfter.backoff(request.retries, lab.random())
      request.retries++
      return lab.timeline.after(wait, attempt)
    })
  attempt()
}

/**
 * The openai SDK as it comes: 2 retries, after the hint, then the error.
 *
 * Source: openai-node, `src/client.ts` (`shouldRetry`, `retryRequest`).
 *
 * @since 0.1.0
 * @category policies
 */
export const sdk: Policy = {
  name: "openai SDK",
  description: "2 retries after the hint, then the error reaches the user",
  start: (lab) => (request) => askWithSdk(lab, request, "provisioned", () => lab.failed(request))
}

/**
 * The openai SDK, and when its retries are used up, the same against Standard.
 *
 * @since 0.1.0
 * @category policies
 */
export const sdkThenStandard: Policy = {
  name: "openai SDK + Standard",
  description: "2 retries after the hint, then the same against Standard",
  start: (lab) => (request) =>
    askWithSdk(lab, request, "provisioned", () => askWithSdk(lab, request, "standard", () => lab.failed(request)))
}

const cooldownMs = 5000

/**
 * A gateway that takes the deployment out for 5 seconds after a refusal, for everybody, whatever the hint says.
 *
 * Source: LiteLLM's router (`cooldown_time`, default 5 seconds, for 429 at once).
 *
 * @since 0.1.0
 * @category policies
 */
export const cooldown: Policy = {
  name: "cooldown 5 s",
  description: "after a refusal, Standard for everybody for 5 s",
  start: (lab) => {
    let until = 0
    return (request) => {
      if (lab.timeline.now < until) return useStandard(lab, request)
      return lab.server.send("provisioned", request, (reply) => {
        if (reply._tag === "Answered") return lab.answered(request, "provisioned")
        if (reply._tag === "Throttled") until = Math.max(until, lab.timeline.now + cooldownMs)
        return useStandard(lab, request)
      })
    }
  }
}

/**
 * The Schedule one would write oneself, which knows nothing of the hint:
 *
 * ```ts
 * import { Schedule } from "effect"
 * import { Recovery } from "@spillway/core"
 *
 * export const own = Schedule.exponential("100 millis").pipe(
 *   Schedule.jittered,
 *   Schedule.union(Schedule.spaced("2 seconds")),
 *   Schedule.whileInput(Recovery.isRetryable),
 *   Schedule.upTo("4 seconds")
 * )
 * ```
 *
 * `upTo` looks at the time that has passed since the first refusal, not at the wait that comes next: so the last wait may
 * end up to 2 seconds past the budget.
 *
 * @since 0.1.0
 * @category policies
 */
export const sixLineSchedule: Policy = {
  name: "six-line Schedule",
  description: "exponential backoff with jitter, up to the budget, without the hint",
  start: (lab) => (request) => {
    let refusedAt: number | undefined = undefined
    const attempt = (): void =>
      lab.server.send("provisioned", request, (reply) => {
        if (reply._tag === "Answered") return lab.answered(request, "provisioned")
        if (reply._tag === "Failed") return useStandard(lab, request)
        refusedAt ??= lab.timeline.now
        if (lab.timeline.now - refusedAt > request.budgetMs) return useStandard(lab, request)
        const wait = Math.min(100 * 2 ** request.retries * (0.8 + 0.4 * lab.random()), 2000)
        request.retries++
        return lab.timeline.after(wait, attempt)
      })
    attempt()
  }
}

/**
 * All of them.
 *
 * @since 0.1.0
 * @category policies
 */
export const all: ReadonlyArray<Policy> = [publishedRule, spillAtOnce, sixLineSchedule, sdk, sdkThenStandard, cooldown]
