/**
 * Stored objects of one kind as protobuf: each is encoded once, when first asked for, and shared by answers, lists and watches.
 */
import type { AnyObject } from '../../../../machinery/client/resource.ts';
import type { ListResponse, WireForm } from '../../server/request.ts';
import type { StoredObject, WatchEvent } from '../../storage/storage.ts';
import { PROTOBUF } from '../negotiate.ts';
import { ENVELOPE_END, writeEnvelopeHead } from './envelope.ts';
import { layoutOf, META } from './layout.ts';
import { ByteBudget, SharedBytes } from './shared-bytes.ts';
import { WireWriter } from './wire-writer.ts';
import { messageWriter, type MessageWriter } from './write-message.ts';

/** For all kinds together. */
const MAX_SHARED_BYTES = 32 * 1024 * 1024;
/** Encoding a long list gives others their turn after so many objects. */
const TURN_OBJECTS = 200;
/** `items` of every list. */
const ITEMS = 2;

const budget = new ByteBudget(MAX_SHARED_BYTES);
/** Used within one turn: one is enough for all forms. */
const writer = new WireWriter();
const writeListMeta = messageWriter(layoutOf(META, 'ListMeta'));

/** What leaves, and where the schema table keeps its type. */
export interface FormKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly typePackage: string;
}

export class ProtobufForm implements WireForm {
  readonly contentType = PROTOBUF;
  private readonly apiVersion: string;
  private readonly kind: string;
  private readonly write: MessageWriter;
  private readonly view: (object: AnyObject) => AnyObject;
  /** By stored object: its message as an item of a list. */
  private readonly items = new SharedBytes<StoredObject>(budget);

  /** @param view makes of the stored version the one that leaves */
  constructor({ apiVersion, kind, typePackage }: FormKind, view: (object: AnyObject) => AnyObject) {
    this.apiVersion = apiVersion;
    this.kind = kind;
    this.write = messageWriter(layoutOf(typePackage, kind));
    this.view = view;
  }

  object(stored: StoredObject): Buffer {
    const item = this.item(stored);
    this.writeEnvelope(item);
    return writer.take();
  }

  /** A WatchEvent behind its length in four bytes, as upstream's framer writes it. */
  frame({ type, stored, object }: WatchEvent): Buffer {
    const item = stored === undefined ? this.encode(object as AnyObject) : this.item(stored);
    const rawExtension = (): void => writer.inside(1, () => this.writeEnvelope(item));
    writer.inside(2, rawExtension);
    writer.text(type);
    writer.tag(1, 2);
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(writer.written);
    writer.raw(length);
    return writer.take();
  }

  /**
   * The length of all items stands before them, so all are encoded before the first is sent; those that the shared bytes had no room for are
   * encoded again then, rather than held until the client has read them.
   */
  async list({ metadata, items }: ListResponse): Promise<{ byteLength: number; parts: Iterable<Buffer> }> {
    let length = 0;
    let turn = 0;
    for (const item of items) {
      length += this.item(item).length;
      if (++turn % TURN_OBJECTS === 0) await new Promise(setImmediate);
    }
    writer.inside(1, () => writeListMeta(writer, metadata));
    writeEnvelopeHead(writer, this.apiVersion, `${this.kind}List`, length + writer.written);
    const head = writer.take();
    return { byteLength: head.length + length + ENVELOPE_END.length, parts: this.parts(head, items) };
  }

  private *parts(head: Buffer, items: readonly StoredObject[]): Generator<Buffer> {
    yield head;
    for (const stored of items) yield this.item(stored);
    yield ENVELOPE_END;
  }

  private item(stored: StoredObject): Buffer {
    return this.items.of(stored, () => this.encode(this.view(stored.object as AnyObject)));
  }

  private encode(object: AnyObject): Buffer {
    writer.inside(ITEMS, () => this.write(writer, object as unknown as Record<string, unknown>));
    return writer.take();
  }

  private writeEnvelope(item: Buffer): void {
    writer.raw(ENVELOPE_END);
    const message = item.subarray(headLength(item));
    writer.raw(message);
    writeEnvelopeHead(writer, this.apiVersion, this.kind, message.length);
  }
}

/** How many bytes of tag and length stand before an item's message. */
function headLength(item: Buffer): number {
  let at = 1;
  while ((item[at] as number) >= 0x80) at++;
  return at + 1;
}
