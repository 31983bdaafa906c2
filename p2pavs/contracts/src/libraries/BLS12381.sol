// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

// (p - 1) / 2 in two words: a greater y has its sign set in a compressed key.
uint256 constant HALF0 = 0x0d0088f51cbff34d258dd3db21a5d66b;
uint256 constant HALF1 = 0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555;

/// @title BLS signatures over BLS12-381, with the precompiles of EIP-2537
/// @notice Public keys are in G1, signatures in G2 (the suite of Ethereum's consensus layer).
/// Points have the precompiles' form: a field element is 64 bytes, 16 of them zero padding; G1 is x|y
/// (128 bytes); G2 is x.c0|x.c1|y.c0|y.c1 (256 bytes; the compressed form puts c1 first). All zeros is infinity.
/// @dev The precompiles for adding check that a point is on the curve, not that it is in the subgroup; the
/// pairing checks both. So a key that passed its proof of possession may be added later without a check,
/// and no other may.
library BLS12381 {
    /// The chain answered "success, no data": it has no precompile at this address.
    error PrecompileMissing(address precompile);
    /// The precompile refused its input, or there was too little gas for it.
    error PrecompileFailed(address precompile);
    /// A key or a signature is not canonical, not on the curve or not in the subgroup.
    error InvalidPoint();
    /// Nothing was checked: the pairing needs more gas than is left.
    error TooLittleGas(uint256 available, uint256 needed);
    /// Infinity is a "signature" by nobody of everything.
    error InfinitySignature();
    /// Infinity as a key (or a sum of keys) would accept the infinity signature for any message.
    error InfinityKey();
    error WrongSignatureLength(uint256 length);
    error WrongKeyLength(uint256 length);
    /// Well-formed, but not a signature of this message by this key.
    error SignatureMismatch();

    struct G1 {
        uint256 x0; // high 16 bytes, right-aligned
        uint256 x1; // low 32 bytes
        uint256 y0;
        uint256 y1;
    }

    /// A sum, and behind it in memory what is to be added.
    struct Sum {
        uint256 sumX0;
        uint256 sumX1;
        uint256 sumY0;
        uint256 sumY1;
        uint256 x0;
        uint256 x1;
        uint256 y0;
        uint256 y1;
    }

    string internal constant SIGNATURE_DST = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
    string internal constant VRF_DST = "P2PAVS_VRF_BLS12381G2_XMD:SHA-256_SSWU_RO_";
    string internal constant POSSESSION_DST = "BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

    uint256 internal constant KEY_LENGTH = 128;
    uint256 internal constant SIGNATURE_LENGTH = 256;

    // Flags in the first byte of a compressed key, as bits of its first 16 bytes; the third flag is infinity's.
    uint256 internal constant COMPRESSED_FLAG = 1 << 127;
    uint256 internal constant SIGN_FLAG = 1 << 125;
    uint256 internal constant X0_MASK = (1 << 125) - 1;

    // The field's modulus p in two words.
    uint256 private constant P0 = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 private constant P1 = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;

    uint256 private constant SHA256 = 0x02;
    uint256 private constant MODEXP = 0x05;
    uint256 private constant G1ADD = 0x0b;
    uint256 private constant G2ADD = 0x0d;
    uint256 private constant PAIRING = 0x0f;
    uint256 private constant MAP_FP2_TO_G2 = 0x11;

    // A precompile that refuses its input burns all gas it was given. Two pairs cost 102,900 by EIP-2537;
    // twice that leaves room for a repricing and leaves a bad signature cheap to refuse.
    uint256 private constant PAIRING_GAS = 205_800;
    // A call gets at most 63/64 of what is left: below this, a good signature would look like a bad point.
    uint256 private constant GAS_BEFORE_PAIRING = 104_600;

    /// @notice Reverts unless `signature` is `key`'s signature of `message` under `dst`.
    function requireSignature(G1 memory key, bytes32 message, string memory dst, bytes calldata signature)
        internal
        view
    {
        uint256 input = _begin(key, signature);
        _hashToG2(message, dst, input + 512);
        _requirePairing(input);
    }

    /// @notice Reverts unless `signature` is the sum of `key`'s signatures of two different messages under `dst`: one
    /// pairing check for both, since e(key, H(first)) * e(key, H(second)) == e(key, H(first) + H(second)).
    function requireSignatureOfBoth(
        G1 memory key,
        bytes32 first,
        bytes32 second,
        string memory dst,
        bytes calldata signature
    ) internal view {
        uint256 input = _begin(key, signature);
        uint256 points;
        assembly ("memory-safe") {
            points := mload(0x40)
            mstore(0x40, add(points, 512))
        }
        _hashToG2(first, dst, points);
        _hashToG2(second, dst, points + 256);
        _call(G2ADD, points, 512, input + 512, 256);
        _requirePairing(input);
    }

    /// @dev The pairing's input, -G1 | signature | key | room for H(message):
    /// e(-G1, signature) * e(key, H(message)) == 1.
    function _begin(G1 memory key, bytes calldata signature) private pure returns (uint256 input) {
        if (signature.length != SIGNATURE_LENGTH) revert WrongSignatureLength(signature.length);
        if (isInfinity(key)) revert InfinityKey();
        uint256 anyBit;
        assembly ("memory-safe") {
            input := mload(0x40)
            mstore(0x40, add(input, 768))
            mstore(input, 0x0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0f)
            mstore(add(input, 32), 0xc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb)
            mstore(add(input, 64), 0x00000000000000000000000000000000114d1d6855d545a8aa7d76c8cf2e21f2)
            mstore(add(input, 96), 0x67816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca)
            calldatacopy(add(input, 128), signature.offset, 256)
            mcopy(add(input, 384), key, 128)
            anyBit := or(
                or(
                    or(mload(add(input, 128)), mload(add(input, 160))), or(mload(add(input, 192)), mload(add(input, 224)))
                ),
                or(
                    or(mload(add(input, 256)), mload(add(input, 288))), or(mload(add(input, 320)), mload(add(input, 352)))
                )
            )
        }
        if (anyBit == 0) revert InfinitySignature();
    }

    function _requirePairing(uint256 input) private view {
        if (gasleft() < GAS_BEFORE_PAIRING) revert TooLittleGas(gasleft(), GAS_BEFORE_PAIRING);
        uint256 verdict;
        bool answered;
        bool missing;
        assembly ("memory-safe") {
            let ok := staticcall(PAIRING_GAS, PAIRING, input, 768, 0, 32)
            answered := and(ok, eq(returndatasize(), 32))
            missing := and(ok, iszero(returndatasize()))
            verdict := mload(0)
        }
        if (missing) revert PrecompileMissing(address(uint160(PAIRING)));
        if (!answered) revert InvalidPoint();
        if (verdict != 1) revert SignatureMismatch();
    }

    /// @notice Adds a point that is a key known to be in the subgroup, or a sum of such. Whether it is on the curve, and
    /// its coordinates below p, the precompile checks.
    function add(Sum memory sum) internal view {
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), 0x0b, sum, 256, sum, 128)
            ok := and(ok, eq(returndatasize(), 128))
        }
        if (!ok) revert PrecompileFailed(address(uint160(G1ADD)));
    }

    /// @notice Adds the key whose compressed form is `head` (16 bytes) and `tail`, with the y that is in the call data.
    /// The precompile refuses a y that is not on the curve.
    /// @return right Whether y has the key's sign; if not, nothing was added.
    function addCompressed(Sum memory sum, uint256 head, uint256 tail, uint256 y) internal view returns (bool right) {
        assembly ("memory-safe") {
            let y0 := shr(128, calldataload(y))
            let y1 := calldataload(add(y, 16))
            let greater := or(gt(y0, HALF0), and(eq(y0, HALF0), gt(y1, HALF1)))
            right := iszero(xor(greater, and(shr(125, head), 1)))
            mstore(add(sum, 128), and(head, 0x1fffffffffffffffffffffffffffffff))
            mstore(add(sum, 160), tail)
            mstore(add(sum, 192), y0)
            mstore(add(sum, 224), y1)
        }
        if (right) add(sum);
    }

    /// @notice Reads a key from x and y, 48 bytes each, in the call data, to where it is added from.
    /// @return head The first 16 bytes of its compressed form; the others are `x1`.
    function read(Sum memory sum, uint256 from) internal pure returns (uint256 head) {
        assembly ("memory-safe") {
            let x0 := shr(128, calldataload(from))
            let y0 := shr(128, calldataload(add(from, 48)))
            let y1 := calldataload(add(from, 64))
            mstore(add(sum, 128), x0)
            mstore(add(sum, 160), calldataload(add(from, 16)))
            mstore(add(sum, 192), y0)
            mstore(add(sum, 224), y1)
            let greater := or(gt(y0, HALF0), and(eq(y0, HALF0), gt(y1, HALF1)))
            head := or(or(x0, shl(127, 1)), shl(125, greater))
        }
    }

    /// @notice The sum as a key.
    function total(Sum memory sum) internal pure returns (G1 memory key) {
        assembly ("memory-safe") {
            key := sum
        }
    }

    /// @notice Sets `point` to `-point`.
    function negate(G1 memory point) internal pure {
        if (isInfinity(point)) return;
        // y is never 0 in the subgroup, so p - y is canonical.
        uint256 y1 = point.y1;
        unchecked {
            point.y0 = P0 - point.y0 - (y1 > P1 ? 1 : 0);
            point.y1 = P1 - y1;
        }
    }

    function isInfinity(G1 memory point) internal pure returns (bool) {
        return (point.x0 | point.x1 | point.y0 | point.y1) == 0;
    }

    /// @notice The 48-byte form of a key. Says nothing about the validity of the key.
    function compress(G1 memory key) internal pure returns (bytes memory) {
        return abi.encodePacked(uint128(compressedHead(key.x0, key.y0, key.y1)), key.x1);
    }

    /// @notice The first 16 bytes of the 48; the other 32 are x1.
    function compressedHead(uint256 x0, uint256 y0, uint256 y1) internal pure returns (uint256) {
        return x0 | COMPRESSED_FLAG | (greaterRoot(y0, y1) ? SIGN_FLAG : 0);
    }

    /// @notice Whether a y is the greater one of the two that its x has: the sign in a compressed key.
    function greaterRoot(uint256 y0, uint256 y1) internal pure returns (bool) {
        return y0 > HALF0 || (y0 == HALF0 && y1 > HALF1);
    }

    /// @notice The 96-byte form of a signature that was verified, as three words. One point has one such form.
    function compressSignature(bytes calldata signature) internal pure returns (uint256 a, uint256 b, uint256 c) {
        // In: x.c0 | x.c1 | y.c0 | y.c1, each with 16 bytes of padding. Out: x.c1 | x.c0, flags in the first byte.
        uint256 y0 = uint256(bytes32(signature[192:224]));
        uint256 y1 = uint256(bytes32(signature[224:256]));
        if (y0 | y1 == 0) {
            y0 = uint256(bytes32(signature[128:160]));
            y1 = uint256(bytes32(signature[160:192]));
        }
        a = uint256(bytes32(signature[80:112])) | (uint256(greaterRoot(y0, y1) ? 0xa0 : 0x80) << 248);
        b = (uint256(uint128(bytes16(signature[112:128]))) << 128) | uint256(uint128(bytes16(signature[16:32])));
        c = uint256(bytes32(signature[32:64]));
    }

    /// @notice Reads a key from its 128-byte form. Says nothing about the validity of the key.
    function readKey(bytes calldata key) internal pure returns (G1 memory) {
        if (key.length != KEY_LENGTH) revert WrongKeyLength(key.length);
        return G1(
            uint256(bytes32(key[0:32])),
            uint256(bytes32(key[32:64])),
            uint256(bytes32(key[64:96])),
            uint256(bytes32(key[96:128]))
        );
    }

    /// @dev RFC 9380, hash_to_curve for G2 with expand_message_xmd over SHA-256. Writes 256 bytes at `output`.
    function _hashToG2(bytes32 message, string memory dst, uint256 output) private view {
        uint256 fields; // u0.c0 | u0.c1 | u1.c0 | u1.c1, then room for two points
        assembly ("memory-safe") {
            fields := mload(0x40)
            mstore(0x40, add(fields, 512))
        }
        _hashToFields(message, dst, fields);
        _call(MAP_FP2_TO_G2, fields + 128, 128, fields + 256, 256);
        _call(MAP_FP2_TO_G2, fields, 128, fields, 256);
        // The map clears the cofactor of each point, so their sum is in the subgroup.
        _call(G2ADD, fields, 512, output, 256);
    }

    /// @dev Four field elements, 64 bytes each and reduced mod p, at `output`.
    function _hashToFields(bytes32 message, string memory dst, uint256 output) private view {
        bool ok;
        assembly ("memory-safe") {
            // Z_pad (64) | message (32) | length wanted: 256 (2) | 0 (1) | dst | its length (1)
            let buffer := mload(0x40)
            let tail := add(mload(dst), 1)
            mstore(buffer, 0)
            mstore(add(buffer, 32), 0)
            mstore(add(buffer, 64), message)
            mstore(add(buffer, 96), shl(232, 0x010000))
            mcopy(add(buffer, 99), add(dst, 32), sub(tail, 1))
            mstore8(add(buffer, add(98, tail)), sub(tail, 1))
            ok := staticcall(gas(), SHA256, buffer, add(99, tail), 0, 32)
            ok := and(ok, eq(returndatasize(), 32))
            let b0 := mload(0)
            // b0 ^ previous (32) | counter (1) | dst | its length (1): what is behind the counter is there already.
            let input := add(buffer, 66)
            let length := add(33, tail)
            // The input of modexp: lengths 64, 1, 48 | base | exponent 1 | modulus p.
            let reduce := and(add(add(buffer, 130), tail), not(31))
            mstore(0x40, add(reduce, 224))
            mstore(reduce, 64)
            mstore(add(reduce, 32), 1)
            mstore(add(reduce, 64), 48)
            mstore8(add(reduce, 160), 1)
            mstore(add(reduce, 161), shl(128, P0))
            mstore(add(reduce, 177), P1)
            let previous := 0
            for { let i := 0 } lt(i, 8) { i := add(i, 1) } {
                let half := add(add(reduce, 96), shl(5, and(i, 1)))
                mstore(input, xor(b0, previous))
                mstore8(add(input, 32), add(i, 1))
                ok := and(ok, staticcall(gas(), SHA256, input, length, half, 32))
                ok := and(ok, eq(returndatasize(), 32))
                previous := mload(half)
                if and(i, 1) {
                    mstore(output, 0)
                    ok := and(ok, staticcall(gas(), MODEXP, reduce, 209, add(output, 16), 48))
                    ok := and(ok, eq(returndatasize(), 48))
                    output := add(output, 64)
                }
            }
        }
        if (!ok) revert PrecompileFailed(address(uint160(MODEXP)));
    }

    function _call(uint256 precompile, uint256 input, uint256 inputLength, uint256 output, uint256 outputLength)
        private
        view
    {
        bool ok;
        uint256 answered;
        assembly ("memory-safe") {
            ok := staticcall(gas(), precompile, input, inputLength, output, outputLength)
            answered := returndatasize()
        }
        if (ok && answered == outputLength) return;
        if (ok && answered == 0) revert PrecompileMissing(address(uint160(precompile)));
        revert PrecompileFailed(address(uint160(precompile)));
    }
}
