// A client that knows the network from docs/protocol.md alone: joins the gossip, reads every message of a task,
// fetches its certificate and checks it. One JSON argument; one JSON line for each thing that happens.
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { multiaddr } from '@multiformats/multiaddr'
import * as cbor from 'cborg'
import { createLibp2p } from 'libp2p'

const given = JSON.parse(process.argv[2])
const TYPES = ['', 'proposal', 'vote', 'round certificate', 'commit', 'divergence report', 'output chunk']
const say = (what) => console.log(JSON.stringify(what))

// --- section 1: hashes ---------------------------------------------------------------------------------------

function word (value) {
  const bytes = value instanceof Uint8Array ? value : hexToBytes(BigInt(value).toString(16).padStart(64, '0'))
  return concatBytes(new Uint8Array(32 - bytes.length), bytes)
}

function words (tag, ...fields) {
  const head = new Uint8Array(32)
  head.set(utf8ToBytes(tag))
  return keccak_256(concatBytes(head, ...fields.map(word)))
}

// --- sections 6, 7, 11: what a certificate says, and whether it holds ----------------------------------------

const valueId = (result) => words('p2pavs/result/1', ...result)

function signersOf (bitmap) {
  let bits = BigInt('0x' + bytesToHex(bitmap))
  const found = []
  for (let index = 0; bits > 0n; index++, bits >>= 1n) if (bits & 1n) found.push(index)
  return found
}

function verify (commit) {
  const [, type, taskId, attempt, round, result, bitmap, signature, output] = commit
  if (type !== 4) throw new Error('not a commit message')
  if (bytesToHex(keccak_256(output)) !== bytesToHex(result[1])) throw new Error('another output')
  const signers = signersOf(bitmap)
  const sum = (list) => list.reduce((a, b) => a + b, 0n)
  const weights = given.weights.map(BigInt)
  if (!(3n * sum(signers.map((i) => weights[i])) > 2n * sum(weights))) throw new Error('no quorum')
  const statement = words('p2pavs/v1', 3, given.chainId, hexToBytes(given.gateway), taskId, attempt,
    hexToBytes(given.committeeRoot), round, valueId(result))
  const scheme = bls12_381.longSignatures
  const key = scheme.aggregatePublicKeys(signers.map((i) => bls12_381.G1.Point.fromHex(given.keys[i])))
  const message = scheme.hash(statement, 'BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_')
  if (!scheme.verify(signature, message, key)) throw new Error('the signature does not hold')
  return { valid: true, signers, output: new TextDecoder().decode(output) }
}

// --- section 9: between nodes --------------------------------------------------------------------------------

async function request (node, protocol, value) {
  const data = cbor.encode(value)
  const stream = await node.dialProtocol(multiaddr(given.peer), protocol)
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, data.length)
  stream.send(concatBytes(length, data))
  await stream.close()
  const parts = []
  for await (const chunk of stream) parts.push(chunk instanceof Uint8Array ? chunk : chunk.subarray())
  const answer = concatBytes(...parts)
  if (answer[0] !== 0) throw new Error(`status ${answer[0]}`)
  return cbor.decode(answer.subarray(5, 5 + new DataView(answer.buffer, answer.byteOffset).getUint32(1)))
}

const node = await createLibp2p({
  addresses: { listen: [] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), pubsub: gossipsub({ globalSignaturePolicy: 'StrictSign' }) }
})
const read = []
const { promise: enough, resolve } = Promise.withResolvers()
node.services.pubsub.addEventListener('message', ({ detail }) => {
  if (detail.topic !== given.topic) return
  const message = cbor.decode(detail.data)
  const [version, type, ...fields] = message
  const task = Number(fields[0])
  read.push(type)
  say({ read: TYPES[type], version, task, author: detail.from.toString(), bytes: detail.data.length })
  if (read.length === given.messages) resolve()
})
await node.dial(multiaddr(given.peer))
node.services.pubsub.subscribe(given.topic)
say({ joined: node.peerId.toString() })
await enough
const [commit] = await request(node, '/p2pavs/certificates/1', [given.taskId])
say({ certificate: verify(cbor.decode(commit)) })
const messages = await request(node, '/p2pavs/instances/1', [[given.taskId, 0]])
say({ instance: messages.map((one) => TYPES[cbor.decode(one)[1]]) })
await node.stop()
process.exit(0)
