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
export const idOf = printable(/^[\w-]+$/)

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

/** @internal */
export const fromBody = (body: string): ServiceError =>
  fromJson(Either.getOrElse(parseJson(body), (): unknown => undefined))
