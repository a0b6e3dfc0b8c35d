/** The deployments a call goes through: PTU within the wait budget, Standard beyond it. */
import { Deployment } from "@spillway/azure-openai"
import { RetryAfter } from "@spillway/core"
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import type * as Layer from "effect/Layer"
import type { Resource, Settings } from "./Environment.js"

/** The deployment that answers every call, made from what the environment says. */
export const layer = (
  settings: Omit<Settings, "resource">,
  resource: Resource
): Layer.Layer<Deployment.Deployment, ConfigError.ConfigError, HttpClient.HttpClient> => {
  const { apiVersion } = resource
  const Standard = Deployment.standard({
    deployment: settings.standardDeployment,
    endpoint: resource.standardEndpoint,
    apiKey: resource.standardApiKey,
    apiVersion
  })
  return Deployment.provisioned({
    deployment: settings.ptuDeployment,
    endpoint: resource.endpoint,
    apiKey: resource.apiKey,
    apiVersion
  }).pipe(
    Deployment.retry(RetryAfter.within(settings.maxWait)),
    Deployment.orElse(Standard.pipe(Deployment.retry(RetryAfter.retries(settings.maxRetries))))
  )
}
