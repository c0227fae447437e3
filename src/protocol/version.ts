/** WebSocket subprotocol of the control link (RFC 6455 §1.9). */
export const CONTROL_SUBPROTOCOL = "migasfree.control.v2";

/** WebSocket subprotocol of both ends of a tunnel. */
export const STREAM_SUBPROTOCOL = "migasfree.stream.v2";

/** The version of the messages that `hello` and `welcome` agree on. */
export const PROTOCOL_VERSION = 2;

/** Paths, relative to the origin; a stock HAProxy routes all of `/tunnel`. */
export const CONTROL_PATH = "/tunnel";
export const STREAM_PATH = "/tunnel/stream";
export const CONNECT_PATH = "/tunnel/connect";
export const RESUME_PATH = "/tunnel/resume";
export const DEVICES_PATH = "/tunnel/devices";
export const ENROLL_PATH = "/tunnel/enroll";
export const RENEW_PATH = "/tunnel/renew";

/** Where links of protocol 1 begin; the manager's own have no path at all. */
export const V1_PATHS: readonly string[] = ["/tunnel", "/tunnel/", "/"];
