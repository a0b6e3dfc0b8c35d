/**
 * Where a resource is reached, and how its URLs are written.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"

const expected = "expected the URL of an Azure OpenAI resource, such as https://my-resource.openai.azure.com"

/**
 * Reads the base URL of a resource. Trailing slashes and a trailing `/openai` or `/openai/v1`, as some tools want them,
 * are dropped. Left, with what was wrong and what was expected, for anything that is not an http or https URL, for URLs
 * with a user name, a query or a fragment, and for the URL of one operation. The given text is not repeated in the
 * message: it may hold a key.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Endpoint } from "@spillway/azure-openai"
 *
 * Endpoint.parse("https://contoso.openai.azure.com/openai/v1/") // => Either.right(https://contoso.openai.azure.com/)
 * Endpoint.parse("contoso") // => Either.left("not a URL: expected …")
 * ```
 */
export const parse = (input: string | URL): Either.Either<URL, string> => {
  const text = String(input).trim()
  if (text === "") return Either.left(`empty: ${expected}`)
  if (!URL.canParse(text)) return Either.left(`not a URL: ${expected}`)
  const url = new URL(text)
  if (url.protocol !== "https:" && url.protocol !== "http:") return Either.left(`not an http or https URL: ${expected}`)
  if (url.username !== "" || url.password !== "") return Either.left(`holds a user name or password: ${expected}`)
  if (url.search !== "" || url.hash !== "") return Either.left(`holds a query or fragment: ${expected}`)
  if (/\/openai\/(deployments|v1)\/./.test(url.pathname)) return Either.left(`the URL of an operation: ${expected}`)
  url.pathname = url.pathname.replace(/\/+$/, "").replace(/\/openai(\/v1)?$/, "")
  return Either.right(url)
}

/**
 * Reads an endpoint from configuration; a bad one is named by its variable.
 *
 * @since 0.1.0
 * @category config
 * @example
 * ```ts
 * import { Endpoint } from "@spillway/azure-openai"
 *
 * export const endpoint = Endpoint.config("AZURE_OPENAI_ENDPOINT")
 * ```
 */
export const config = (name: string): Config.Config<URL> =>
  Config.string(name).pipe(
    Config.mapOrFail((text) => Either.mapLeft(parse(text), (problem) => ConfigError.InvalidData([], problem)))
  )

// Operations that Azure routes by a deployment in the path, in the dated style. The others name it in the body.
const byPath = /^(chat\/completions|completions|embeddings|audio\/\w+|images\/\w+)$/

const withModel = (name: string, body: string): string =>
  `{"model":${JSON.stringify(name)}${body === "{}" ? "" : ","}${body.slice(1)}`

/**
 * The URL of an operation and the body to send there, out of the text of a JSON object that names no model. Without an API version, the v1 style: the deployment is named in the
 * body. With one, the dated style: the deployment is named in the path, but for the Responses API, which names it in the
 * body there too.
 *
 * Source: Azure OpenAI documentation, "API version lifecycle" and "Responses API", and the REST specification of 2024-10-21.
 *
 * @since 0.1.0
 * @category routing
 * @example
 * ```ts
 * import { Endpoint } from "@spillway/azure-openai"
 *
 * const endpoint = new URL("https://contoso.openai.azure.com")
 *
 * export const v1 = Endpoint.route({ endpoint, deployment: "gpt-4o", apiVersion: undefined }, "chat/completions", "{}")
 * ```
 */
export const route = (
  deployment: {
    readonly endpoint: URL
    readonly deployment: string
    readonly apiVersion: string | undefined
  },
  operation: string,
  body: string | undefined
): { readonly url: string; readonly body: string | undefined } => {
  const named = body === undefined ? undefined : withModel(deployment.deployment, body)
  const base = deployment.endpoint.href.replace(/\/$/, "")
  if (deployment.apiVersion === undefined) return { url: `${base}/openai/v1/${operation}`, body: named }
  const inPath = byPath.test(operation)
  const path = inPath ? `deployments/${encodeURIComponent(deployment.deployment)}/${operation}` : operation
  const url = `${base}/openai/${path}?api-version=${encodeURIComponent(deployment.apiVersion)}`
  return { url, body: inPath ? body : named }
}
