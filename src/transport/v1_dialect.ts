/** How one side of a protocol 1 link speaks of a tunnel. */
export interface V1Dialect {
  /** Bytes of a tunnel, as lower-case hexadecimal. */
  readonly data: (tunnelId: string, hex: string) => object;
  /** The tunnel is over. Protocol 1 has no end of one direction alone. */
  readonly close: (tunnelId: string) => object;
  /**
   * Whether the end of our direction may leave the other one up for a while:
   * answers are on their way. A service that has ended has no more to hear.
   */
  readonly lingers: boolean;
  /** Whether who closes a tunnel hears that it is closed. */
  readonly answersClose?: boolean;
}

/** Names are those of the speaker and of whom it speaks to. */
export const V1_DIALECTS = {
  agentToGateway: {
    data: (id, hex) => ({
      type: "tunnel_data",
      "tunnel_id": id,
      origin: "agent",
      data: hex,
    }),
    // Upstream's relay does nothing with an agent's `tunnel_closed`.
    close: (id) => ({ type: "close_tunnel", "tunnel_id": id }),
    lingers: false,
  },
  gatewayToAgent: {
    data: (id, hex) => ({ type: "tunnel_data", "tunnel_id": id, data: hex }),
    close: (id) => ({ type: "close_tcp_tunnel", "tunnel_id": id }),
    lingers: true,
  },
  operatorToGateway: {
    data: (id, hex) => ({ type: "tunnel_data", "tunnel_id": id, data: hex }),
    close: (id) => ({ type: "close_tunnel", "tunnel_id": id }),
    lingers: true,
  },
  gatewayToOperator: {
    data: (id, hex) => ({
      type: "tunnel_data",
      "tunnel_id": id,
      origin: "agent",
      data: hex,
    }),
    close: (id) => ({ type: "tunnel_closed", "tunnel_id": id }),
    lingers: false,
    answersClose: true,
  },
} as const satisfies Record<string, V1Dialect>;
