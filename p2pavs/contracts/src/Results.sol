// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {CERTIFIED, TaskLedger} from "./TaskLedger.sol";

/// @title What a task's storage says of its result
library Results {
    /// @notice The answer of `ITaskGateway.resultOf`, but for tasks that are late: they are still requested here.
    function read(TaskLedger.Task storage task)
        internal
        view
        returns (uint8 status, bytes32 value, uint64 finalizedAt, uint16 signedBps)
    {
        finalizedAt = task.finalizedAt;
        // A certificate does not write the first slot.
        if (finalizedAt == 0) return (task.status, 0, 0, 0);
        return (CERTIFIED, task.value, finalizedAt, task.signedBps);
    }
}
