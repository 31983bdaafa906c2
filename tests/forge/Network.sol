// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ICertificateVerifier} from "p2pavs/contracts/src/interfaces/ICertificateVerifier.sol";
import {Blob} from "p2pavs/contracts/src/libraries/Blob.sol";
import {RECORD_BLOBS} from "p2pavs/contracts/src/libraries/OperatorRecords.sol";
import {BLS12381} from "p2pavs/contracts/src/libraries/BLS12381.sol";

/// @title Epochs whose sets a test chooses. What is tested with it is money, so there are no keys.
contract Epochs {
    struct Set {
        uint128 total;
        uint16 count;
        address blob;
    }

    uint64 public currentEpoch;
    mapping(uint64 epoch => address) public revealerOf;
    mapping(uint64 epoch => Set) private _sets;
    mapping(address account => uint256) public backingOf;

    function open(address[] calldata operators, uint128[] calldata amounts, address revealer) external {
        Set storage set = _sets[++currentEpoch];
        bytes memory records = abi.encodePacked(uint128(0)); // the stake before the first
        for (uint256 i = 0; i < operators.length; ++i) {
            set.total += amounts[i];
            records = abi.encodePacked(records, operators[i], new bytes(48), set.total);
            backingOf[operators[i]] = amounts[i];
        }
        set.count = uint16(operators.length);
        set.blob = Blob.write(records);
        revealerOf[currentEpoch] = revealer;
    }

    function current() external view returns (uint64, bytes32, uint16) {
        return (currentEpoch, keccak256(abi.encode(currentEpoch)), _sets[currentEpoch].count);
    }

    function setRootOf(uint64 epoch) external view returns (bytes32) {
        return keccak256(_sets[epoch].blob.code);
    }

    function setOf(uint64 epoch)
        external
        view
        returns (uint128 total, uint16 count, address[RECORD_BLOBS] memory blobs, BLS12381.G1 memory apk)
    {
        (total, count, blobs[0]) = (_sets[epoch].total, _sets[epoch].count, _sets[epoch].blob);
        apk = BLS12381.G1(0, 0, 0, 0);
    }

    /// It is its own stake source.
    function stakes() external view returns (address) {
        return address(this);
    }
}

/// @title Takes every signature: who signed is what a test says
contract Believer is ICertificateVerifier {
    function verify(uint64, bytes32, uint16, uint16, bytes32, uint256, bytes calldata, bytes calldata)
        external
        pure
        returns (uint256, uint256)
    {
        return (3, 4);
    }

    function verifySome(uint64, bytes32, uint16, uint16, bytes32, uint256, bytes calldata, bytes calldata)
        external
        pure
    {}
}

/// @title A consumer that reverts, floods, burns its gas, calls back in, or is content
contract Consumer {
    uint8 public mood;
    uint256 public told;

    function setMood(uint8 mood_) external {
        mood = mood_;
    }

    fallback() external payable {
        if (mood == 1) revert();
        if (mood == 2) {
            assembly {
                revert(0, 100000)
            }
        }
        if (mood == 3) {
            while (true) {}
        }
        if (mood == 4) {
            // Whatever it tries: its own money again, the task's fee, the callback once more.
            (bool ok,) = msg.sender.call(abi.encodeWithSignature("withdraw()"));
            assembly {
                ok := call(gas(), caller(), 0, 0, calldatasize(), 0, 0)
            }
        }
        ++told;
    }

    receive() external payable {
        if (mood == 1) revert();
        if (mood == 4) {
            (bool ok,) = msg.sender.call(abi.encodeWithSignature("withdraw()"));
            require(!ok, "paid twice");
        }
    }
}
