import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"

// What may be printed of a reply: names in the forms that services give them, and nothing that could be a key or a sentence.
const printable =
  (form: RegExp) =>
  (value: unknown): string | undefined => {
    const text = Predicate.isNumber(value) ? String(value) : value
    return Predicate.isString(text) && text.length <= 100 && form.test(text) ? text : undefined
  }

/** @internal */
export const codeOf = printable(/^[A-Za-z_]*\d{0,3}$/)

const paramOf = printable(/^[a-z_]+(\[\d+\])*(\.[a-z_]+(\[\d+\])*)*$/)

/** @internal */
// A GUID, or OpenAI's own form: whatever else a proxy may put there is not repeated.
export const idOf = printable(/^([\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}|req_[\da-z]{1,64})$/i)

/** The service's id for a request: `apim-request-id`, else `x-request-id`. @internal */
export const requestIdOf = (headers: Readonly<Record<string, string | undefined>>): string | undefined =>
  idOf(headers["apim-request-id"]) ?? idOf(headers["x-request-id"])

/** The name of a model, the id of an answer. @internal */
export const labelOf = printable(/^[\w.:-]+$/)

/** @internal */
export const record = (value: unknown): Readonly<Record<string, unknown>> =>
  Predicate.isRecord(value) ? (value as Readonly<Record<string, unknown>>) : {}

/** @internal */
export const parseJson = (text: string): Either.Either<unknown, unknown> =>
  // Some clients leave the mark of UTF-8 in place.
  Either.try(() => JSON.parse(text.startsWith("\uFEFF") ? text.slice(1) : text) as unknown)

/** @internal */
export interface ServiceError {
  readonly code: string | undefined
  readonly type: string | undefined
  readonly param: string | undefined
  readonly message: string | undefined
  readonly innerCode: string | undefined
  readonly categories: ReadonlyArray<string>
}

/**
 * Three envelopes occur: {"error":{…}}, flat with `statusCode` (gateway), flat with `code` (catalogue models); and two
 * spellings of the inner error.
 *
 * @internal
 */
export const fromJson = (json: unknown): ServiceError => {
  const root = record(json)
  const error = Predicate.isRecord(root["error"]) ? record(root["error"]) : root
  const inner = record(error["innererror"] ?? error["inner_error"])
  const results = record(inner["content_filter_result"] ?? inner["content_filter_results"])
  // Gateways write the whole error as one string, too.
  const message = Predicate.isString(root["error"]) ? root["error"] : error["message"]
  return {
    code: codeOf(error["code"] ?? root["statusCode"]),
    type: codeOf(error["type"]),
    param: paramOf(error["param"]),
    message: Predicate.isString(message) ? message : undefined,
    innerCode: codeOf(inner["code"]),
    categories: Object.entries(results)
      .filter(([, result]) => record(result)["filtered"] === true || record(result)["detected"] === true)
      .flatMap(([category]) => codeOf(category) ?? [])
  }
}

/** Whether an event of a stream is an error, as the SDKs tell: by anything in its `error`, or by its gateway's status. @internal */
export const holdsError = (json: unknown): boolean => {
  const { error, statusCode } = record(json)
  return Boolean(error) || Predicate.isNumber(statusCode)
}

/** @internal */
export const fromBody = (body: string): ServiceError =>
  fromJson(Either.getOrElse(parseJson(body), (): unknown => undefined))
