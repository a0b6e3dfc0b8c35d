/** How long this process's event loop stood still, in all, by a timer that rings every 10 ms: others use the machine as well. */
export const measureLateness = (): (() => number) => {
  let late = 0
  let due = performance.now() + 10
  const timer = setInterval(() => {
    const now = performance.now()
    late += Math.max(0, now - due - 2)
    due = now + 10
  }, 10)
  return () => {
    clearInterval(timer)
    return late + Math.max(0, performance.now() - due)
  }
}
