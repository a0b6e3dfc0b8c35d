/** How long a throttled caller is told to wait. */
export interface Hint {
  readonly retryAfterMs?: number | undefined
  readonly retryAfter?: string | number | undefined
}

/** Whole seconds, rounded up. */
export const seconds = (ms: number): number => Math.ceil(ms / 1000)

/** The headers that say so. */
export const headers = (hint: Hint): Record<string, string> => ({
  ...(hint.retryAfterMs === undefined
    ? {}
    : { "retry-after-ms": String(hint.retryAfterMs), "retry-after": String(seconds(hint.retryAfterMs)) }),
  ...(hint.retryAfter === undefined ? {} : { "retry-after": String(hint.retryAfter) })
})
