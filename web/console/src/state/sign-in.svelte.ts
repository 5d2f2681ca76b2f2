/** The question for a signature, from wherever it is asked for. */
class SignInDialog {
  isOpen = $state(false)
  /** Cores that the session is to be for, beside those that this device knows of. */
  cores = $state.raw<readonly string[]>([])

  open(cores: readonly string[] = []): void {
    this.cores = cores
    this.isOpen = true
  }

  close(): void {
    this.isOpen = false
  }
}

export const signInDialog = new SignInDialog()
