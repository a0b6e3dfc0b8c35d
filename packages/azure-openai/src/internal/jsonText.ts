// Where the text of a JSON string ends that begins at `start`.
const endOfString = (text: string, start: number): number => {
  for (let from = start + 1; ;) {
    const quote = text.indexOf('"', from)
    let escape = quote
    while (text.charCodeAt(escape - 1) === 92) escape--
    if ((quote - escape) % 2 === 0) return quote + 1
    from = quote + 1
  }
}

const mark = /["[\]{},]/g

/**
 * The text of a JSON object without its members of this name, and with everything else as it was written: numbers that no
 * number here can hold, too. `text` must be that of an object.
 *
 * @internal
 */
export const withoutMember = (text: string, name: string): string => {
  const begin = text.indexOf("{")
  const members: Array<string> = []
  let depth = 0
  let start = begin + 1
  mark.lastIndex = begin
  for (let found = mark.exec(text); found !== null; found = mark.exec(text)) {
    const sign = found[0]
    if (sign === '"') {
      mark.lastIndex = endOfString(text, found.index)
      continue
    }
    if (sign === "{" || sign === "[") depth++
    if (sign === "}" || sign === "]") depth--
    if (depth === 0 || (depth === 1 && sign === ",")) {
      const member = text.slice(start, found.index).trim()
      start = found.index + 1
      if (member !== "" && JSON.parse(member.slice(0, endOfString(member, 0))) !== name) members.push(member)
    }
    if (depth === 0) break
  }
  return `{${members.join(",")}}`
}
