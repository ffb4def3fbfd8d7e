/**
 * What runs in each namespace of the lab: servers that say their name and whom they see, and a client that does as it is asked by a
 * Unix socket, which reaches through namespaces. `node lab-place.mjs NAME SOCKET`
 */
import { createSocket } from 'node:dgram';
import { get, createServer } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';

const [name, socketPath] = process.argv.slice(2);
const plain = address => address.replace('::ffff:', '');
const kept = new Set();

for (const port of [8080, 8081]) {
  createServer((request, response) => {
    response.setHeader('connection', 'close').end(`${port === 8080 ? name : `${name}:${port}`} ${plain(request.socket.remoteAddress)}`);
  }).listen(port, '::');
}
// Says its name for each line, for connections that last.
createTcpServer(socket => {
  socket.on('data', () => socket.write(`${name}\n`)).on('error', () => {});
}).listen(8090, '::');
const udp = createSocket({ type: 'udp6', ipv6Only: false });
udp.on('message', (_message, from) => udp.send(`${name} ${plain(from.address)}`, from.port, from.address)).bind(5353);

function fetchOne({ host, port, timeoutMs }) {
  return new Promise(done => {
    const request = get({ host, port, agent: false, timeout: timeoutMs }, response => {
      let body = '';
      response.on('data', data => (body += data)).on('end', () => done(body));
    });
    const timer = setTimeout(() => request.destroy(Object.assign(new Error(), { code: 'timeout' })), timeoutMs);
    request.on('error', error => done(error.code)).on('close', () => clearTimeout(timer));
  });
}

function askUdp({ host, port, timeoutMs }) {
  return new Promise(done => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const end = answer => {
      clearTimeout(timer);
      socket.close();
      done(answer);
    };
    const timer = setTimeout(() => end('timeout'), timeoutMs);
    socket.on('message', message => end(String(message))).on('error', error => end(error.code));
    // Always from the same port, so that the kernel takes it for the same flow.
    socket.bind(40000, () => socket.connect(port, host, error => (error ? end(error.code) : socket.send('x'))));
  });
}

/** Opens a connection that stays, or says something on those that do. */
function keep({ host, port, timeoutMs }) {
  return new Promise(done => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => done('timeout'), timeoutMs);
    socket.on('error', error => done(error.code)).once('data', data => {
      clearTimeout(timer);
      kept.add(socket);
      done(String(data).trim());
    });
    socket.on('connect', () => socket.write('x\n'));
  });
}

function ask(socket, timeoutMs) {
  return new Promise(done => {
    const timer = setTimeout(() => done('timeout'), timeoutMs);
    socket.once('data', data => (clearTimeout(timer), done(String(data).trim()))).write('x\n');
  });
}

/** Connects over and over until told to stop; gives how many answered and what the others met. */
const storms = new Map();
async function storm({ id, host, port, timeoutMs }) {
  const state = { answered: 0, failures: [], running: true };
  storms.set(id, state);
  while (state.running) {
    const answer = await fetchOne({ host, port, timeoutMs });
    if (answer.includes(' ')) state.answered++;
    else state.failures.push(answer);
  }
  state.ended?.();
}

async function serve(wish) {
  switch (wish.kind) {
    case 'http':
    case 'udp': {
      const answers = [];
      for (let i = 0; i < wish.count; i++) answers.push(await (wish.kind === 'udp' ? askUdp(wish) : fetchOne(wish)));
      return answers;
    }
    case 'keep':
      return keep(wish);
    case 'askKept':
      return Promise.all([...kept].map(socket => ask(socket, wish.timeoutMs)));
    case 'closeKept':
      for (const socket of kept) socket.destroy();
      kept.clear();
      return [];
    case 'startStorm':
      void storm(wish);
      return [];
    case 'stopStorm': {
      const state = storms.get(wish.id);
      state.running = false;
      await new Promise(resolve => (state.ended = resolve));
      return { answered: state.answered, failures: state.failures };
    }
    default:
      throw new Error(`unknown wish ${wish.kind}`);
  }
}

createServer(async (request, response) => {
  let body = '';
  for await (const data of request) body += data;
  response.end(JSON.stringify(await serve(JSON.parse(body))));
}).listen(socketPath);
