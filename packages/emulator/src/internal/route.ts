import * as Option from "effect/Option"

/** What a request wants of a model, or of what a model has made. */
export type Name = "chat" | "embeddings" | "responses" | "get" | "cancel" | "delete" | "inputItems"

/** Something the service can be asked to do. */
export interface Operation {
  readonly name: Name
  readonly method: "POST" | "GET" | "DELETE"
  /** Its path, below the deployment, below `/openai` or below `/openai/v1`. A group in it is the id of a stored response. */
  readonly path: RegExp
  /** Its name in rate-limit texts. */
  readonly id: string
  /** Its name where a model does not serve it. */
  readonly label: string
  /** Where its deployment is named in the dated style. Under v1 it is in the body, or follows from the stored response. */
  readonly under: "deployment" | "resource"
  /** The first dated version that has it. */
  readonly since: string
}

const onResponses = { under: "resource", since: "2025-03-01", label: "responses" } as const
const operations: ReadonlyArray<Operation> = [
  {
    name: "chat",
    method: "POST",
    path: /^chat\/completions$/,
    id: "ChatCompletions_Create",
    label: "chatCompletion",
    under: "deployment",
    since: "2022-12-01"
  },
  {
    name: "embeddings",
    method: "POST",
    path: /^embeddings$/,
    id: "Embeddings_Create",
    label: "embeddings",
    under: "deployment",
    since: "2022-12-01"
  },
  { ...onResponses, name: "responses", method: "POST", path: /^responses$/, id: "Responses_Create" },
  { ...onResponses, name: "get", method: "GET", path: /^responses\/([^/]+)$/, id: "Responses_Get" },
  { ...onResponses, name: "delete", method: "DELETE", path: /^responses\/([^/]+)$/, id: "Responses_Delete" },
  { ...onResponses, name: "cancel", method: "POST", path: /^responses\/([^/]+)\/cancel$/, id: "Responses_Cancel" },
  {
    ...onResponses,
    name: "inputItems",
    method: "GET",
    path: /^responses\/([^/]+)\/input_items$/,
    id: "Responses_ListInputItems"
  }
]

/** A route that exists. */
export interface Route {
  readonly style: "dated" | "v1"
  readonly operation: Operation
  /** The stored response it is about. */
  readonly responseId: string | undefined
}

/** What a URL says, whether or not it is a route. */
export interface Address {
  readonly path: string
  readonly query: URLSearchParams
  readonly apiVersion: string | undefined
  /** The deployment in the path. */
  readonly deployment: string | undefined
}

const decodeSegment = Option.liftThrowable(decodeURIComponent)

const base = /^\/openai\/(?:(v1)\/|deployments\/([^/]+)\/)?(.+)$/
const apiVersionForm = /^\d{4}-\d{2}-\d{2}(-preview)?$/

export const address = (url: string): Address => {
  const mark = url.indexOf("?")
  const path = mark === -1 ? url : url.slice(0, mark)
  const query = new URLSearchParams(mark === -1 ? "" : url.slice(mark))
  const segment = base.exec(path)?.[2]
  return {
    path,
    query,
    apiVersion: query.get("api-version") ?? undefined,
    deployment: segment === undefined ? undefined : Option.getOrUndefined(decodeSegment(segment))
  }
}

/** The route of a request, if there is one: a dated URL needs an api-version that has the operation, v1 does not. */
export const match = (method: string, { apiVersion, deployment, path }: Address): Route | undefined => {
  const [, v1, segment, rest] = base.exec(path) ?? []
  if (rest === undefined) return undefined
  const operation = operations.find((candidate) => candidate.method === method && candidate.path.test(rest))
  if (operation === undefined) return undefined
  const responseId = operation.path.exec(rest)?.[1]
  if (v1 !== undefined) return { style: "v1", operation, responseId }
  if ((segment === undefined) !== (operation.under === "resource")) return undefined
  if (segment !== undefined && deployment === undefined) return undefined
  if (apiVersion === undefined || !apiVersionForm.test(apiVersion) || apiVersion < operation.since) return undefined
  return { style: "dated", operation, responseId }
}
