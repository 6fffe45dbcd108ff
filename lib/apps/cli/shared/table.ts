/** Columns that line up. */

/**
 * A line per row, two blanks between columns.
 *
 * @param rightAligned indices of columns that end in line, as numbers should
 */
export function table(
  rows: readonly (readonly string[])[],
  rightAligned: readonly number[] = [],
): string {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length)
    })
  }
  return rows
    .map((row) =>
      row.map((cell, i) =>
        rightAligned.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
      ),
    )
    .map((cells) => `${cells.join('  ').trimEnd()}\n`)
    .join('')
}
