/** The logistic function, 1 / (1 + exp(-x)): any number to 0 to 1. */
export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x))
}
