import { connect } from "node:net"

// Only a refusal is certain. No connection in time may mean no more than that a burst keeps this process busy.
const connectTimeoutMs = 2000

const probe = (url: URL): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect(
      Number(url.port || (url.protocol === "https:" ? 443 : 80)),
      url.hostname.replaceAll(/[[\]]/g, "")
    )
    const end = (problem: string | undefined) => {
      socket.destroy()
      resolve(problem)
    }
    socket.setTimeout(connectTimeoutMs, () => end(undefined))
    socket.once("connect", () => end(undefined))
    socket.once("error", (error) => end(error.message))
  })

// How long a collector that could not be reached is left alone.
const restMs = 30_000

/**
 * A collector as the exporters see it. They try one that does not answer again for ten seconds a batch; one that
 * refuses connections is found out before that, and told of once, whatever number of batches is lost.
 *
 * @internal
 */
export class Collector {
  private told = false
  private asked: { readonly at: number; readonly reachable: Promise<boolean> } | undefined

  constructor(
    readonly url: URL,
    private readonly onProblem: (problem: string) => void
  ) {}

  path(signal: "traces" | "metrics"): string {
    const { href } = new URL(`${this.url.pathname.replace(/\/+$/, "")}/v1/${signal}`, this.url)
    return href
  }

  isReachable(): Promise<boolean> {
    const now = Date.now()
    if (this.asked === undefined || now - this.asked.at > restMs) {
      const reachable = probe(this.url).then((problem) => {
        if (problem !== undefined) this.tell("spans and metrics", problem)
        return problem === undefined
      })
      this.asked = { at: now, reachable }
    }
    return this.asked.reachable
  }

  tell(what: string, problem: string): void {
    if (this.told) return
    this.told = true
    this.onProblem(`${what} were not taken by ${this.url.origin}: ${problem}`)
  }
}
