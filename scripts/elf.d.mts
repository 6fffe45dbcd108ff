export interface ElfSymbol {
  name: string
  version?: string
  isDefault: boolean
  defined: boolean
  binding: string
  type: string
  size: number
}
export interface Elf {
  machine: string
  soname?: string
  needed: string[]
  symbols: ElfSymbol[]
}
export function readElf(file: string): Elf
export function compareVersions(a: string, b: string): number
