/** Waiting for conditions of the outside world that tell nobody when they come true. */

const LONGEST_PAUSE = 100;

/**
 * Asks again and again, at first every few milliseconds, until `condition` holds or `milliseconds` have passed;
 * tells which. It is asked at least once, and once more at the end.
 */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  milliseconds: number,
): Promise<boolean> {
  const deadline = performance.now() + milliseconds;
  for (let pause = 2; ; pause = Math.min(LONGEST_PAUSE, pause * 1.5)) {
    if (await condition()) return true;
    const left = deadline - performance.now();
    if (left <= 0) return false;
    await new Promise((resolve) => {
      setTimeout(resolve, Math.min(pause, left));
    });
  }
}
