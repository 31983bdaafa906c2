// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    TransparentUpgradeableProxy
} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";
import {Results} from "./Results.sol";
import {REQUESTED, TaskLedger} from "./TaskLedger.sol";

/// @title The gateway's proxy, which answers `resultOf` itself
/// @notice A result is read without the implementation: for less gas, and by code that no upgrade changes.
/// @dev So every version of the gateway must keep tasks and what is read of them where they are. Only whether a task is
/// late is left to the implementation, because pauses move deadlines.
contract GatewayProxy is TransparentUpgradeableProxy {
    constructor(address gateway, address adminOwner, bytes memory begin)
        payable
        TransparentUpgradeableProxy(gateway, adminOwner, begin)
    {}

    /// @dev What the fallback does with such a call.
    receive() external payable {
        _fallback();
    }

    /// @notice `ITaskGateway.resultOf`. It changes nothing; the compiler cannot know that of a delegated call.
    function resultOf(uint256 id)
        external
        returns (uint8 status, bytes32 value, uint64 finalizedAt, uint16 signedBps)
    {
        TaskLedger.Task storage task = _tasks()[id];
        (status, value, finalizedAt, signedBps) = Results.read(task);
        if (status == REQUESTED && block.timestamp > task.deadline) _fallback();
    }

    /// @dev A variable of TaskLedger; tests compare.
    function _tasks() private pure returns (mapping(uint256 id => TaskLedger.Task) storage tasks) {
        assembly ("memory-safe") {
            tasks.slot := 1
        }
    }
}
