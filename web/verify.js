// Verifies a certificate file of p2pavs, in browsers and in Node, with nothing but the public rules.
//
//     import { verifyCertificate } from "./verify.mjs";
//     const said = verifyCertificate(text, checkpoint);   // throws CertificateError where it does not hold
//
// Without a checkpoint the caller has to compare `setRoot`, `chainId` and `gateway` with what it trusts, and for
// a drawn committee (`committeeSize` is not 0) also the task's seed and attempt with the chain's.

import { bls12_381 } from "@noble/curves/bls12-381.js";
import { decode } from "./cbor.js";
import { keccak, readOperators, selectCommittee, toHex, words } from "./committee.js";

const FORMAT = "p2pavs-certificate/1";
const CHECKPOINT_FORMAT = "p2pavs-checkpoint/1";
const FIELDS = [
  "chainId", "commit", "committeeSize", "epoch", "format", "gateway", "operators", "setRoot", "taskHash", "taskSeed",
];
const MAX_TEXT = 1_000_000;
const DST = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
const PRECOMMIT = 3;
const STATUS = [null, "completed", "rejected"];
const FINISH = [
  null, "end_of_text", "stop_string", "length", "choice", "input_too_long", "bad_request", "json",
];
const UINT16 = (1n << 16n) - 1n;
const UINT32 = (1n << 32n) - 1n;
const UINT64 = (1n << 64n) - 1n;
const MAX_ROUND = (1n << 31n) - 1n;
const MAX_OUTPUT = 8192n;

/** The certificate does not hold, or the text is no certificate file. */
export class CertificateError extends Error {
  constructor(message) {
    super(message);
    this.name = "CertificateError";
  }
}

/**
 * Verify the text of a certificate file, or its parsed JSON; with a checkpoint (text or JSON) also that the
 * operators are the ones that it names. Returns what the certificate says. Throws CertificateError.
 */
export function verifyCertificate(file, checkpoint = null) {
  try {
    return verify(parse(file), checkpoint === null ? null : parse(checkpoint));
  } catch (error) {
    throw error instanceof CertificateError ? error : new CertificateError(error.message);
  }
}

function verify(file, checkpoint) {
  if (Object.keys(file).sort().join() !== FIELDS.join() || file.format !== FORMAT) {
    throw new CertificateError(`it is not of the format ${FORMAT}`);
  }
  const [chainId, epoch, size] = [file.chainId, file.epoch, file.committeeSize].map(number);
  const gateway = bytes(file.gateway, 20);
  const set = readOperators(bytes(file.operators));
  if (toHex(set.root) !== toHex(bytes(file.setRoot, 32))) {
    throw new CertificateError("its operators do not have the root it names");
  }
  const { certificate, output } = readCommit(bytes(file.commit));
  const committee = selectCommittee(
    set, epoch, bytes(file.taskHash, 32), bytes(file.taskSeed, 32), certificate.attempt, size,
  );
  const said = {
    task: String(certificate.task),
    attempt: Number(certificate.attempt),
    round: Number(certificate.round),
    chainId,
    gateway: toHex(gateway),
    epoch,
    setRoot: toHex(set.root),
    taskHash: file.taskHash.toLowerCase(),
    status: STATUS[certificate.result.status],
    finishReason: FINISH[certificate.result.finish],
    tokens: certificate.result.tokens,
    value: toHex(certificate.result.id),
    committeeSize: size,
    output: new TextDecoder("utf-8", { ignoreBOM: true }).decode(output),
    signers: certificate.signers.map((index) => set.operators[index]?.address),
    members: committee.weights.size,
    ...quorum(certificate.signers, committee),
  };
  if (checkpoint !== null) checkCheckpoint(said, size, checkpoint);
  if (toHex(keccak(output)) !== toHex(certificate.result.outputHash)) {
    throw new CertificateError("the output in the file is not the one that was certified");
  }
  const statement = words(
    "p2pavs/v1", PRECOMMIT, chainId, gateway, certificate.task, certificate.attempt, committee.root,
    certificate.round, certificate.result.id,
  );
  const keys = certificate.signers.map((index) => set.operators[index].key);
  checkSignature(keys, statement, certificate.signature);
  return said;
}

function quorum(signers, committee) {
  let weight = 0n;
  for (const index of signers) {
    const own = committee.weights.get(index);
    if (own === undefined) throw new CertificateError(`signer ${index} is not on the committee`);
    weight += own;
  }
  if (3n * weight <= 2n * committee.total) {
    throw new CertificateError(`weight ${weight} of ${committee.total} is not more than two thirds`);
  }
  return { signedWeight: String(weight), totalWeight: String(committee.total) };
}

