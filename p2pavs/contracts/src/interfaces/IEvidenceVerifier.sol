// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title What decides whether an offence is proven
interface IEvidenceVerifier {
    /// @notice Reverts with a named error unless `evidence` proves the offence.
    /// @return operator Who committed it.
    /// @return firstTask The task in which; where several tasks make one offence, the first of them.
    /// @return lastTask The last of them.
    function check(bytes calldata evidence)
        external
        view
        returns (address operator, uint256 firstTask, uint256 lastTask);
}
