/** Links, addresses, routes and neighbours as `ip -j` and `bridge -j` (iproute2) tell them; only what somebody here asks for. */

/** A network interface. */
export interface Link {
  readonly ifindex: number;
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly operstate: string;
  /** Hardware address. */
  readonly address?: string;
  /** The bridge or bond it belongs to. */
  readonly master?: string;
  readonly linkinfo?: {
    /** `bridge`, `veth`, `vxlan`, ...; undefined for plain hardware. */
    readonly info_kind?: string;
    readonly info_data?: {
      /** Of a VXLAN device, as are the others. */
      readonly id?: number;
      readonly port?: number;
      readonly local?: string;
      readonly local6?: string;
    };
  };
}

/** A link with its addresses. */
export interface AddressedLink extends Link {
  readonly addr_info: readonly {
    readonly family: 'inet' | 'inet6';
    readonly local: string;
    readonly prefixlen: number;
    readonly scope: string;
  }[];
}

/** A route of the main table. */
export interface Route {
  /** `default`, an address or a CIDR. */
  readonly dst: string;
  readonly gateway?: string;
  /** A next hop of the other family. */
  readonly via?: unknown;
  readonly dev?: string;
  readonly metric?: number;
  readonly prefsrc?: string;
  readonly protocol?: string;
  readonly type?: string;
}

/** An entry of the neighbour table of one device. */
export interface Neighbour {
  readonly dst: string;
  readonly lladdr?: string;
  /** `PERMANENT`, `REACHABLE`, ... */
  readonly state?: readonly string[];
}

/** Where a bridge or a VXLAN device sends frames for a hardware address. */
export interface ForwardingEntry {
  readonly mac: string;
  /** Of VXLAN: the host that takes them. */
  readonly dst?: string;
}