function checkSignature(keys, message, encoded) {
  const scheme = bls12_381.longSignatures;
  const signature = bls12_381.G2.Point.fromBytes(encoded);
  signature.assertValidity();
  const joined = keys.reduce((sum, key) => sum.add(key));
  const finite = !signature.is0() && !joined.is0();
  if (!finite || !scheme.verify(signature, scheme.hash(message, DST), joined)) {
    throw new CertificateError("the aggregate signature does not hold");
  }
}

/** Nothing but the chain says from which seed a committee was drawn: whoever may choose it finds its own. */
function checkCheckpoint(said, size, checkpoint) {
  if (size !== 0) throw new CertificateError("its committee was drawn, which a checkpoint does not prove");
  if (checkpoint.format !== CHECKPOINT_FORMAT) {
    throw new CertificateError(`the checkpoint is not of the format ${CHECKPOINT_FORMAT}`);
  }
  for (const name of ["chainId", "gateway", "epoch", "setRoot"]) {
    if (String(checkpoint[name]).toLowerCase() !== String(said[name])) {
      throw new CertificateError(`it is of the ${name} ${said[name]}, the checkpoint of ${checkpoint[name]}`);
    }
  }
}

// --- reading ---------------------------------------------------------------------------------------------

function parse(file) {
  if (typeof file === "string") {
    if (file.length > MAX_TEXT) throw new CertificateError("the text is longer than any certificate");
    file = JSON.parse(file);
  }
  if (file === null || typeof file !== "object" || Array.isArray(file)) throw new CertificateError("it is no object");
  return file;
}

function number(value) {
  if (!Number.isSafeInteger(value) || value < 0) throw new CertificateError(`${value} is not a number here`);
  return value;
}

function bytes(value, length = null) {
  if (typeof value !== "string" || !/^0x([0-9a-fA-F]{2})*$/.test(value)) {
    throw new CertificateError("a field is not a hex string");
  }
  const found = Uint8Array.from(value.slice(2).match(/../g) ?? [], (pair) => parseInt(pair, 16));
  if (length !== null && found.length !== length) throw new CertificateError(`a field does not have ${length} bytes`);
  return found;
}

function readCommit(data) {
  const fields = decode(data);
  if (!Array.isArray(fields) || fields.length !== 9 || fields[0] !== 1n || fields[1] !== 4n) {
    throw new CertificateError("the file holds another message than a certificate");
  }
  const [, , task, attempt, round, result, bitmap, signature, output] = fields;
  return {
    certificate: {
      task: integer(task, UINT64),
      attempt: integer(attempt, UINT16),
      round: integer(round, MAX_ROUND),
      result: readResult(result),
      signers: readSigners(bitmap),
      signature: byteString(signature, 96),
    },
    output: byteString(output, 0, Number(MAX_OUTPUT)),
  };
}

function readResult(fields) {
  if (!Array.isArray(fields) || fields.length !== 8) throw new CertificateError("the result has other fields");
  const [status, outputHash, length, tokens, finish, traceRoot, traceCommit, profile] = fields;
  const hashes = [outputHash, traceRoot, traceCommit, profile].map((hash) => byteString(hash, 32));
  const found = {
    status: Number(integer(status, BigInt(STATUS.length - 1), 1n)),
    finish: Number(integer(finish, BigInt(FINISH.length - 1), 1n)),
    tokens: Number(integer(tokens, UINT32)),
    outputHash: hashes[0],
  };
  found.id = words(
    "p2pavs/result/1", found.status, hashes[0], integer(length, MAX_OUTPUT), found.tokens, found.finish,
    hashes[1], hashes[2], hashes[3],
  );
  return found;
}

function readSigners(bitmap) {
  const raw = byteString(bitmap, 1, 32);
  if (raw[0] === 0) throw new CertificateError("the signers' bitmap begins with a zero byte");
  const found = [];
  for (let bit = 0; bit < 8 * raw.length; bit += 1) {
    if ((raw[raw.length - 1 - (bit >> 3)] >> (bit & 7)) & 1) found.push(bit);
  }
  return found;
}

function integer(value, most, least = 0n) {
  if (typeof value !== "bigint" || value < least || value > most) {
    throw new CertificateError("a number is out of its range");
  }
  return value;
}

function byteString(value, least, most = least) {
  if (!(value instanceof Uint8Array) || value.length < least || value.length > most) {
    throw new CertificateError(`a field does not have ${least} to ${most} bytes`);
  }
  return value;
}
