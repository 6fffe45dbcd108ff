export const GLIBC_FLOOR: string
export function symbolProblems(
  file: string,
  options?: { libc?: 'glibc' | 'musl' | undefined; floor?: string },
): string[]
export function glibcNeeded(file: string): string
