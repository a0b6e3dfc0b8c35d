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

/** Cuts a text into as many pieces as the estimate says, at least one, and between characters; an empty text into none. */
export const split = (text: string): ReadonlyArray<string> => {
  const characters = Array.from(text)
  const pieces = Math.min(characters.length, Math.max(1, estimate(text)))
  return Array.from({ length: pieces }, (_, index) =>
    characters
      .slice(Math.floor((index * characters.length) / pieces), Math.floor(((index + 1) * characters.length) / pieces))
      .join("")
  )
}

/** What an image costs: its base alone at low detail, else as much as one of 1024 x 1024 pixels. Its pixels are not looked at. */
export const image = (detail: string | null | undefined): number => (detail === "low" ? 85 : 85 + 4 * 170)
