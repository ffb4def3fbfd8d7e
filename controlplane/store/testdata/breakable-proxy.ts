/** A TCP proxy whose connections can be cut all at once, and led elsewhere. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class BreakableProxy {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private target: URL;

  private constructor(server: Server, target: URL) {
    this.server = server;
    this.target = target;
  }

  /** @param url `http://host:port` */
  static async to(url: string): Promise<BreakableProxy> {
    const server = createServer();
    const proxy = new BreakableProxy(server, new URL(url));
    server.on('connection', near => {
      const far = connect(Number(proxy.target.port), proxy.target.hostname);
      proxy.join(near, far);
      proxy.join(far, near);
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** New connections go there. */
  leadTo(url: string): void {
    this.target = new URL(url);
  }

  break(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise(resolve => this.server.close(resolve));
    this.break();
    await closed;
  }

  private join(from: Socket, to: Socket): void {
    this.sockets.add(from);
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.sockets.delete(from);
      to.destroy();
    });
    from.pipe(to);
  }
}
