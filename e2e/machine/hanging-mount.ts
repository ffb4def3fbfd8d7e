/**
 * A file system that never answers: FUSE of the kernel, with a server that reads no request. Whoever touches it waits until it ends or the
 * process is killed, as with a dead NFS server.
 */
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { run } from './command.ts';

export class HangingMount {
  readonly path: string;
  private fd: number | undefined;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
  }

  static async on(path: string): Promise<HangingMount> {
    const { default: koffi } = await import('koffi');
    const mount = koffi.load(null).func('int mount(str source, str target, str type, unsigned long flags, str data)');
    mkdirSync(path, { recursive: true });
    const fd = openSync('/dev/fuse', 'r+');
    if (mount('hanging', path, 'fuse', 0, `fd=${fd},rootmode=40000,user_id=0,group_id=0`) !== 0) {
      closeSync(fd);
      throw new Error(`cannot mount FUSE on ${path}: errno ${koffi.errno()}`);
    }
    return new HangingMount(path, fd);
  }

  /** All who wait get an error; the mount is gone. */
  async end(): Promise<void> {
    if (this.fd === undefined) return;
    closeSync(this.fd);
    this.fd = undefined;
    const isMounted = readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${this.path} `);
    if (isMounted) await run(['umount', '--lazy', '--no-canonicalize', this.path]);
  }
}
