// The least JSON that a JSON Schema allows, for answers that must fit one.
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"

type Keywords = Readonly<Record<PropertyKey, unknown>>

const isKeywords = Predicate.isReadonlyRecord

const formats: Readonly<Record<string, string>> = {
  date: "2026-01-01",
  "date-time": "2026-01-01T00:00:00Z",
  duration: "P1D",
  email: "someone@example.com",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  time: "00:00:00Z",
  uri: "https://example.com",
  uuid: "00000000-0000-4000-8000-000000000000"
}

const number = (schema: Keywords, key: string): number | undefined => {
  const value = schema[key]
  return Predicate.isNumber(value) ? value : undefined
}

const string = (schema: Keywords, word: string): string => {
  const format = Predicate.isString(schema["format"]) ? formats[schema["format"]] : undefined
  if (format !== undefined) return format
  return word.padEnd(number(schema, "minLength") ?? 0, word).slice(0, number(schema, "maxLength"))
}

const numeric = (schema: Keywords, integer: boolean): number => {
  const step = number(schema, "multipleOf") ?? (integer ? 1 : 0)
  const above = number(schema, "exclusiveMinimum")
  const below = number(schema, "exclusiveMaximum")
  const low = Math.max(
    number(schema, "minimum") ?? Number.NEGATIVE_INFINITY,
    above === undefined ? Number.NEGATIVE_INFINITY : above + (step || Number.EPSILON * Math.max(1, Math.abs(above)))
  )
  const high = Math.min(
    number(schema, "maximum") ?? Number.POSITIVE_INFINITY,
    below === undefined ? Number.POSITIVE_INFINITY : below - (step || Number.EPSILON * Math.max(1, Math.abs(below)))
  )
  const nearest = Math.min(Math.max(0, low), high)
  if (step === 0) return nearest
  return nearest < 0 ? Math.floor(nearest / step) * step || 0 : Math.ceil(nearest / step) * step
}

/** What `#/a/b` points to. */
const resolve = (root: unknown, reference: string): unknown =>
  reference
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<unknown>((at, part) => (isKeywords(at) ? at[part] : undefined), root)

const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

/**
 * The least value of a schema; none where there is no end to it. Strings are `word`, or what their format wants; a pattern is not heeded. Of several
 * possibilities the first that ends is taken; optional properties are left out.
 */
export const make = (root: unknown, word: string): Option.Option<unknown> => {
  const instance = (schema: unknown, inside: ReadonlyArray<string>): Option.Option<unknown> => {
    if (!isKeywords(schema)) return Option.some(null)
    const { $ref: reference, allOf: _, ...rest } = schema
    if (Predicate.isString(reference)) {
      if (inside.includes(reference)) return Option.none()
      const target = resolve(root, reference)
      return instance(merge([rest, ...(isKeywords(target) ? [target] : []), ...parts(schema)]), [...inside, reference])
    }
    if (parts(schema).length > 0) return instance(merge([rest, ...parts(schema)]), inside)
    if ("const" in schema) return Option.some(schema["const"])
    const [first] = list(schema["enum"])
    if (first !== undefined) return Option.some(first)
    const alternatives = [...list(schema["anyOf"]), ...list(schema["oneOf"])]
    if (alternatives.length > 0) {
      return Option.firstSomeOf(alternatives.map((alternative) => instance(alternative, inside)))
    }
    const type = schema["type"] ?? (isKeywords(schema["properties"]) ? "object" : "null")
    return Option.firstSomeOf((Array.isArray(type) ? type : [type]).map((name) => ofType(name, schema, inside)))
  }

  const ofType = (type: unknown, schema: Keywords, inside: ReadonlyArray<string>): Option.Option<unknown> => {
    switch (type) {
      case "object": {
        const properties = isKeywords(schema["properties"]) ? schema["properties"] : {}
        const required = list(schema["required"]).filter(Predicate.isString)
        return Option.map(Option.all(required.map((name) => instance(properties[name], inside))), (values): unknown =>
          Object.fromEntries(required.map((name, index) => [name, values[index]]))
        )
      }
      case "array":
        return Option.all(
          Array.from({ length: number(schema, "minItems") ?? 0 }, () => instance(schema["items"], inside))
        )
      case "string":
        return Option.some(string(schema, word))
      case "integer":
        return Option.some(numeric(schema, true))
      case "number":
        return Option.some(numeric(schema, false))
      case "boolean":
        return Option.some(false)
      default:
        return Option.some(null)
    }
  }

  return instance(root, ["#"])
}

const parts = (schema: Keywords): ReadonlyArray<Keywords> => list(schema["allOf"]).filter(isKeywords)

const merge = (schemas: ReadonlyArray<Keywords>): Keywords => {
  const merged: Record<PropertyKey, unknown> = Object.assign({}, ...schemas)
  return {
    ...merged,
    properties: Object.assign({}, ...schemas.map((schema) => schema["properties"])),
    required: schemas.flatMap((schema) => list(schema["required"]))
  }
}
