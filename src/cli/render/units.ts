/** Numbers as people read them. */

export function bytes(value: number | null): string {
  if (value === null) return '-';
  const mib = value / 1024 / 1024;
  if (mib < 0.1) return `${(value / 1024).toFixed(1)} KiB`;
  return mib >= 1024 ? `${(mib / 1024).toFixed(1)} GiB` : mib >= 10 ? `${Math.round(mib)} MiB` : `${mib.toFixed(1)} MiB`;
}

/** The two largest units: `3d 4h`, `12m 5s`. */
export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${seconds % 60}s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours}h ${minutes % 60}m` : `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** Milliseconds with three significant digits. */
export function millis(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value >= 1 ? value.toFixed(2) : value.toFixed(3);
}
