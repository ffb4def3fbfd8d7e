/** What a caught value says: an error's message without its class and stack, or the value itself as text. For events, statuses and answers. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
