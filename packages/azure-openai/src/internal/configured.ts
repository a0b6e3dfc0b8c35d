import * as Config from "effect/Config"
import * as Predicate from "effect/Predicate"

// A record of plain data, and not a service, a Layer or a Redacted: those have symbols among their keys.
type IsRecord<A> = [A] extends [object]
  ? [keyof A] extends [never]
    ? false
    : [keyof A] extends [string]
      ? true
      : false
  : false

// Public, in the options of layers: a value, or where it is read from; of a record, also of each of its fields.
export type Configured<A> =
  | A
  | Config.Config<A>
  | (IsRecord<NonNullable<A>> extends true ? Fields<NonNullable<A>> : never)

export type Fields<A> = { readonly [K in keyof A]: Configured<A[K]> }

const isPlain = (value: unknown): value is Record<string, unknown> =>
  Predicate.isRecord(value) && Object.getPrototypeOf(value) === Object.prototype

const readAny = (value: unknown): Config.Config<unknown> => {
  if (Config.isConfig(value)) return value
  return isPlain(value)
    ? Config.all(Object.fromEntries(Object.entries(value).map(([key, field]) => [key, readAny(field)])))
    : Config.succeed(value)
}

/** Reads what is to be read, and keeps the rest. @internal */
export const read = <A extends object>(options: Fields<A>): Config.Config<A> =>
  // Each field is an `A[K]` or read to one, which the types of Config.all cannot say of a record that is mapped.
  readAny(options) as Config.Config<A>
