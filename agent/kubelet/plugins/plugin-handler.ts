/** What the kubelet does with plugins of one type once they have said who they are. */

/** A plugin as it introduced itself. */
export interface Plugin {
  /** Of a CSI driver its name, of a device plugin its resource. */
  readonly name: string;
  /** The socket that serves the plugin; absolute. */
  readonly endpoint: string;
  readonly versions: readonly string[];
}

export interface PluginHandler {
  /**
   * Takes the plugin into use; the same plugin again, from the same or another endpoint, takes the place of the one before.
   * @throws Error that the plugin is told; it is tried again with back-off
   */
  register(plugin: Plugin, signal: AbortSignal): Promise<void>;

  /** Its registration socket is gone. A plugin of the same name that came from another endpoint since stays. */
  deregister(plugin: Plugin, signal: AbortSignal): Promise<void>;
}
