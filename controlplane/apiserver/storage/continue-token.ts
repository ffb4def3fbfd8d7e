/**
 * The continue token of a paged list: revision of the snapshot and last key given out, in upstream's encoding
 * (base64 of JSON with v, rv and start; rv -1 goes on with whatever is there now).
 */
import { badRequest, StatusError, type FailureStatus } from '../../../machinery/meta/status-error.ts';

export interface ContinueToken {
  /** -1: the newest. */
  readonly revision: number;
  /** Key, relative to the resource's prefix, after which the page starts. */
  readonly startAfter: string;
}

const VERSION = 'meta.k8s.io/v1';

export function encodeContinue(token: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: VERSION, rv: token.revision, start: token.startAfter })).toString('base64url');
}

/** @throws StatusError BadRequest */
export function decodeContinue(text: string): ContinueToken {
  const token = parse(text);
  if (typeof token !== 'object' || token === null) throw invalidToken('unexpected content');
  const { v, rv, start } = token as Record<string, unknown>;
  if (v !== VERSION) throw invalidToken('server does not recognize this encoded version');
  if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv < -1 || rv === 0)
    throw invalidToken('incorrect encoded revision');
  if (typeof start !== 'string' || start === '' || start.startsWith('/') || start.includes('..')) {
    throw invalidToken('incorrect encoded start key');
  }
  return { revision: rv, startAfter: start };
}

/** 410 that carries a token to go on with, inconsistently. Source: apiserver `storage/continue.go` behaviour, 1.36. */
export class ContinueExpiredError extends StatusError {
  readonly continueToken: string;

  constructor(startAfter: string) {
    super(
      'Expired',
      410,
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
        'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
        'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
        'deleted between the time the first chunk was returned and now may show up in the list.',
    );
    this.continueToken = encodeContinue({ revision: -1, startAfter });
  }

  override toStatus(): FailureStatus {
    const metadata = { continue: this.continueToken } as unknown as FailureStatus['metadata'];
    return { ...super.toStatus(), metadata };
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    throw invalidToken('it is not encoded as expected');
  }
}

function invalidToken(why: string): StatusError {
  return badRequest(`invalid continue token: continue key is not valid: ${why}`);
}
