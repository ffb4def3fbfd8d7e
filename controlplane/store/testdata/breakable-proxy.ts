/** A TCP proxy whose connections can be cut all at once. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class BreakableProxy {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.server = server;
  }

  /** @param url `http://host:port` */
  static async to(url: string): Promise<BreakableProxy> {
    const { hostname, port } = new URL(url);
    const server = createServer();
    const proxy = new BreakableProxy(server);
    server.on('connection', near => {
      const far = connect(Number(port), hostname);
      proxy.join(near, far);
      proxy.join(far, near);
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
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
