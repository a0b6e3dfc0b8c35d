/** Imports the modules it is told, one after the other, in a process that has loaded nothing else, and says how long each took. */
const times: Array<number> = []
for (const specifier of process.argv.slice(2)) {
  const began = performance.now()
  await import(specifier)
  times.push(performance.now() - began)
}
process.send?.(times)
process.disconnect()
