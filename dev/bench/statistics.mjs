/** The middle one of some figures. */
export function median(values) {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The median of the ratios round by round: what slows a whole round down does not count. */
export function medianRatio(numerators, denominators) {
  return median(numerators.map((value, round) => (value === undefined || !denominators[round] ? undefined : value / denominators[round])));
}

/** The order of one round: each contender is first, second, … equally often. */
export const rotated = (list, round) => list.map((_, index) => list[(index + round) % list.length]);
