import { Recovery } from "@spillway/core"
import * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type { CallError } from "../CallError.js"
import type { Service } from "../Deployment.js"
import { Deployment } from "../Deployment.js"
import * as Failure from "../Failure.js"
import * as Reply from "../Reply.js"
import { Deleted, Response } from "../Responses.js"
import type { Request } from "../Target.js"
import { attributes } from "../Telemetry.js"
import * as Operation from "./operation.js"
import { maker } from "./responses.js"

/**
 * Asks the deployment that made the response. Where that is not known, one deployment of each resource is asked, until one
 * knows it: these operations neither cost anything nor run anything. A resource that is down is passed over; its error is
 * what surfaces where no other knows the response, which may well be there.
 *
 * @internal
 */
export const about = (runner: Service, id: string): Service => {
  const known = maker(runner, id)
  if (known !== undefined) return known
  const members = runner.members ?? []
  const [first = runner, ...others] = members
    .filter(({ target }, n) => members.findIndex((other) => other.target.resource === target.resource) === n)
    .map(({ runner }): Service => runner)
  // Not Runner.orElse: to look elsewhere is no fallback, and is not to be counted as one.
  return {
    primary: first.primary,
    execute: (use, conditions) =>
      others.reduce(
        (asked, that) =>
          Effect.catchAll(asked, (error) => {
            if (error._tag === "NotFound") return that.execute(use)
            if (!Recovery.isRecoverable(error)) return Effect.fail(error)
            return Effect.mapError(that.execute(use), (other) => (other._tag === "NotFound" ? error : other))
          }),
        first.execute(use, conditions)
      )
  }
}

const decode = Reply.decode(Response)
const decodeDeleted = Reply.decode(Deleted)

const isId = (id: unknown): id is string => typeof id === "string" && /^[\w-]+$/.test(id)

const stored = <A>(
  id: string,
  name: string,
  request: Omit<Request, "operation"> & { readonly path?: string },
  decode: (reply: Failure.RawReply) => Either.Either<A, Failure.Failure>
): Effect.Effect<A, CallError, Deployment> =>
  Effect.flatMap(Deployment, (all) => {
    if (!isId(id)) {
      return Operation.fail(all, Failure.refused("id", "expected a response's id")).pipe(Operation.call(all, name, {}))
    }
    const runner = about(all, id)
    const { path = "", ...rest } = request
    return runner
      .execute((target) => Effect.flatMap(target.send({ ...rest, operation: `responses/${id}${path}` }), decode))
      .pipe(Operation.call(runner, name, { [attributes.responseId]: id }))
  })

/**
 * Asks for a stored response: what has become of one in the background, or what was said before.
 *
 * Goes to the deployment that made it; where this process does not remember, to one deployment of each resource in turn,
 * until one knows it. `NotFound` where none does. Waits as the policy says, and may be sent again.
 *
 * One root span `get_response {model}`.
 *
 * @since 0.1.0
 * @category operations
 * @example
 * ```ts
 * import { Effect, Schedule } from "effect"
 * import type { Responses } from "@spillway/azure-openai"
 * import { AzureOpenAI } from "@spillway/azure-openai"
 *
 * // Asks every 2 seconds until the response is there.
 * export const settled = (id: string) =>
 *   AzureOpenAI.getResponse(id).pipe(
 *     Effect.repeat(
 *       Schedule.recurUntil<Responses.Response>(({ status }) => status !== "queued" && status !== "in_progress").pipe(
 *         Schedule.addDelay(() => "2 seconds")
 *       )
 *     )
 *   )
 * ```
 */
export const getResponse = (
  id: string,
  options?: {
    /** What to send along that is left out otherwise, such as `reasoning.encrypted_content`. */
    readonly include?: ReadonlyArray<string> | undefined
  }
): Effect.Effect<Response, CallError, Deployment> =>
  stored(
    id,
    "get_response",
    { method: "GET", ...(options?.include === undefined ? {} : { query: { include: options.include } }) },
    decode
  )

/**
 * Deletes a stored response. Goes where {@link getResponse} goes. Sent again after a lost reply, it may find the response
 * gone: `NotFound`.
 *
 * @since 0.1.0
 * @category operations
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { AzureOpenAI } from "@spillway/azure-openai"
 *
 * export const forget = (id: string) => Effect.catchTag(AzureOpenAI.deleteResponse(id), "NotFound", () => Effect.void)
 * ```
 */
export const deleteResponse = (id: string): Effect.Effect<void, CallError, Deployment> =>
  Effect.asVoid(stored(id, "delete_response", { method: "DELETE" }, decodeDeleted))

/**
 * Cancels a response in the background, and gives what is there of it. Goes where {@link getResponse} goes.
 *
 * @since 0.1.0
 * @category operations
 * @example
 * ```ts
 * import { AzureOpenAI } from "@spillway/azure-openai"
 *
 * export const stop = (id: string) => AzureOpenAI.cancelResponse(id)
 * ```
 */
export const cancelResponse = (id: string): Effect.Effect<Response, CallError, Deployment> =>
  stored(id, "cancel_response", { method: "POST", path: "/cancel" }, decode)
