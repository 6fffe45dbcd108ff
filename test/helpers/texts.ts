/** Real text for tests: XQuAD paragraphs in four languages. */
import fs from 'node:fs'
import path from 'node:path'

export interface Paragraph {
  id: string
  text: string
  questions: string[]
}

const cache = new Map<string, Paragraph[]>()

export function paragraphs(language: 'en' | 'de' | 'zh' | 'ar'): Paragraph[] {
  let list = cache.get(language)
  if (!list) {
    const file = path.resolve(import.meta.dirname, `../fixtures/xquad/${language}.json`)
    list = JSON.parse(fs.readFileSync(file, 'utf8')) as Paragraph[]
    cache.set(language, list)
  }
  return list
}

/** `count` paragraphs, languages mixed. */
export function mixedTexts(count: number): string[] {
  const languages = (['en', 'de', 'zh', 'ar'] as const).map(paragraphs)
  return Array.from({ length: count }, (_, i) => {
    const list = languages[i % 4] as Paragraph[]
    return (list[Math.floor(i / 4) % list.length] as Paragraph).text
  })
}
