/** Something to tell in passing. */
export interface Toast {
  readonly id: number
  readonly text: string
}

const SHOWN_MS = 6_000

/** Short notices that go away by themselves. What needs an answer, or went wrong, is said where it happened instead. */
class Toasts {
  all = $state<readonly Toast[]>([])
  #last = 0

  tell(text: string): void {
    const toast = { id: ++this.#last, text }
    this.all = [...this.all, toast]
    setTimeout(() => this.dismiss(toast.id), SHOWN_MS)
  }

  dismiss(id: number): void {
    this.all = this.all.filter((toast) => toast.id !== id)
  }
}

export const toasts = new Toasts()
