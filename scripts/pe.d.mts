export function readPe(file: string): { machine: string; imports: string[]; delayed: string[] }
export function importProblems(file: string): string[]
