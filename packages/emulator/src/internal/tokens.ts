/**
 * Azure's estimate of a text's tokens before it is processed, as measured: a quarter of its characters, rounded down.
 * The emulator takes the estimate for the truth.
 */
export const estimate = (text: string): number => Math.floor(text.length / 4)

/** The estimate for a chat: one more for every message. */
export const estimateMessages = (texts: Iterable<string>): number => {
  let total = 0
  for (const text of texts) total += estimate(text) + 1
  return total
}
