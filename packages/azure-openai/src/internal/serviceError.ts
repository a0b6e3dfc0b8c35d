import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"

/** A name that a service gives to things, short and without spaces: safe to print, unlike its sentences. @internal */
export const name = (value: unknown): string | undefined => {
  const text = Predicate.isNumber(value) ? String(value) : value
  return Predicate.isString(text) && /^[\w.[\]-]{1,100}$/.test(text) ? text : undefined
}

/** @internal */
export const record = (value: unknown): Readonly<Record<string, unknown>> =>
  Predicate.isRecord(value) ? (value as Readonly<Record<string, unknown>>) : {}

/** @internal */
export const parseJson = (text: string): Either.Either<unknown, unknown> =>
  Either.try(() => JSON.parse(text) as unknown)

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
  const message = error["message"]
  return {
    code: name(error["code"] ?? root["statusCode"]),
    type: name(error["type"]),
    param: name(error["param"]),
    message: Predicate.isString(message) ? message : undefined,
    innerCode: name(inner["code"]),
    categories: Object.entries(results)
      .filter(([, result]) => record(result)["filtered"] === true || record(result)["detected"] === true)
      .flatMap(([category]) => name(category) ?? [])
  }
}

/** @internal */
export const fromBody = (body: string): ServiceError =>
  fromJson(Either.getOrElse(parseJson(body), (): unknown => undefined))
