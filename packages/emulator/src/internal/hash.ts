// Hashing and the pseudo-random numbers drawn from a hash: what makes a reply a function of its request.

/** FNV-1a over UTF-16 code units, 32 bits. */
export const hash = (text: string): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  }
  return h >>> 0
}

/** Mulberry32: whole numbers below `bound`, one after the other, the same for the same seed. */
export const numbers = (seed: number): ((bound: number) => number) => {
  let state = seed | 0
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000) * bound)
  }
}

const pick = (alphabet: string, length: number, seed: string): string => {
  const next = numbers(hash(seed))
  let text = ""
  for (let i = 0; i < length; i++) text += alphabet.charAt(next(alphabet.length))
  return text
}

/** A GUID (version 4 by its form) that depends on `seed` alone. */
export const guid = (seed: string): string => {
  const hex = pick("0123456789abcdef", 30, seed)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(12, 15)}-a${hex.slice(15, 18)}-${hex.slice(18, 30)}`
}

/** An identifier of letters and digits that depends on `seed` alone. */
export const identifier = (seed: string, length: number): string =>
  pick("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length, seed)
