// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title An operator set of EigenLayer: a number that an AVS chose
struct OperatorSet {
    address avs;
    uint32 id;
}

/// @title What is used of EigenLayer's DelegationManager, by its public signatures
interface IDelegationManager {
    /// @notice To whom a staker delegates; zero: to nobody. An operator delegates to itself.
    function delegatedTo(address staker) external view returns (address operator);
    function getOperatorShares(address operator, address[] calldata strategies)
        external
        view
        returns (uint256[] memory shares);
    function getWithdrawableShares(address staker, address[] calldata strategies)
        external
        view
        returns (uint256[] memory withdrawable, uint256[] memory deposited);
}

/// @title What is used of EigenLayer's AllocationManager, by its public signatures
interface IAllocationManager {
    struct SlashingParams {
        address operator;
        uint32 operatorSetId;
        address[] strategies; // ascending
        uint256[] wadsToSlash; // of 1e18 of what is allocated to this set
        string description;
    }

    struct CreateSetParamsV2 {
        uint32 operatorSetId;
        address[] strategies;
        address slasher;
    }

    struct DeregisterParams {
        address operator;
        address avs;
        uint32[] operatorSetIds;
    }

    function updateAVSMetadataURI(address avs, string calldata uri) external;
    function setAVSRegistrar(address avs, address registrar) external;
    function createOperatorSets(address avs, CreateSetParamsV2[] calldata params) external;
    function slashOperator(address avs, SlashingParams calldata params)
        external
        returns (uint256 slashId, uint256[] memory shares);
    function deregisterFromOperatorSets(DeregisterParams calldata params) external;

    function getMinimumSlashableStake(
        OperatorSet calldata set,
        address[] calldata operators,
        address[] calldata strategies,
        uint32 futureBlock
    ) external view returns (uint256[][] memory);
    function isOperatorSlashable(address operator, OperatorSet calldata set) external view returns (bool);

    /// @notice EigenLayer's DelegationManager.
    function delegation() external view returns (IDelegationManager);

    /// @notice Blocks for which what was allocated stays slashable after its operator has left, the last one included.
    function DEALLOCATION_DELAY() external view returns (uint32);
}

/// @title What AllocationManager calls when an operator joins or leaves a set
interface IAVSRegistrar {
    function registerOperator(address operator, address avs, uint32[] calldata ids, bytes calldata data) external;
    function deregisterOperator(address operator, address avs, uint32[] calldata ids) external;
    function supportsAVS(address avs) external view returns (bool);
}
