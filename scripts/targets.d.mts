export interface Target {
  platform: string
  arch: string
  libc?: 'glibc' | 'musl'
  tools?: string[]
  strip?: string
  zig?: string
}
export const TARGETS: Record<string, Target>
export function hostTarget(): string
export function prebuildFile(name: string): string
export function toolchainFile(name: string): string | undefined
export function missingTools(name: string): string[]
