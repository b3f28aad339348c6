/** Resident memory of this process. */
let lastKnown = 0;

/** What it was when it could last be read, where it cannot be: with no descriptor left, on Linux. */
export function ownResidentBytes(): number {
  try {
    lastKnown = process.memoryUsage.rss();
  } catch {
    // To say how things stand must not fail just when they stand badly.
  }
  return lastKnown;
}
