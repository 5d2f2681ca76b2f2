/** Where cores stand in the picture of a tree: from left to right by depth, each among its children. */

/** A core and what lies in it. */
export interface Branch {
  readonly name: string
  readonly core: string
  readonly title?: string | undefined
  /** Marks of its door. */
  readonly marks: readonly string[]
  readonly parts: readonly Branch[]
}

export interface Placed {
  readonly branch: Branch
  readonly x: number
  readonly y: number
  readonly parent?: Placed
}

export interface Picture {
  readonly nodes: readonly Placed[]
  readonly width: number
  readonly height: number
}

export const COLUMN = 210
export const ROW = 64
export const BOX = { width: 168, height: 44 } as const

export function layout(root: Branch): Picture {
  const nodes: Placed[] = []
  let row = 0
  const place = (branch: Branch, depth: number, parent?: { y: number }): { y: number } => {
    const at = { branch, x: depth * COLUMN, y: 0, ...(parent && { parent }) } as Placed & { y: number }
    nodes.push(at)
    const below = branch.parts.map((part) => place(part, depth + 1, at).y)
    const [first, last] = [below[0], below.at(-1)]
    at.y = first === undefined || last === undefined ? row++ * ROW : (first + last) / 2
    return at
  }
  place(root, 0)
  const deepest = Math.max(...nodes.map(({ x }) => x))
  return { nodes, width: deepest + BOX.width, height: Math.max(row, 1) * ROW - (ROW - BOX.height) }
}
