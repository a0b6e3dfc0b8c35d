import * as Wire from "../Wire.js"

/** An error in the envelope that nearly all of Azure's errors come in. */
export const error = (
  status: number,
  fields: { readonly code: string | null; readonly message: string; readonly [key: string]: unknown },
  headers?: Readonly<Record<string, string>>
): Wire.Reply => Wire.json(status, { error: fields }, headers)

/** A 400 of the model. */
export const invalidRequest = (message: string, param: string | null, code: string | null): Wire.Reply =>
  error(
    400,
    { message, type: "invalid_request_error", param, code },
    { "ms-azureml-model-error-reason": "model_error", "ms-azureml-model-error-statuscode": "400" }
  )
