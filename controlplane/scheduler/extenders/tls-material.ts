/** With what an extender is reached over TLS. Source: `makeTransport` (pkg/scheduler/extender.go), 1.36. */
import { readFileSync } from 'node:fs';
import type { ExtenderSettings } from '../config/plan/settings.ts';

/** As Node's `tls.connect` takes it. */
interface TlsMaterial {
  readonly rejectUnauthorized?: boolean;
  readonly servername?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Reads the files that the settings name; data in the settings themselves comes first. @throws Error naming the file */
export function tlsMaterial({ tlsConfig: tls = {}, enableHTTPS }: ExtenderSettings): TlsMaterial {
  const ca = pemOf(tls.caData, tls.caFile);
  const cert = pemOf(tls.certData, tls.certFile);
  const key = pemOf(tls.keyData, tls.keyFile);
  // Upstream trusts anybody where enableHTTPS is set and no authority is named.
  const trustsAll = tls.insecure === true || (enableHTTPS && ca === undefined);
  return {
    ...(trustsAll ? { rejectUnauthorized: false } : {}),
    ...((tls.serverName ?? '') === '' ? {} : { servername: tls.serverName as string }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

function pemOf(base64: string | undefined, file: string | undefined): string | undefined {
  if (base64 !== undefined && base64 !== '') return Buffer.from(base64, 'base64').toString();
  return file === undefined || file === '' ? undefined : readFileSync(file, 'utf8');
}
