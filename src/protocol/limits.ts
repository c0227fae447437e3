/**
 * Every limit of the wire, with its unit. docs/PROTOCOL.md §9 lists them.
 * All are ours to choose; a figure that comes from a standard says so.
 */

/** Largest binary message on a stream link: one run of stream bytes. */
export const STREAM_MESSAGE_MAX_BYTES = 64 * 1024;

/** Largest text message on a stream link. */
export const STREAM_CONTROL_MAX_BYTES = 4 * 1024;

/** Largest message on a control link. */
export const CONTROL_MESSAGE_MAX_BYTES = 64 * 1024;

/** Bytes that may be sent on a stream before the first acknowledgement. */
export const WINDOW_INITIAL_BYTES = 256 * 1024;

/** Largest window that a receiver may grant. */
export const WINDOW_MAX_BYTES = 8 * 1024 * 1024;

/** Close reason: a control frame's 125 bytes less the code (RFC 6455 §5.5). */
export const CLOSE_REASON_MAX_BYTES = 123;

export const DEVICE_NAME_MAX_CHARS = 128;
export const SERVICE_NAME_MAX_CHARS = 32;
export const SERVICES_MAX_COUNT = 32;
export const OPERATOR_NAME_MAX_CHARS = 256;
export const FAULT_MESSAGE_MAX_CHARS = 512;
export const TICKET_MAX_CHARS = 512;

/** What an end shows to come back to its stream. */
export const RESUME_TOKEN_MAX_CHARS = 2_048;

/** Longest time that an end may wait for a new link. */
export const DETACH_MAX_MS = 1_800_000;

/** Longest piece of a remote command's output in one frame. */
export const EXEC_OUTPUT_MAX_BYTES = 32 * 1024;

/** Largest message of protocol 1, which its peers agree on. */
export const V1_MESSAGE_MAX_BYTES = 10_000_000;

/** Longest JSON in a frame of a remote command. */
export const EXEC_JSON_MAX_BYTES = 64 * 1024;

/** Words of a remote command, the program among them. */
export const EXEC_WORDS_MAX_COUNT = 256;

/** Longest request for a certificate. */
export const ENROLL_MESSAGE_MAX_BYTES = 32 * 1024;

/** How long an operator may take to say which command it wants. */
export const EXEC_START_TIMEOUT_MS = 10_000;

/** How long the first message of a link may take. */
export const HELLO_TIMEOUT_MS = 10_000;

/**
 * How long an end that comes back waits for the other one, before it is sent
 * to try again: two that wait at different places meet soon.
 */
export const MEETING_TIMEOUT_MS = 2_000;

/** How long from an operator's request to `opened` or a reason why not. */
export const OPEN_TIMEOUT_MS = 10_000;

/** Longest wait between two attempts that a gateway may ask for. */
export const RETRY_CAP_MAX_MS = 600_000;

/** How long a link may take to say goodbye before it is cut. */
export const CLOSE_TIMEOUT_MS = 3_000;
