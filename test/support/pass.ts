/**
 * Lets `ms` of real time go by, where that is what the test is about: a real
 * process must be seen to do nothing for so long.
 */
export async function pass(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
