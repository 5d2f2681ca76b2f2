/**
 * What the operations of a log add up to: for each path, the effective `put` with the greatest (`at`, id).
 *
 * @module
 */

import { compareText } from './bytes.js'
import type { Value } from './dag-cbor.js'
import { compareNodes, type Node } from './log/graph.js'
import type { Log } from './log/log.js'

/** The `put` that decides a path. */
export interface Winner {
  readonly op: Node
  /** What it set; null where it cleared the path. */
  readonly value: Value
}

/** The map of one log: ask it after every change of the log. */
export class MapState {
  /** Every `put` by path, in order. */
  private readonly puts = new Map<string, Node[]>()
  private taken = 0

  constructor(private readonly log: Log) {}

  /** The value at a path; `undefined` where nothing was set or it was cleared. */
  get(path: string): Value | undefined {
    return this.winner(path)?.value ?? undefined
  }

  /** What decides a path, clearing included. */
  winner(path: string): Winner | undefined {
    this.update()
    const op = this.puts.get(path)?.findLast((put) => put.effective)
    return op?.act?.verb === 'put' ? { op, value: op.act.value } : undefined
  }

  /** What decides each path at and below a prefix, clearing included, in the order of paths. */
  winners(prefix?: string): [path: string, winner: Winner][] {
    this.update()
    const within = (path: string) => prefix === undefined || path === prefix || path.startsWith(`${prefix}/`)
    const paths = [...this.puts.keys()].filter(within).sort(compareText)
    return paths.flatMap((path) => {
      const winner = this.winner(path)
      return winner ? [[path, winner] as [string, Winner]] : []
    })
  }

  /** Every `put` at a path, latest first. */
  history(path: string): Node[] {
    this.update()
    return [...(this.puts.get(path) ?? [])].reverse()
  }

  /** Files a `put` whose body came later. */
  late(node: Node): void {
    if (node.order < this.taken) this.file(node)
  }

  private update(): void {
    const { nodes } = this.log.graph
    for (; this.taken < nodes.length; this.taken++) this.file(nodes[this.taken] as Node)
  }

  private file(node: Node): void {
    if (node.act?.verb !== 'put') return
    const puts = this.puts.get(node.act.path) ?? []
    const at = puts.findLastIndex((other) => compareNodes(other, node) < 0)
    puts.splice(at + 1, 0, node)
    this.puts.set(node.act.path, puts)
  }
}
