// Deterministic CBOR, the part that certificates need, decoded strictly: see consensus/encoding.py.

const MAX_DEPTH = 12;

/** The value of which `data` (Uint8Array) is the one encoding. Integers come back as BigInt. Throws Error. */
export function decode(data) {
  const reader = new Reader(data);
  const value = reader.item(0);
  if (reader.at !== data.length) throw new Error(`${data.length - reader.at} bytes after the end`);
  return value;
}

class Reader {
  constructor(data) {
    this.data = data;
    this.at = 0;
  }

  take(size) {
    if (size > this.data.length - this.at) throw new Error("the message ends too early");
    this.at += size;
    return this.data.subarray(this.at - size, this.at);
  }

  head() {
    const first = this.take(1)[0];
    const info = first & 31;
    if (info < 24) return [first >> 5, BigInt(info)];
    if (info > 27) throw new Error("an indefinite or reserved length");
    let argument = 0n;
    const size = 1 << (info - 24);
    for (const byte of this.take(size)) argument = (argument << 8n) | BigInt(byte);
    if (argument < (size === 1 ? 24n : 1n << BigInt(4 * size))) throw new Error("an integer is longer than needed");
    return [first >> 5, argument];
  }

  item(depth) {
    if (depth > MAX_DEPTH) throw new Error("too many arrays inside each other");
    const [major, argument] = this.head();
    switch (major) {
      case 0:
        return argument;
      case 1:
        return -1n - argument;
      case 2:
        return this.take(this.length(argument));
      case 4:
        return Array.from({ length: this.length(argument) }, () => this.item(depth + 1));
      default:
        throw new Error("a kind of value that a certificate does not have");
    }
  }

  /** A count that can be true: each counted thing takes a byte at least. */
  length(argument) {
    if (argument > BigInt(this.data.length - this.at)) throw new Error("the message ends too early");
    return Number(argument);
  }
}
