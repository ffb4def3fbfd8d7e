/**
 * What a container left to say: its termination message file, or the end of its log if it asked for that and failed.
 * Source: kubernetes.io/docs, "Customizing the termination message": at most 4096 bytes; of the log 2048 bytes or 80 lines.
 */
import { openFile } from '../../host/files/open-inside.ts';
import { CRI_KEYS } from '../plan/cri-labels.ts';
import { tailOfLog } from '../plan/log-line.ts';

const MAX_MESSAGE_BYTES = 4096;
const MAX_LOG_BYTES = 64 * 1024;

/** Never throws: a message that cannot be read is none. */
export async function readTerminationMessage(
  annotations: Readonly<Record<string, string>>,
  logPath: string,
  exitCode: number,
): Promise<string> {
  const file = annotations[CRI_KEYS.terminationMessageFile];
  const message = file === undefined ? '' : await readPart(file, MAX_MESSAGE_BYTES, 'start');
  if (message !== '') return message;
  const fallBack = annotations[CRI_KEYS.terminationMessagePolicy] === 'FallbackToLogsOnError' && exitCode !== 0;
  if (!fallBack || logPath === '') return '';
  return tailOfLog(await readPart(logPath, MAX_LOG_BYTES, 'end'));
}

async function readPart(path: string, maxBytes: number, from: 'start' | 'end'): Promise<string> {
  try {
    const file = await openFile(path);
    try {
      const position = from === 'start' ? 0 : Math.max(0, (await file.stat()).size - maxBytes);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, position);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return '';
  }
}
