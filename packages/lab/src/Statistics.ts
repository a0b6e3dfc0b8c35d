/**
 * The little statistics the lab needs.
 *
 * @since 0.1.0
 */

/**
 * The value below which a share of the sorted values lies (nearest rank); 0 of nothing.
 *
 * @since 0.1.0
 * @category statistics
 * @example
 * ```ts
 * import { Statistics } from "@spillway/lab"
 *
 * Statistics.percentile([1, 2, 3, 4], 0.5) // => 2
 * ```
 */
export const percentile = (sorted: ArrayLike<number>, share: number): number =>
  sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0

/**
 * The mean; 0 of nothing.
 *
 * @since 0.1.0
 * @category statistics
 * @example
 * ```ts
 * import { Statistics } from "@spillway/lab"
 *
 * Statistics.mean([1, 2, 6]) // => 3
 * ```
 */
export const mean = (values: ReadonlyArray<number>): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length

// Two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom.
const quantiles = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042
]

/**
 * Half the width of the 95 % confidence interval of the mean, by Student's t; undefined for fewer than two values. Over
 * differences between pairs it is the interval of the paired difference.
 *
 * @since 0.1.0
 * @category statistics
 * @example
 * ```ts
 * import { Statistics } from "@spillway/lab"
 *
 * Statistics.halfInterval([1, 2, 3]) // => 2.48
 * Statistics.halfInterval([1]) // => undefined
 * ```
 */
export const halfInterval = (values: ReadonlyArray<number>): number | undefined => {
  const freedom = values.length - 1
  if (freedom < 1) return undefined
  const centre = mean(values)
  const variance = values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / freedom
  // Beyond 30 the quantile approaches the normal's from above; Cornish and Fisher's first terms are exact enough.
  const quantile = quantiles[freedom - 1] ?? 1.96 + 2.4 / freedom
  return quantile * Math.sqrt(variance / values.length)
}
