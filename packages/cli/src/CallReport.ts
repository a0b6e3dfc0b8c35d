/** How a call went, told to a person. */
import type { CallError, StreamBroken } from "@spillway/azure-openai"
import type { Attempt, Call } from "@spillway/core"
import * as Redacted from "effect/Redacted"
import { stripVTControlCharacters } from "node:util"
import type { Style } from "./Style.js"

/** Milliseconds as they are shown: `1234 ms`. */
export const millis = (ms: number): string => `${Math.round(ms)} ms`

const how: Record<Call.Outcome, string> = {
  served: "at once",
  served_after_wait: "after a wait",
  fallback: "in place of the PTU deployment"
}

const result = (attempt: Attempt.Attempt): string => String(attempt.status ?? attempt.outcome)

/** Who answered and why, in one line. */
export const served = ({ attempts, deployment, outcome, servedBy, totalMs, waitedMs }: Call.Served): string => {
  const facts = [
    attempts.length === 1 ? "1 attempt" : `${attempts.length} attempts (${attempts.map(result).join(", ")})`,
    waitedMs === 0 ? "no wait" : `${millis(waitedMs)} of waiting`,
    `${millis(totalMs)} in total`
  ]
  return `${deployment} (${servedBy}) answered ${how[outcome]}: ${facts.join(", ")}`
}

// The service's words are shown because the prompt is the reader's own; a key it may repeat is not, nor what would steer the terminal.
const quote = (detail: string, secrets: ReadonlyArray<Redacted.Redacted>): string => {
  const text = stripVTControlCharacters(detail).replaceAll(/\s+/g, " ").trim()
  const clean = secrets.reduce((text, secret) => text.replaceAll(Redacted.value(secret), "<key>"), text)
  return clean.length > 600 ? `${clean.slice(0, 600)}…` : clean
}

const attemptLines = (attempts: ReadonlyArray<Attempt.Attempt>): ReadonlyArray<string> => {
  const rows = attempts.map((attempt) => ({
    who: `${attempt.deployment} (${attempt.kind})`,
    what: attempt.status === undefined ? attempt.outcome : `${attempt.status} ${attempt.outcome}`,
    took: millis(attempt.durationMs),
    hint: attempt.retryAfterMs === undefined ? "" : `retry after ${millis(attempt.retryAfterMs)}`
  }))
  const width = (column: keyof (typeof rows)[number]) => Math.max(0, ...rows.map((row) => row[column].length))
  const [who, what, took] = [width("who"), width("what"), width("took")]
  return rows.map((row, index) =>
    `  ${index + 1}. ${row.who.padEnd(who)}  ${row.what.padEnd(what)}  ${row.took.padStart(took)}  ${row.hint}`.trimEnd()
  )
}

const advice = (error: CallError.CallError | StreamBroken.StreamBroken): ReadonlyArray<string> => {
  switch (error._tag) {
    case "Unavailable":
      return error.reason === "server" || error.reason === "timeout"
        ? []
        : [
            "  Is AZURE_OPENAI_ENDPOINT (or OPENAI_API_BASE) the URL of an Azure OpenAI resource that can be reached from here?"
          ]
    case "NotFound":
      return ["  Check AZURE_OPENAI_ENDPOINT, PTU_DEPLOYMENT, STANDARD_DEPLOYMENT and AZURE_OPENAI_API_VERSION."]
    default:
      return []
  }
}

/** Why there is no answer: the error's tag first, then what it says, what the service said, and every attempt. */
export const failed = (
  error: CallError.CallError | StreamBroken.StreamBroken,
  secrets: ReadonlyArray<Redacted.Redacted>,
  style: Style
): string =>
  [
    `${style.red(error._tag)}: ${error.message}`,
    ...(error.detail === undefined ? [] : [`  The service says: ${quote(Redacted.value(error.detail), secrets)}`]),
    ...advice(error),
    ...(error.attempts.length > 1 ? [`  ${error.attempts.length} attempts:`, ...attemptLines(error.attempts)] : [])
  ].join("\n")
