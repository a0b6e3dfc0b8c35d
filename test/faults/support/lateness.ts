import { existsSync, readFileSync } from "node:fs"

const ofThread = "/proc/thread-self/schedstat"
const ofMachine = "/proc/stat"
const known = existsSync(ofThread) && existsSync(ofMachine)

// What a thread of Linux could have run and did not, because others ran, in nanoseconds: the second number there
// (docs.kernel.org/scheduler/sched-stats.html). What a virtual machine's processors did not get: the eighth of the first
// line, in hundredths of a second (proc_stat(5)).
const lateMs = (): number => {
  const queued = Number(readFileSync(ofThread, "utf8").split(" ")[1])
  const stolen = Number(/^cpu +(?:\d+ ){7}(\d+)/.exec(readFileSync(ofMachine, "utf8"))?.[1])
  return queued / 1e6 + stolen * 10
}

/**
 * How long this thread had something to do and the machine had no time for it, in milliseconds: others use it as well. What
 * the thread itself does for too long is not in it. 0 where the system does not say.
 */
export const measureLateness = (): (() => number) => {
  if (!known) return () => 0
  const before = lateMs()
  return () => lateMs() - before
}
