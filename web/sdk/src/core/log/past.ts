/**
 * A set of small numbers that never changes: which authority operations lie in a node's past. Operations that follow one
 * another share one set; an authority operation copies it.
 *
 * @module
 */
export class Past {
  static readonly empty = new Past(new Uint32Array(0))

  private constructor(private readonly words: Uint32Array) {}

  /** Whether a number is in it. */
  has(n: number): boolean {
    return (((this.words[n >>> 5] ?? 0) >>> (n & 31)) & 1) === 1
  }

  /** The set with one more number. */
  with(n: number): Past {
    const words = new Uint32Array(Math.max(this.words.length, (n >>> 5) + 1))
    words.set(this.words)
    words[n >>> 5] = (words[n >>> 5] as number) | (1 << (n & 31))
    return new Past(words)
  }

  /** Everything in either. */
  union(other: Past): Past {
    if (this.holds(other)) return this
    if (other.holds(this)) return other
    const length = Math.max(this.words.length, other.words.length)
    return new Past(Uint32Array.from({ length }, (_, i) => (this.words[i] ?? 0) | (other.words[i] ?? 0)))
  }

  /** What is in both. */
  meet(other: Past): Past {
    const length = Math.min(this.words.length, other.words.length)
    return new Past(Uint32Array.from({ length }, (_, i) => (this.words[i] ?? 0) & (other.words[i] ?? 0)))
  }

  private holds(other: Past): boolean {
    return this === other || other.words.every((word, i) => (word & ~(this.words[i] ?? 0)) === 0)
  }
}
