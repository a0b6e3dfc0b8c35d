/**
 * A waiting line ordered by `rank`, then by `order`, then by `serial`: a treap whose nodes also hold what is true of the whole subtree, so
 * that the cost ahead of a place, the first place and the next instant at which anybody must be looked at are all found
 * in O(log n). Nodes are the waiting things themselves, so a place costs no further object.
 *
 * Treaps: Aragon and Seidel, "Randomized search trees" (1989).
 *
 * @internal
 */
export class Place {
  /** @internal */ left: this | undefined = undefined
  /** @internal */ right: this | undefined = undefined
  /** @internal */ heap = 0
  /** @internal */ total = 0
  /** @internal */ firstLatest = 0
  /** @internal */ firstReview = 0
  /** When it is to be looked at again. */
  review = 0
  /** Unique in the line. */
  serial = 0

  constructor(
    /** What the line is ordered by. Not to be changed while in a line. */
    public rank: number,
    readonly order: number,
    readonly cost: number,
    /** Not to be changed while in a line. */
    public latest: number
  ) {}
}

type Key = Pick<Place, "rank" | "order" | "serial">

const isBefore = (a: Key, b: Key): boolean =>
  a.rank === b.rank ? (a.order === b.order ? a.serial < b.serial : a.order < b.order) : a.rank < b.rank

/** @internal */
export class Line<P extends Place> {
  size = 0
  private root: P | undefined = undefined
  // Marsaglia's xorshift: the shape of the tree needs randomness, but not a service, and the same run the same shape.
  private seed = 0x9e3779b9

  /** Adds a place. */
  add(place: P): void {
    this.seed ^= this.seed << 13
    this.seed ^= this.seed >>> 17
    this.seed ^= this.seed << 5
    place.heap = this.seed
    place.left = undefined
    place.right = undefined
    settle(place)
    this.root = insert(this.root, place)
    this.size++
  }

  /** Removes a place that is in the line. */
  remove(place: P): void {
    this.root = without(this.root, place)
    place.left = undefined
    place.right = undefined
    this.size--
  }

  /** To be called when `review` of a place in the line has changed. */
  refresh(place: P): void {
    refresh(this.root, place)
  }

  /** The cost of all places before this one, in the line or not. */
  ahead(place: Key): number {
    let sum = 0
    let node = this.root
    while (node !== undefined) {
      if (isBefore(node, place)) {
        sum += (node.left?.total ?? 0) + node.cost
        node = node.right
      } else {
        node = node.left
      }
    }
    return sum
  }

  get first(): P | undefined {
    let node = this.root
    while (node?.left !== undefined) node = node.left
    return node
  }

  get last(): P | undefined {
    let node = this.root
    while (node?.right !== undefined) node = node.right
    return node
  }

  /** The earliest `review` in the line. */
  get firstReview(): number {
    return this.root?.firstReview ?? Infinity
  }

  /** A place whose `latest` lies before `instant`. */
  latestBefore(instant: number): P | undefined {
    let node = this.root
    while (node !== undefined && node.firstLatest < instant) {
      if (node.latest < instant) return node
      node = node.left !== undefined && node.left.firstLatest < instant ? node.left : node.right
    }
    return undefined
  }

  /** A place whose `review` has come. */
  toReview(now: number): P | undefined {
    let node = this.root
    while (node !== undefined && node.firstReview <= now) {
      if (node.review <= now) return node
      node = node.left !== undefined && node.left.firstReview <= now ? node.left : node.right
    }
    return undefined
  }
}

const settle = (node: Place): void => {
  const { left, right } = node
  node.total = node.cost + (left?.total ?? 0) + (right?.total ?? 0)
  node.firstLatest = Math.min(node.latest, left?.firstLatest ?? Infinity, right?.firstLatest ?? Infinity)
  node.firstReview = Math.min(node.review, left?.firstReview ?? Infinity, right?.firstReview ?? Infinity)
}

const insert = <P extends Place>(node: P | undefined, place: P): P => {
  if (node === undefined) return place
  if (isBefore(place, node)) {
    const left = insert(node.left, place)
    node.left = left
    if (left.heap < node.heap) {
      node.left = left.right
      left.right = node
      settle(node)
      settle(left)
      return left
    }
  } else {
    const right = insert(node.right, place)
    node.right = right
    if (right.heap < node.heap) {
      node.right = right.left
      right.left = node
      settle(node)
      settle(right)
      return right
    }
  }
  settle(node)
  return node
}

const merge = <P extends Place>(left: P | undefined, right: P | undefined): P | undefined => {
  if (left === undefined) return right
  if (right === undefined) return left
  if (left.heap < right.heap) {
    left.right = merge(left.right, right)
    settle(left)
    return left
  }
  right.left = merge(left, right.left)
  settle(right)
  return right
}

const without = <P extends Place>(node: P | undefined, place: P): P | undefined => {
  if (node === undefined) return undefined
  if (node === place) return merge(node.left, node.right)
  if (isBefore(place, node)) node.left = without(node.left, place)
  else node.right = without(node.right, place)
  settle(node)
  return node
}

const refresh = (node: Place | undefined, place: Place): void => {
  if (node === undefined) return
  if (node !== place) refresh(isBefore(place, node) ? node.left : node.right, place)
  settle(node)
}
