/** Colours for one output stream: on a terminal only, and not where NO_COLOR asks for none (no-color.org). */
import picocolors from "picocolors"

/** Functions that colour a text, or leave it as it is. */
export type Style = ReturnType<typeof picocolors.createColors>

/** No colours. */
export const plain: Style = picocolors.createColors(false)

const wantsColour = (stream: NodeJS.WriteStream): boolean =>
  stream.isTTY && (process.env["NO_COLOR"] ?? "") === "" && process.env["TERM"] !== "dumb"

export const stdout: Style = picocolors.createColors(wantsColour(process.stdout))

export const stderr: Style = picocolors.createColors(wantsColour(process.stderr))
