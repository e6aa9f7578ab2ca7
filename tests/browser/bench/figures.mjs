// Figures as they are printed.

/** The value below which that part of the values lies. */
export function quantile(values, part) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

/** How values spread, in a unit. */
export const spread = (values, unit = "ms") =>
  [["p50", 0.5], ["p95", 0.95], ["p99", 0.99], ["max", 1]].map(([name, part]) => `${name} ${quantile(values, part).toFixed(1)}`).join(", ") + ` ${unit} (${values.length})`;

/** The time, the same in this process and in a page of the same machine. */
export const now = () => performance.timeOrigin + performance.now();
