/**
 * The few system calls that Node lacks, through koffi (a quarter of a millisecond and 0.2 MB at first use; no process each).
 *
 * - Calls run on the caller's thread: only those stand here that cannot hang.
 */
import { getSystemErrorName } from 'node:util';

/** A system call that failed. */
export class SystemCallError extends Error {
  override readonly name = 'SystemCallError';
  /** `mount` */
  readonly call: string;
  /** `EBUSY`, as on Node's own errors. */
  readonly code: string;

  constructor(call: string, errno: number, about: string) {
    const code = getSystemErrorName(-errno);
    super(`${call} ${about}: ${code}`);
    this.call = call;
    this.code = code;
  }
}

/** The calls. Each throws SystemCallError unless it says otherwise. */
export interface Libc {
  mount(source: string, target: string, fsType: string, flags: number, data: string): void;
  umount(target: string, flags: number): void;
  /** Sends one datagram to a unix socket; a leading `@` means the abstract namespace. */
  sendDatagram(socketPath: string, message: string): void;
}

export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_BIND = 4096;
export const MNT_DETACH = 2;
export const UMOUNT_NOFOLLOW = 8;

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;

/** Finds the calls in the C library that this process runs on; nothing is opened or kept. */
export async function loadLibc(): Promise<Libc> {
  const { default: koffi } = await import('koffi');
  const library = koffi.load(null);
  const mount = library.func('int mount(str source, str target, str type, unsigned long flags, str data)');
  const umount2 = library.func('int umount2(str target, int flags)');
  const socket = library.func('int socket(int domain, int type, int protocol)');
  const sendto = library.func(
    'long sendto(int fd, void *data, size_t length, int flags, void *address, int addressLength)',
  );
  const close = library.func('int close(int fd)');
  /** Reads errno at once: the next call may change it. */
  const check = (call: string, about: string, result: number): number => {
    if (result < 0) throw new SystemCallError(call, koffi.errno(), about);
    return result;
  };
  return {
    mount(source, target, fsType, flags, data) {
      check('mount', target, mount(source, target, fsType, flags, data) as number);
    },
    umount(target, flags) {
      check('umount', target, umount2(target, flags) as number);
    },
    sendDatagram(socketPath, message) {
      const address = Buffer.from(`\x01\x00${socketPath.replace(/^@/, '\0')}`, 'latin1');
      const data = Buffer.from(message);
      const fd = check('socket', socketPath, socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) as number);
      try {
        check('sendto', socketPath, Number(sendto(fd, data, data.length, MSG_NOSIGNAL, address, address.length)));
      } finally {
        close(fd);
      }
    },
  };
}

/** Gives free pages of the C library's heap back to the kernel, in milliseconds. Does nothing where the library is not glibc. */
export async function loadMallocTrim(): Promise<() => void> {
  const { default: koffi } = await import('koffi');
  try {
    const mallocTrim = koffi.load(null).func('int malloc_trim(size_t pad)');
    return () => void mallocTrim(0);
  } catch {
    return () => {};
  }
}
