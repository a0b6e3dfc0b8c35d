/**
 * JSON Schemas for structured output, derived from Schemas.
 *
 * Source: Azure OpenAI documentation, "Structured outputs", for what its strict mode takes.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as JSONSchema from "effect/JSONSchema"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import { record } from "./internal/serviceError.js"

type Json = Readonly<Record<string, unknown>>

/**
 * A JSON Schema as structured output takes it.
 *
 * @since 0.1.0
 * @category models
 */
export interface StructuredOutput {
  readonly schema: Json
  /** Whether the model can be held to it: strict mode wants every property required and no others allowed, and knows no tuples. */
  readonly strict: boolean
}

// Strict mode refuses these. What they ask for is checked when the answer is decoded.
const unsupported: ReadonlySet<string> = new Set(
  [
    "minLength maxLength pattern format contentMediaType contentSchema",
    "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf",
    "patternProperties unevaluatedProperties propertyNames minProperties maxProperties",
    "unevaluatedItems contains minContains maxContains minItems maxItems uniqueItems",
    "$schema $id $comment title default examples"
  ].flatMap((line) => line.split(" "))
)

const eachValue = (record: Json, f: (value: unknown) => unknown): Json =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value)]))

// The keys of `properties` and `$defs` are names, not keywords.
const clean = (node: unknown): unknown => {
  if (Array.isArray(node)) return node.map(clean)
  if (!Predicate.isRecord(node)) return node
  return Object.fromEntries(
    Object.entries(node)
      .filter(([key]) => !unsupported.has(key))
      .map(([key, value]) => [
        key,
        key === "properties" || key === "$defs"
          ? eachValue(record(value), clean)
          : key === "enum" || key === "const" || key === "required"
            ? value
            : clean(value)
      ])
  )
}

// A reference is a JSON pointer: "/" and "~" in a name are written "~1" and "~0".
const nameIn = (ref: string): string =>
  ref
    .replace(/^#\/\$defs\//, "")
    .replaceAll("~1", "/")
    .replaceAll("~0", "~")

// One kind of items: strict mode knows no tuples.
const isList = ({ additionalItems, items, type }: Json): boolean =>
  type !== "array" || (additionalItems === undefined && Predicate.isRecord(items))

const isStrict = (node: unknown): boolean => {
  if (Array.isArray(node)) return node.every(isStrict)
  if (!Predicate.isRecord(node)) return true
  const { properties, required, type } = record(node)
  const names = Object.keys(record(properties))
  const closed =
    type !== "object" ||
    (record(node)["additionalProperties"] === false &&
      names.every((name) => Array.isArray(required) && required.includes(name)))
  return (
    closed &&
    isList(record(node)) &&
    !("oneOf" in node || "allOf" in node || "not" in node) &&
    Object.entries(node).every(([key, value]) =>
      key === "properties" || key === "$defs" ? Object.values(record(value)).every(isStrict) : isStrict(value)
    )
  )
}

/**
 * Derives a JSON Schema for structured output. Left, with the reason, for Schemas that have none, and for those whose JSON
 * is not an object, because structured output knows nothing else at its root.
 *
 * Lengths, ranges and patterns are left out, because the service refuses them; decoding the answer checks them.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import { StructuredOutput } from "@spillway/azure-openai"
 *
 * const Person = Schema.Struct({ name: Schema.NonEmptyString, age: Schema.NullOr(Schema.Int) })
 *
 * export const output = StructuredOutput.fromSchema(Person)
 * ```
 */
export const fromSchema = <A, I, R>(schema: Schema.Schema<A, I, R>): Either.Either<StructuredOutput, string> =>
  Either.flatMap(
    Either.try({
      try: () => JSONSchema.make(schema) as unknown,
      catch: () => "expected a Schema that has a JSON Schema"
    }),
    (json) => {
      const root = record(clean(json))
      const definitions = record(root["$defs"])
      const ref = root["$ref"]
      // A class is a reference to itself, which the root may not be.
      const named = Predicate.isString(ref) ? record(definitions[nameIn(ref)]) : root
      const object: Json =
        named === root || Object.keys(definitions).length === 0 ? named : { ...named, $defs: definitions }
      return object["type"] === "object"
        ? Either.right({ schema: object, strict: isStrict(object) })
        : Either.left("expected the Schema of an object")
    }
  )

/** Every name of a property in a JSON Schema. @internal */
export const propertyNames = (node: unknown): ReadonlyArray<string> => {
  if (Array.isArray(node)) return node.flatMap(propertyNames)
  if (!Predicate.isRecord(node)) return []
  return [...Object.keys(record(record(node)["properties"])), ...Object.values(node).flatMap(propertyNames)]
}
