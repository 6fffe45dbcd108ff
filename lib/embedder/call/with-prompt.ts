/** Texts with a prompt in front; what is no text stays as it is, and is refused later. */
export function withPrompt(texts: readonly unknown[], prompt: string): readonly unknown[] {
  if (prompt === '') return texts
  return Array.from(texts, (text) => (typeof text === 'string' ? prompt + text : text))
}
