/**
 * Node infos by when they last changed, the newest first: what changed since a moment is found without looking at the others.
 * A doubly linked list through cells of its own.
 */
import type { NodeInfo } from '../framework/node-info.ts';

interface Cell {
  readonly info: NodeInfo;
  newer: Cell | undefined;
  older: Cell | undefined;
}

export class ChangeList {
  private readonly cells = new Map<NodeInfo, Cell>();
  private newest: Cell | undefined;

  /** The info changed just now. */
  touch(info: NodeInfo): void {
    const cell = this.cells.get(info) ?? { info, newer: undefined, older: undefined };
    if (this.newest === cell) return;
    this.unlink(cell);
    cell.older = this.newest;
    if (this.newest !== undefined) this.newest.newer = cell;
    this.newest = cell;
    this.cells.set(info, cell);
  }

  remove(info: NodeInfo): void {
    const cell = this.cells.get(info);
    if (cell === undefined) return;
    this.unlink(cell);
    this.cells.delete(info);
  }

  /** Those whose generation is greater; must not be changed while it is read. */
  *since(generation: number): Iterable<NodeInfo> {
    for (let cell = this.newest; cell !== undefined && cell.info.generation > generation; cell = cell.older)
      yield cell.info;
  }

  private unlink(cell: Cell): void {
    if (cell.newer !== undefined) cell.newer.older = cell.older;
    else if (this.newest === cell) this.newest = cell.older;
    if (cell.older !== undefined) cell.older.newer = cell.newer;
    cell.newer = undefined;
    cell.older = undefined;
  }
}
