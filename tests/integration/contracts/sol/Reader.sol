// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITaskGateway} from "p2pavs/contracts/src/interfaces/ITaskGateway.sol";

/// @title What a contract pays for a result: the whole call, the first access to the gateway with it
contract Reader {
    function gasOfResult(ITaskGateway gateway, uint256 id) external view returns (uint256) {
        uint256 before = gasleft();
        gateway.resultOf(id);
        return before - gasleft();
    }
}
