import * as Option from "effect/Option"

/** Something the service can be asked to do. */
export interface Operation {
  /** Its path, below the deployment or below `/openai/v1`. */
  readonly path: string
  /** Its name in rate-limit texts. */
  readonly id: string
  /** Its name where a model does not serve it. */
  readonly label: string
}

export const chatCompletions: Operation = {
  path: "chat/completions",
  id: "ChatCompletions_Create",
  label: "chatCompletion"
}

const operations: ReadonlyArray<Operation> = [chatCompletions]

/** A route that exists. Under v1 the deployment is in the body. */
export interface Route {
  readonly style: "dated" | "v1"
  readonly operation: Operation
  readonly deployment: string | undefined
}

/** What a URL says, whether or not it is a route. */
export interface Address {
  readonly path: string
  readonly apiVersion: string | undefined
  readonly deployment: string | undefined
}

const decodeSegment = Option.liftThrowable(decodeURIComponent)

const dated = /^\/openai\/deployments\/([^/]+)\/(.+)$/
const v1 = /^\/openai\/v1\/(.+)$/
const apiVersionForm = /^\d{4}-\d{2}-\d{2}(-preview)?$/

export const address = (url: string): Address => {
  const query = url.indexOf("?")
  const path = query === -1 ? url : url.slice(0, query)
  const segment = dated.exec(path)?.[1]
  return {
    path,
    apiVersion: query === -1 ? undefined : (new URLSearchParams(url.slice(query)).get("api-version") ?? undefined),
    deployment: segment === undefined ? undefined : Option.getOrUndefined(decodeSegment(segment))
  }
}

/** The route of a request, if there is one: a dated URL needs an api-version, v1 does not. */
export const match = (method: string, { apiVersion, deployment, path }: Address): Route | undefined => {
  if (method !== "POST") return undefined
  const underDeployment = dated.exec(path)?.[2]
  const style = underDeployment === undefined ? "v1" : "dated"
  const name = underDeployment ?? v1.exec(path)?.[1]
  const operation = operations.find((candidate) => candidate.path === name)
  if (operation === undefined) return undefined
  if (style === "v1") return { style, operation, deployment: undefined }
  if (deployment === undefined || apiVersion === undefined || !apiVersionForm.test(apiVersion)) return undefined
  return { style, operation, deployment }
}
