/**
 * Virtual time: a heap of things that happen at their instant. Nothing sleeps; time is wherever the next event is.
 *
 * @since 0.1.0
 */
import { Heap } from "./internal/heap.js"

/**
 * Something that is to happen.
 *
 * @since 0.1.0
 * @category models
 */
export interface Event {
  /** When, in milliseconds. */
  readonly time: number
}

class Scheduled implements Event {
  index = -1

  constructor(
    readonly time: number,
    readonly serial: number,
    readonly run: () => void
  ) {}
}

const isBefore = (a: Scheduled, b: Scheduled): boolean => a.time < b.time || (a.time === b.time && a.serial < b.serial)

/**
 * A course of events, in milliseconds from 0, fractions kept. What is due at the same instant happens in the order in
 * which it was planned, so a run is the same every time.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import { Timeline } from "@spillway/lab"
 *
 * const timeline = new Timeline.Timeline()
 * timeline.at(40, () => timeline.after(2, () => {}))
 * timeline.run(1000)
 * timeline.now // => 42
 * ```
 */
export class Timeline {
  private readonly events = new Heap<Scheduled>(isBefore)
  private serial = 0
  private time = 0

  /** The instant of the event that happens, or happened last. */
  get now(): number {
    return this.time
  }

  /** When the next event is due; undefined if none is. */
  get next(): number | undefined {
    return this.events.first?.time
  }

  /** Plans an event for an instant; one that has passed counts as now. */
  at(time: number, run: () => void): Event {
    const event = new Scheduled(Math.max(time, this.time), this.serial++, run)
    this.events.add(event)
    return event
  }

  /** Plans an event for so many milliseconds from now. */
  after(delay: number, run: () => void): Event {
    return this.at(this.time + delay, run)
  }

  /** Calls an event off. One that has happened is no matter. */
  cancel(event: Event): void {
    if (event instanceof Scheduled) this.events.remove(event)
  }

  /** Lets the next event happen; false if there is none. */
  step(): boolean {
    const event = this.events.first
    if (event === undefined) return false
    this.events.remove(event)
    this.time = event.time
    event.run()
    return true
  }

  /** Lets at most so many events happen; false when there are no more. */
  run(most: number): boolean {
    for (let left = most; left > 0; left--) if (!this.step()) return false
    return this.next !== undefined
  }
}
