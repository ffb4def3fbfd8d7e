/**
 * What is done to files that may lie on a file system that hangs. Arguments and results are plain data: a task runs in this process or in
 * another one.
 */
import { readFilesystemUsage, type FilesystemUsage } from '../disk-usage.ts';
import { bindSubPath } from './bind-sub-path.ts';
import { checkPath } from './check-path.ts';
import { giveToGroup } from './give-to-group.ts';

/** Said now and then while a task goes on. */
export type Progress = (count: number) => void;

export const fileTasks = {
  /** @returns '' or what is wrong */
  checkPath: ({ path, type }: { path: string; type: string }): Promise<string> => checkPath(path, type),

  bindSubPath: ({ path, subPath, target }: { path: string; subPath: string; target: string }): Promise<void> =>
    bindSubPath(path, subPath, target),

  filesystemUsage: ({ path }: { path: string }): Promise<FilesystemUsage> => readFilesystemUsage(path),

  /** @throws TreeTooLarge above `maxFiles` */
  giveToGroup: (
    { path, groupId, policy }: { path: string; groupId: number; policy: string | undefined },
    progress: Progress,
  ): Promise<void> => giveToGroup(path, groupId, { policy, onFile: progress }),
};

export type FileTasks = typeof fileTasks;
export type FileTaskName = keyof FileTasks;
export type FileTaskInput<K extends FileTaskName> = Parameters<FileTasks[K]>[0];
export type FileTaskResult<K extends FileTaskName> = Awaited<ReturnType<FileTasks[K]>>;

/** One task for another process, as one line of JSON. */
export interface FileTaskRequest {
  readonly task: FileTaskName;
  readonly input: FileTaskInput<FileTaskName>;
}

/** What it answers: lines with `progress`, then one of the others. */
export interface FileTaskReply {
  readonly progress?: number;
  readonly result?: unknown;
  readonly error?: { readonly name: string; readonly message: string; readonly code: string | undefined };
}
