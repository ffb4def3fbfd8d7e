/**
 * The program of the pause image, written as machine code: a static ELF of some 300 bytes that holds a sandbox's namespaces.
 *
 * - As PID 1 of a namespace it gets only signals it handles: SIGTERM and SIGINT end it with code 0.
 * - SIGCHLD is ignored explicitly; the kernel then reaps orphans of a shared PID namespace by itself (wait(2), NOTES).
 * - Otherwise it sleeps in the kernel for ever and touches no memory but its one page.
 * Source: syscall(2) and the syscall tables of x86_64 and arm64; elf(5).
 */

/** Processors there is a program for, by OCI's names. */
export type PauseArchitecture = 'amd64' | 'arm64';

const LOAD_ADDRESS = 0x400000;
const ELF_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const CODE_OFFSET = ELF_HEADER_BYTES + PROGRAM_HEADER_BYTES;
const MACHINE = { amd64: 62, arm64: 183 } as const;

const SIGINT = 2;
const SIGTERM = 15;
const SIGCHLD = 17;
const SIG_IGN = 1n;
const SA_RESTORER = 0x04000000n;

/** The bytes of the executable. */
export function pauseProgram(architecture: PauseArchitecture): Buffer {
  const assemble = architecture === 'amd64' ? assembleAmd64 : assembleArm64;
  // Two passes: the data's address follows from the length of the code, which does not depend on it.
  const { code: draft } = assemble(0);
  const dataAddress = LOAD_ADDRESS + align8(CODE_OFFSET + draft.length);
  const { code, handlerOffset } = assemble(dataAddress);
  const data = signalActions(BigInt(LOAD_ADDRESS + CODE_OFFSET + handlerOffset));
  const padding = Buffer.alloc(dataAddress - LOAD_ADDRESS - CODE_OFFSET - code.length);
  const body = Buffer.concat([code, padding, data]);
  return Buffer.concat([elfHeaders(MACHINE[architecture], CODE_OFFSET + body.length), body]);
}

/** Two kernel `struct sigaction`s of 32 bytes: "exit" and "ignore". The handler never returns, so it is its own restorer. */
const ACTION_BYTES = 32;
function signalActions(handler: bigint): Buffer {
  const data = Buffer.alloc(2 * ACTION_BYTES);
  data.writeBigUInt64LE(handler, 0);
  data.writeBigUInt64LE(SA_RESTORER, 8);
  data.writeBigUInt64LE(handler, 16);
  data.writeBigUInt64LE(SIG_IGN, ACTION_BYTES);
  return data;
}

interface Assembled {
  readonly code: Buffer;
  /** Of the signal handler in the code. */
  readonly handlerOffset: number;
}

function assembleAmd64(dataAddress: number): Assembled {
  const u32 = (n: number) => [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, (n >> 24) & 0xff];
  const syscall = [0x0f, 0x05];
  const sigaction = (signal: number, action: number) => [
    ...[0xb8, ...u32(13)], //         mov  eax, 13            rt_sigaction
    ...[0xbf, ...u32(signal)], //     mov  edi, signal
    ...[0xbe, ...u32(action)], //     mov  esi, action
    ...[0x31, 0xd2], //               xor  edx, edx           no old action wanted
    ...[0x41, 0xba, ...u32(8)], //    mov  r10d, 8            size of the signal mask
    ...syscall,
  ];
  const pause = [
    ...[0xb8, ...u32(34)], //  again: mov  eax, 34            pause
    ...syscall,
    ...[0xeb, 0xf7], //               jmp  again
  ];
  const handler = [
    ...[0x31, 0xff], //               xor  edi, edi
    ...[0xb8, ...u32(231)], //        mov  eax, 231           exit_group
    ...syscall,
  ];
  const setup = [
    ...sigaction(SIGTERM, dataAddress),
    ...sigaction(SIGINT, dataAddress),
    ...sigaction(SIGCHLD, dataAddress + ACTION_BYTES),
  ];
  return { code: Buffer.from([...setup, ...pause, ...handler]), handlerOffset: setup.length + pause.length };
}

function assembleArm64(dataAddress: number): Assembled {
  const mov = (register: number, value: number) => (0xd2800000 | (value << 5) | register) >>> 0;
  const svc = 0xd4000001;
  const words: number[] = [];
  const adr = (register: number, address: number) => {
    const distance = address - (LOAD_ADDRESS + CODE_OFFSET + words.length * 4);
    words.push((0x10000000 | ((distance & 3) << 29) | (((distance >> 2) & 0x7ffff) << 5) | register) >>> 0);
  };
  const sigaction = (signal: number, action: number) => {
    words.push(mov(0, signal)); //    mov  x0, signal
    adr(1, action); //                adr  x1, action
    words.push(mov(2, 0)); //         mov  x2, 0              no old action wanted
    words.push(mov(3, 8)); //         mov  x3, 8              size of the signal mask
    words.push(mov(8, 134)); //       mov  x8, 134            rt_sigaction
    words.push(svc);
  };
  sigaction(SIGTERM, dataAddress);
  sigaction(SIGINT, dataAddress);
  sigaction(SIGCHLD, dataAddress + ACTION_BYTES);
  const again = words.length; //      ppoll with no descriptors and no time: arm64 has no pause
  for (const register of [0, 1, 2, 3, 4]) words.push(mov(register, 0));
  words.push(mov(8, 73)); //          mov  x8, 73             ppoll
  words.push(svc);
  words.push((0x14000000 | ((again - words.length) & 0x3ffffff)) >>> 0); // b again
  const handlerOffset = words.length * 4;
  words.push(mov(0, 0)); //           mov  x0, 0
  words.push(mov(8, 94)); //          mov  x8, 94             exit_group
  words.push(svc);
  const code = Buffer.alloc(words.length * 4);
  words.forEach((word, i) => code.writeUInt32LE(word, i * 4));
  return { code, handlerOffset };
}

/** ELF header and one program header: the whole file, read and execute, at LOAD_ADDRESS. */
function elfHeaders(machine: number, fileBytes: number): Buffer {
  const header = Buffer.alloc(CODE_OFFSET);
  header.write('\x7fELF', 0, 'latin1');
  header.set([2, 1, 1], 4); // 64 bit, little endian, version 1
  header.writeUInt16LE(2, 16); // executable
  header.writeUInt16LE(machine, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(LOAD_ADDRESS + CODE_OFFSET), 24); // entry
  header.writeBigUInt64LE(BigInt(ELF_HEADER_BYTES), 32); // program headers
  header.writeUInt16LE(ELF_HEADER_BYTES, 52);
  header.writeUInt16LE(PROGRAM_HEADER_BYTES, 54);
  header.writeUInt16LE(1, 56); // one program header
  const program = ELF_HEADER_BYTES;
  header.writeUInt32LE(1, program); // load
  header.writeUInt32LE(5, program + 4); // read, execute
  header.writeBigUInt64LE(BigInt(LOAD_ADDRESS), program + 16);
  header.writeBigUInt64LE(BigInt(LOAD_ADDRESS), program + 24);
  header.writeBigUInt64LE(BigInt(fileBytes), program + 32);
  header.writeBigUInt64LE(BigInt(fileBytes), program + 40);
  header.writeBigUInt64LE(0x10000n, program + 48); // alignment, for kernels with pages of 64 KiB too
  return header;
}

function align8(n: number): number {
  return (n + 7) & ~7;
}
