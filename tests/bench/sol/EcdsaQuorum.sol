// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title k of n ECDSA signatures: what an AVS that wants nothing else would do
/// @notice Weights of signers in storage, a signature for each, ascending by signer. It stores the digest that was
/// agreed on, as a gateway stores a certificate's result.
contract EcdsaQuorum {
    error NotAscending();
    error NoQuorum(uint256 weight, uint256 needed);

    event Certified(bytes32 indexed digest, uint256 weight);

    mapping(address signer => uint256) public weightOf;
    uint256 public immutable needed;
    mapping(bytes32 digest => bool) public certified;

    constructor(address[] memory signers) {
        for (uint256 i = 0; i < signers.length; ++i) weightOf[signers[i]] = 1;
        needed = (2 * signers.length) / 3 + 1;
    }

    /// @param signatures r, s, v of each signer, 65 bytes each.
    function certify(bytes32 digest, bytes calldata signatures) external {
        uint256 weight;
        address last;
        for (uint256 i = 0; i < signatures.length; i += 65) {
            bytes32 r = bytes32(signatures[i:i + 32]);
            bytes32 s = bytes32(signatures[i + 32:i + 64]);
            address signer = ecrecover(digest, uint8(signatures[i + 64]), r, s);
            if (signer <= last) revert NotAscending();
            last = signer;
            weight += weightOf[signer];
        }
        if (weight < needed) revert NoQuorum(weight, needed);
        certified[digest] = true;
        emit Certified(digest, weight);
    }
}
