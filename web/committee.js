// Hashes over words, the frozen operator set, and the committee drawn from it: see consensus/committee.py.

import { bls12_381 } from "@noble/curves/bls12-381.js";
import { keccak_256 } from "@noble/hashes/sha3.js";

const RECORD_BYTES = 84;
const STAKE_BYTES = 16;
const RECORDS_PER_BLOB = 64;
const MAX_OPERATORS = 256;
const MAX_SEATS = 256;
const UINT256 = 1n << 256n;

export const toHex = (data) => "0x" + Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const keccak = (data) => keccak_256(data);

export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function toNumber(data) {
  let value = 0n;
  for (const byte of data) value = (value << 8n) | BigInt(byte);
  return value;
}

function word(value) {
  const found = new Uint8Array(32);
  if (value instanceof Uint8Array) {
    found.set(value, 32 - value.length); // 32 bytes, or an address of 20
    return found;
  }
  for (let rest = BigInt(value), at = 31; rest > 0n; rest >>= 8n, at -= 1) found[at] = Number(rest & 255n);
  return found;
}

/** keccak256(abi.encode(bytes32(tag), ...values)) for integers, addresses and 32-byte words. */
export function words(tag, ...values) {
  const name = new Uint8Array(32);
  name.set(new TextEncoder().encode(tag));
  return keccak(concat(name, ...values.map(word)));
}

/** An unbiased draw below `bound`: hashes above its largest multiple are drawn again. */
function draw(tag, seed, a, b, bound) {
  const limit = UINT256 - (UINT256 % bound);
  for (let counter = 0; ; counter += 1) {
    const number = toNumber(words(tag, seed, a, b, counter));
    if (number < limit) return number % bound;
  }
}

/** Reads the 84-byte records of an epoch. Throws Error where they are no set that the chain could freeze. */
export function readOperators(records) {
  const count = records.length / RECORD_BYTES;
  if (!Number.isInteger(count) || count < 1 || count > MAX_OPERATORS) {
    throw new Error(`an operator set has 1 to ${MAX_OPERATORS} whole records`);
  }
  const operators = [];
  const seen = new Set();
  let total = 0n;
  for (let at = 0; at < records.length; at += RECORD_BYTES) {
    const record = records.subarray(at, at + RECORD_BYTES);
    const address = toHex(record.subarray(0, 20));
    const compressed = toHex(record.subarray(20, 68));
    const end = toNumber(record.subarray(68)); // the stake of all up to and with this one
    if (end <= total) throw new Error("an operator has no stake");
    for (const name of [address, compressed]) {
      if (seen.has(name)) throw new Error("an operator or a key is in the set twice");
      seen.add(name);
    }
    operators.push({ address, stake: end - total, key: readKey(compressed) });
    total = end;
  }
  return { operators, total, root: setRoot(records, count, total) };
}

function readKey(compressed) {
  const key = bls12_381.G1.Point.fromHex(compressed.slice(2));
  if (key.equals(bls12_381.G1.Point.ZERO)) throw new Error("a key is infinity");
  key.assertValidity(); // on the curve and in the subgroup
  return key;
}

function setRoot(records, count, total) {
  let fold = new Uint8Array(32);
  let before = new Uint8Array(STAKE_BYTES); // each blob begins with the stake of all before it
  const size = RECORD_BYTES * RECORDS_PER_BLOB;
  for (let at = 0; at < records.length; at += size) {
    const part = records.subarray(at, at + size);
    fold = keccak(concat(fold, keccak(concat(before, part))));
    before = part.subarray(-STAKE_BYTES);
  }
  return words("p2pavs/set/1", count, total, fold);
}

/** Who decides an attempt: weights by operator index, their sum, and the committee's root. */
export function selectCommittee(set, epoch, taskHash, seed, attempt, size) {
  if (size > MAX_SEATS) throw new Error(`a committee has 0 to ${MAX_SEATS} seats`);
  const weights = new Map();
  if (size === 0) {
    set.operators.forEach((operator, index) => weights.set(index, operator.stake));
  }
  for (let seat = 0; seat < size; seat += 1) {
    const owner = ownerOf(set.operators, draw("p2pavs/seat/1", seed, attempt, seat, set.total));
    weights.set(owner, (weights.get(owner) ?? 0n) + 1n);
  }
  const root = words("p2pavs/committee/1", epoch, set.root, seed, attempt, size, taskHash);
  return { weights, total: size === 0 ? set.total : BigInt(size), root };
}

function ownerOf(operators, point) {
  let end = 0n;
  return operators.findIndex((operator) => {
    end += operator.stake;
    return point < end;
  });
}
