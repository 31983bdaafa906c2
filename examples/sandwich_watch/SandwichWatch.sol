// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {InferenceConsumer} from "examples/InferenceConsumer.sol";
import {ITaskGateway} from "p2pavs/contracts/src/interfaces/ITaskGateway.sol";

/// @title Was this transaction a sandwich? Reported by anyone, answered by the network, read without a callback
/// @notice A reporter describes a transaction in words and can leave out what matters: so an answer stands under the
/// name of who asked, and whoever reads it chooses which reporters to believe.
contract SandwichWatch is InferenceConsumer {
    error AlreadyAsked(bytes32 transaction, uint256 task);

    mapping(address reporter => mapping(bytes32 transaction => uint256 task)) public taskOf;

    constructor(ITaskGateway gateway_, bytes32 model, uint64 patience_) InferenceConsumer(gateway_, model, patience_) {}

    function report(bytes32 transaction, string calldata description) external payable {
        uint256 task = taskOf[msg.sender][transaction];
        if (task != 0 && isOpen(task)) revert AlreadyAsked(transaction, task);
        taskOf[msg.sender][transaction] = _ask(description);
    }

    /// @return answered Whether there is a certified answer
    /// @return sandwich What it says
    function isSandwich(address reporter, bytes32 transaction) external view returns (bool answered, bool sandwich) {
        (uint8 status, bytes32 value,,) = gateway.resultOf(taskOf[reporter][transaction]);
        // An answer of at most 32 bytes is the value itself. A rejection has an empty one.
        return (status == 2 && value != 0, status == 2 && value == bytes32("sandwich"));
    }

    function _input(string memory description) internal pure override returns (bytes memory) {
        return abi.encodePacked("What kind of transaction is this? ", description);
    }

    function _params() internal pure override returns (ITaskGateway.InferenceParams memory params) {
        (params.maxTokens, params.choices) = (16, new string[](3));
        (params.choices[0], params.choices[1], params.choices[2]) = ("transfer", "swap", "sandwich");
    }

    function _callbackGas() internal pure override returns (uint32) {
        return 0;
    }

    function _answered(uint256, bytes calldata) internal override {}
}
