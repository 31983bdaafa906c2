// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Where stake comes from
/// @notice The epoch manager knows stake only through this, so that another source (restaking, for one) can
/// take the place of deposits.
interface IStakeSource {
    /// @notice Everyone whose stake counts now, each once, at most 256, with that stake.
    function members() external view returns (address[] memory accounts, uint256[] memory stakes);

    function stakeOf(address account) external view returns (uint256);

    /// @notice What it takes to be a member.
    function minimumStake() external view returns (uint256);
}
