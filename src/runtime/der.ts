/** Tags that certificates and CRLs are made of (X.690 §8.1.2, X.680 §8.6). */
export const DER_TAGS = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
  context0: 0xa0,
  context1: 0xa1,
} as const;

/** Bytes of a long length: 4 GiB are more than any file that we read. */
const LENGTH_MAX_BYTES = 4;

/** One element; both arrays are views of what was read. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content. */
  readonly whole: Uint8Array;
}

/** Reads the elements that follow each other in one run of DER. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The tag of the next element; undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#at];
  }

  /**
   * Reads the next element.
   *
   * @throws {Error} if it is cut short, of indefinite length, or its tag is
   * none of `tags`.
   */
  read(...tags: readonly number[]): DerElement {
    const tag = this.nextTag;
    if (tag === undefined || !tags.includes(tag)) {
      throw new Error(`DER has tag ${tag}, expected ${tags.join(" or ")}`);
    }
    const [start, lengthBytes] = this.#readLength(this.#at + 1);
    const end = start + lengthBytes;
    if (end > this.#bytes.length) throw new Error("DER element is cut short");
    const content = this.#bytes.subarray(start, end);
    const whole = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return { tag, content, whole };
  }

  /** Reads the next element and returns a reader of what is in it. */
  enter(...tags: readonly number[]): DerReader {
    return new DerReader(this.read(...tags).content);
  }

  /** @throws {Error} if there is more to read. */
  end(): void {
    if (this.nextTag !== undefined) throw new Error("DER has bytes left over");
  }

  /** Returns where the content begins and how long it is. */
  #readLength(at: number): [start: number, lengthBytes: number] {
    const first = this.#bytes[at];
    if (first === undefined) throw new Error("DER has no length");
    if (first < 0x80) return [at + 1, first];
    const count = first & 0x7f;
    const digits = this.#bytes.subarray(at + 1, at + 1 + count);
    if (count === 0 || count > LENGTH_MAX_BYTES || digits.length < count) {
      throw new Error("DER length is not supported");
    }
    // Not by shifts: they would make 2^31 negative.
    return [
      at + 1 + count,
      digits.reduce((length, digit) => length * 256 + digit, 0),
    ];
  }
}
