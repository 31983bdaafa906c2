// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title What a contract implements to be told of results
/// @dev Check `msg.sender` (only the gateway) and `id` (only your own tasks). Whatever this does, the task stays
/// settled: a revert here only means that someone may call the gateway's `retryCallback` later.
interface IInferenceConsumer {
    /// @param status 1: completed. 2: the model cannot take this input; the output is empty.
    function onInference(uint256 id, uint8 status, bytes calldata output) external;
}
