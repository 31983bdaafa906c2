// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Where stake comes from
/// @notice The other contracts know stake only through this, so that another source (restaking, for one) can
/// take the place of deposits.
interface IStakeSource {
    event StakeSlashed(address indexed account, uint256 wad, uint256 taken, string reason);
    event MemberJoined(address indexed account);
    event MemberLeft(address indexed account);

    error NotTheSlasher(address sender, address slasher);
    error WrongFraction(uint256 wad);

    /// @notice Everyone whose stake counts now, each once, at most 256, with that stake.
    function members() external view returns (address[] memory accounts, uint256[] memory stakes);

    function stakeOf(address account) external view returns (uint256);

    /// @notice The stake that stands behind a requester: its own, or what it delegated to a member.
    function backingOf(address account) external view returns (uint256);

    /// @notice What it takes to be a member.
    function minimumStake() external view returns (uint256);

    /// @notice Takes `wad` / 1e18 of all that can be taken from `account`. Only the slasher may.
    /// @return taken What was sent to the caller, in wei; 0 where the source keeps or burns it.
    function slash(address account, uint256 wad, string calldata reason) external returns (uint256 taken);

    /// @notice Makes `account` no member any more; its stake stays its own. Only the slasher may.
    function eject(address account) external;

    /// @notice Until when (unix seconds) something can be taken from `account`. 0: nothing can. The largest
    /// number: until it asks its stake back.
    function slashableUntil(address account) external view returns (uint64);

    /// @notice Seconds from asking stake back until it can no longer be taken.
    function unbondingDelay() external view returns (uint64);

    /// @notice The block of the latest slash or ejection; 0 where there was none. An epoch that was opened before it
    /// counts someone who should count less.
    function lastSlashAt() external view returns (uint64);
}
