/** What many rounds come to. */
import * as Arr from "effect/Array"
import * as Order from "effect/Order"

export type Values = Arr.NonEmptyReadonlyArray<number>

/** The value below which a share of all lies, by linear interpolation between the two nearest. `share` is 0 to 1. */
export const quantile = (values: Values, share: number): number => {
  const sorted = Arr.sort(values, Order.number)
  const at = share * (sorted.length - 1)
  const below = sorted[Math.floor(at)] ?? Number.NaN
  const above = sorted[Math.ceil(at)] ?? Number.NaN
  return below + (above - below) * (at - Math.floor(at))
}

export const median = (values: Values): number => quantile(values, 0.5)

/** The middle half: what lies between the first and the third quartile. */
export const middle = (values: Values): readonly [low: number, high: number] => [
  quantile(values, 0.25),
  quantile(values, 0.75)
]
