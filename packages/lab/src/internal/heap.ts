/** A node knows its place in the heap, so that it can leave from the middle. @internal */
export interface Node {
  index: number
}

/**
 * A binary heap: the first is found at once; adding and removing, also from the middle, take O(log n).
 *
 * @internal
 */
export class Heap<T extends Node> {
  private readonly nodes: Array<T> = []

  constructor(private readonly isBefore: (a: T, b: T) => boolean) {}

  get size(): number {
    return this.nodes.length
  }

  get first(): T | undefined {
    return this.nodes[0]
  }

  add(node: T): void {
    this.nodes.push(node)
    this.up(node, this.nodes.length - 1)
  }

  /** Removes a node; does nothing if it is not in the heap. */
  remove(node: T): void {
    const { index } = node
    if (this.nodes[index] !== node) return
    node.index = -1
    const last = this.nodes.pop()
    if (last === undefined || last === node) return
    this.up(last, index)
    if (last.index === index) this.down(last, index)
  }

  private up(node: T, from: number): void {
    let index = from
    while (index > 0) {
      const above = (index - 1) >> 1
      const parent = this.nodes[above]
      if (parent === undefined || !this.isBefore(node, parent)) break
      this.put(parent, index)
      index = above
    }
    this.put(node, index)
  }

  private down(node: T, from: number): void {
    let index = from
    for (;;) {
      const left = this.nodes[2 * index + 1]
      if (left === undefined) break
      const right = this.nodes[2 * index + 2]
      const child = right !== undefined && this.isBefore(right, left) ? right : left
      if (!this.isBefore(child, node)) break
      const next = child.index
      this.put(child, index)
      index = next
    }
    this.put(node, index)
  }

  private put(node: T, index: number): void {
    this.nodes[index] = node
    node.index = index
  }
}
