/** The images that k8ts makes itself, so that a cluster starts where no registry is in reach. */
import { access, readFile } from 'node:fs/promises';
import { buildImage, type ImageEntry } from './build-image.ts';
import { pauseProgram } from './pause-program.ts';

/** The sandbox image's name. */
export const PAUSE_IMAGE = 'docker.io/k8ts/pause:1';

/** The demo image's name: busybox whose default command answers on port 8080 with the pod's host name. */
export const DEMO_IMAGE = 'docker.io/k8ts/demo:1';

/** Where distributions put a busybox without shared libraries. */
const BUSYBOX_PATHS = ['/bin/busybox', '/usr/bin/busybox', '/bin/busybox.static', '/usr/bin/busybox.static'];

/** What people type in a container; busybox tells them apart by name. */
const APPLETS =
  'sh ash awk basename cat chmod chown cp cut date dd df dirname du echo env expr false find free grep gunzip gzip head hostname httpd id ip kill ln ls md5sum mkdir mktemp more mount mv nc netstat nslookup ping printenv printf ps pwd readlink rm rmdir route sed seq sha256sum sleep sort stat stty sync tail tar tee telnet test time timeout top touch tr traceroute true tty umount uname uniq uptime vi wc wget which whoami xargs yes'.split(
    ' ',
  );

/** PID 1 gets no signal that it does not handle: the shell traps SIGTERM, so that a demo pod ends at once. */
const DEMO_COMMAND =
  'trap "exit 0" TERM INT; mkdir -p /tmp/www && hostname > /tmp/www/index.html; httpd -f -p "${PORT:-8080}" -h /tmp/www & wait';

/** OCI's name of this machine's processor. */
export function ociArchitecture(): string {
  const names: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };
  return names[process.arch] ?? process.arch;
}

/**
 * The sandbox image, by the name under which the runtime looks for it.
 * @throws Error on a processor that there is no program for
 */
export function buildPauseImage(architecture = ociArchitecture(), name = PAUSE_IMAGE): Promise<Buffer> {
  if (architecture !== 'amd64' && architecture !== 'arm64') {
    return Promise.reject(
      new Error(
        `There is no pause image for ${architecture}; start a containerd that names another, and k8ts with --container-runtime-endpoint`,
      ),
    );
  }
  return buildImage({
    name,
    architecture,
    entries: [{ kind: 'file', path: 'pause', content: pauseProgram(architecture), mode: 0o755 }],
    entrypoint: ['/pause'],
    user: '65535:65535',
  });
}

/**
 * The demo image, from the machine's own static busybox.
 * @throws Error when there is none
 */
export async function buildDemoImage(busyboxPath?: string): Promise<Buffer> {
  const path = busyboxPath ?? (await findBusybox());
  const directories = ['bin', 'dev', 'etc', 'home', 'proc', 'root', 'sys', 'usr', 'var'].map((path): ImageEntry => ({
    kind: 'directory',
    path,
  }));
  return buildImage({
    name: DEMO_IMAGE,
    architecture: ociArchitecture(),
    entries: [
      ...directories,
      { kind: 'directory', path: 'tmp', mode: 0o1777 },
      {
        kind: 'file',
        path: 'etc/passwd',
        content: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
      },
      { kind: 'file', path: 'etc/group', content: 'root:x:0:\nnogroup:x:65534:\n' },
      { kind: 'file', path: 'bin/busybox', content: await readFile(path), mode: 0o755 },
      ...APPLETS.map((name): ImageEntry => ({ kind: 'symlink', path: `bin/${name}`, target: 'busybox' })),
    ],
    entrypoint: [],
    cmd: ['/bin/sh', '-c', DEMO_COMMAND],
    env: ['PATH=/bin'],
    exposedPorts: ['8080/tcp'],
  });
}

async function findBusybox(): Promise<string> {
  for (const path of BUSYBOX_PATHS) {
    const found = await access(path).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  throw new Error(
    `No static busybox at ${BUSYBOX_PATHS.join(', ')}; install it (Debian: apt-get install busybox-static)`,
  );
}
