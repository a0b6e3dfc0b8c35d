// How likely each token was: made up from the token itself, as the answers are.
import { hash, numbers } from "./hash.js"

const entry = (token: string, logprob: number) => ({
  token,
  logprob,
  bytes: Array.from(new TextEncoder().encode(token))
})

/** The likelihood of each token, with the `top` likeliest in its place, itself first. */
export const make = (pieces: ReadonlyArray<string>, top: number): ReadonlyArray<object> =>
  pieces.map((token) => {
    const next = numbers(hash(token))
    // From nearly certain down to one in three or so.
    const logprob = -next(1000) / 1000
    const others = Array.from({ length: Math.max(0, top - 1) }, (_, index) =>
      entry(`${token}${index + 1}`, logprob - 1 - index)
    )
    return { ...entry(token, logprob), top_logprobs: top > 0 ? [entry(token, logprob), ...others] : [] }
  })
