/** Asks again until `look` gives something that is neither undefined nor empty. @throws Error after ten seconds */
export async function eventually<R>(what: string, look: () => Promise<R | undefined> | R | undefined): Promise<R> {
  for (const untilMs = Date.now() + 10_000; Date.now() < untilMs; ) {
    const found = await look();
    if (found !== undefined && found !== '') return found;
    await new Promise(resolve => setTimeout(resolve, 2));
  }
  throw new Error(`never: ${what}`);
}
