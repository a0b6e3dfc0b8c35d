import { hash, numbers } from "./hash.js"

const words = (
  "the a this that each one most some water gate level river weir channel flow measure line part share rate hour minute answer " +
  "question reason example order number table value step point result limit rise fall hold open close wait move reach count carry " +
  "follow keep give take show turn bring change because when while after before until between across through over under near " +
  "first second last next small large early late steady clear even full empty simple likely often rarely always then also so and or"
).split(" ")

/** A made-up text, and whether it was cut. */
export interface Answer {
  /** Word by word, each with the space before it. */
  readonly pieces: ReadonlyArray<string>
  readonly cut: boolean
}

/**
 * Makes an answer up from `subject` alone: the same subject gives the same text, and a lower `limit` gives a prefix of it. One word is one token.
 */
export const makeUp = (
  subject: string,
  length: { readonly min: number; readonly max: number },
  limit: number
): Answer => {
  const next = numbers(hash(subject))
  const wanted = length.min + next(length.max - length.min + 1)
  const tokens = Math.min(wanted, limit)
  const pieces: Array<string> = []
  let sentence = 0
  for (let i = 0; i < tokens; i++) {
    const word = words[next(words.length)] ?? "the"
    const ends = next(12) === 0 && sentence > 3
    pieces.push(
      (i === 0 ? "" : " ") +
        (sentence === 0 ? word.charAt(0).toUpperCase() + word.slice(1) : word) +
        (ends || i === wanted - 1 ? "." : "")
    )
    sentence = ends ? 0 : sentence + 1
  }
  return { pieces, cut: tokens < wanted }
}

/** One word, for where a word is all that is wanted. */
export const word = (subject: string): string => words[numbers(hash(subject))(words.length)] ?? "the"
