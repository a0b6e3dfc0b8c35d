import { Effect, Metric } from "effect"
import { setTimeout as sleep } from "node:timers/promises"

const resources = (kind: RegExp): number => process.getActiveResourcesInfo().filter((name) => kind.test(name)).length

/** The sockets of this process, of servers and clients, but for those that a client keeps for its next request. */
export const sockets = (): number => resources(/^TCPSocketWrap$/)

/** The sockets that are still being connected. */
export const connecting = (): number => resources(/ConnectWrap$/)

export const fibers = async (): Promise<number> =>
  Number((await Effect.runPromise(Metric.value(Metric.fiberActive))).count)

/** Whether it comes true within five seconds. */
export const eventually = async (condition: () => boolean): Promise<boolean> => {
  for (let times = 0; times < 500; times++) {
    if (condition()) return true
    await sleep(10)
  }
  return condition()
}
