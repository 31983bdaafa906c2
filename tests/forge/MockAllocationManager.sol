// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    IAllocationManager,
    IAVSRegistrar,
    IDelegationManager,
    OperatorSet
} from "p2pavs/contracts/src/eigenlayer/IAllocationManager.sol";

/// @title A small AllocationManager with the rules that concern an AVS
/// @notice Written from the public signatures and the documented behaviour; docs/operators.md says which version of
/// EigenLayer they were compared with. Stake is what an operator allocates to a set, strategy by strategy, here in
/// amounts and at once, there as a share of what is delegated to it and after a delay. Deallocation and leaving take
/// `DEALLOCATION_DELAY` blocks, in which, the last one included, it stays slashable. Slashes are rounded up.
contract MockAllocationManager is IAllocationManager {
    error InvalidCaller();
    error NonexistentAVSMetadata();
    error InvalidAVSRegistrar();
    error InvalidOperatorSet();
    error AlreadyMemberOfSet();
    error NotMemberOfSet();
    error OperatorNotSlashable();
    error InputArrayLengthMismatch();
    error StrategiesMustBeInAscendingOrder();
    error StrategyNotInOperatorSet();
    error InvalidWadToSlash();

    event OperatorSlashed(
        address operator, OperatorSet set, address[] strategies, uint256[] wadSlashed, string description
    );

    struct Set {
        address slasher; // zero: there is no such set
        address[] strategies;
    }

    struct Allocation {
        uint256 amount;
        uint256 pendingDecrease;
        uint256 effectBlock;
    }

    struct RegisterParams {
        address avs;
        uint32[] operatorSetIds;
        bytes data;
    }

    struct Registration {
        bool registered;
        uint256 slashableUntil; // block
    }

    uint32 public constant DEALLOCATION_DELAY = 100_800;
    uint256 private constant WAD = 1e18;

    mapping(address avs => bool) private _hasMetadata;
    mapping(bytes32 key => uint256) private _slashes;
    mapping(address staker => address operator) public delegatedTo;
    mapping(address staker => mapping(address strategy => uint256)) private _shares;
    mapping(address operator => mapping(address strategy => uint256)) private _operatorShares;
    mapping(address avs => IAVSRegistrar) public registrarOf;
    mapping(address avs => mapping(uint32 id => Set)) private _sets;
    mapping(bytes32 key => mapping(address operator => Registration)) private _registrations;
    mapping(bytes32 key => mapping(address operator => mapping(address strategy => Allocation))) private _allocations;

    // --- the AVS ----------------------------------------------------------------------------------------------

    function updateAVSMetadataURI(address avs, string calldata) external {
        _requireSender(avs);
        _hasMetadata[avs] = true;
    }

    function setAVSRegistrar(address avs, address registrar) external {
        _requireSender(avs);
        if (!IAVSRegistrar(registrar).supportsAVS(avs)) revert InvalidAVSRegistrar();
        registrarOf[avs] = IAVSRegistrar(registrar);
    }

    function createOperatorSets(address avs, CreateSetParamsV2[] calldata params) external {
        _requireSender(avs);
        if (!_hasMetadata[avs]) revert NonexistentAVSMetadata();
        for (uint256 i = 0; i < params.length; ++i) {
            Set storage set = _sets[avs][params[i].operatorSetId];
            if (set.slasher != address(0) || params[i].slasher == address(0)) revert InvalidOperatorSet();
            set.slasher = params[i].slasher;
            set.strategies = params[i].strategies;
        }
    }

    function slashOperator(address avs, SlashingParams calldata params)
        external
        returns (uint256 slashId, uint256[] memory shares)
    {
        Set storage set = _sets[avs][params.operatorSetId];
        if (params.strategies.length != params.wadsToSlash.length) revert InputArrayLengthMismatch();
        if (set.slasher == address(0)) revert InvalidOperatorSet();
        if (!_isSlashable(params.operator, _key(avs, params.operatorSetId))) revert OperatorNotSlashable();
        if (msg.sender != set.slasher) revert InvalidCaller();
        slashId = ++_slashes[_key(avs, params.operatorSetId)];
        shares = new uint256[](params.strategies.length);
        for (uint256 i = 0; i < params.strategies.length; ++i) {
            if (i > 0 && params.strategies[i] <= params.strategies[i - 1]) revert StrategiesMustBeInAscendingOrder();
            if (params.wadsToSlash[i] == 0 || params.wadsToSlash[i] > WAD) revert InvalidWadToSlash();
            if (!_contains(set.strategies, params.strategies[i])) revert StrategyNotInOperatorSet();
            Allocation storage one =
                _allocations[_key(avs, params.operatorSetId)][params.operator][params.strategies[i]];
            _settle(one);
            shares[i] = (one.amount * params.wadsToSlash[i] + WAD - 1) / WAD;
            one.amount -= shares[i];
            one.pendingDecrease -= (one.pendingDecrease * params.wadsToSlash[i] + WAD - 1) / WAD;
        }
        emit OperatorSlashed(
            params.operator,
            OperatorSet(avs, params.operatorSetId),
            params.strategies,
            params.wadsToSlash,
            params.description
        );
    }

    // --- operators --------------------------------------------------------------------------------------------

    function registerForOperatorSets(address operator, RegisterParams calldata params) external {
        _requireSender(operator);
        for (uint256 i = 0; i < params.operatorSetIds.length; ++i) {
            bytes32 key = _key(params.avs, params.operatorSetIds[i]);
            if (_sets[params.avs][params.operatorSetIds[i]].slasher == address(0)) revert InvalidOperatorSet();
            if (_isSlashable(operator, key)) revert AlreadyMemberOfSet();
            _registrations[key][operator].registered = true;
        }
        registrarOf[params.avs].registerOperator(operator, params.avs, params.operatorSetIds, params.data);
    }

    function deregisterFromOperatorSets(DeregisterParams calldata params) external {
        if (msg.sender != params.operator && msg.sender != params.avs) revert InvalidCaller();
        for (uint256 i = 0; i < params.operatorSetIds.length; ++i) {
            Registration storage one = _registrations[_key(params.avs, params.operatorSetIds[i])][params.operator];
            if (!one.registered) revert NotMemberOfSet();
            one.registered = false;
            one.slashableUntil = block.number + DEALLOCATION_DELAY;
        }
        registrarOf[params.avs].deregisterOperator(params.operator, params.avs, params.operatorSetIds);
    }

    function allocate(address avs, uint32 id, address strategy, uint256 amount) external {
        Allocation storage one = _allocations[_key(avs, id)][msg.sender][strategy];
        _settle(one);
        one.amount += amount;
    }

    function deallocate(address avs, uint32 id, address strategy, uint256 amount) external {
        Allocation storage one = _allocations[_key(avs, id)][msg.sender][strategy];
        _settle(one);
        one.pendingDecrease += amount;
        one.effectBlock = block.number + DEALLOCATION_DELAY + 1;
    }

    // --- delegation -------------------------------------------------------------------------------------------

    /// @notice What the DelegationManager would have of a staker, in one call.
    function delegate(address operator, address strategy, uint256 shares) external {
        delegatedTo[msg.sender] = operator;
        _shares[msg.sender][strategy] += shares;
        _operatorShares[operator][strategy] += shares;
    }

    function delegation() external view returns (IDelegationManager) {
        return IDelegationManager(address(this));
    }

    function getOperatorShares(address operator, address[] calldata strategies)
        external
        view
        returns (uint256[] memory shares)
    {
        shares = new uint256[](strategies.length);
        for (uint256 i = 0; i < strategies.length; ++i) {
            shares[i] = _operatorShares[operator][strategies[i]];
        }
    }

    function getWithdrawableShares(address staker, address[] calldata strategies)
        external
        view
        returns (uint256[] memory withdrawable, uint256[] memory deposited)
    {
        withdrawable = new uint256[](strategies.length);
        for (uint256 i = 0; i < strategies.length; ++i) {
            withdrawable[i] = _shares[staker][strategies[i]];
        }
        deposited = withdrawable;
    }

    // --- views ------------------------------------------------------------------------------------------------

    function getMinimumSlashableStake(
        OperatorSet calldata set,
        address[] calldata operators,
        address[] calldata strategies,
        uint32 futureBlock
    ) external view returns (uint256[][] memory stakes) {
        stakes = new uint256[][](operators.length);
        bytes32 key = _key(set.avs, set.id);
        for (uint256 i = 0; i < operators.length; ++i) {
            stakes[i] = new uint256[](strategies.length);
            if (!_isSlashable(operators[i], key)) continue;
            for (uint256 j = 0; j < strategies.length; ++j) {
                Allocation storage one = _allocations[key][operators[i]][strategies[j]];
                bool gone = one.pendingDecrease > 0 && one.effectBlock <= futureBlock;
                stakes[i][j] = gone ? one.amount - one.pendingDecrease : one.amount;
            }
        }
    }

    function isOperatorSlashable(address operator, OperatorSet calldata set) external view returns (bool) {
        return _isSlashable(operator, _key(set.avs, set.id));
    }

    function _isSlashable(address operator, bytes32 key) private view returns (bool) {
        Registration storage one = _registrations[key][operator];
        return one.registered || (one.slashableUntil != 0 && block.number <= one.slashableUntil);
    }

    function _settle(Allocation storage one) private {
        if (one.pendingDecrease > 0 && one.effectBlock <= block.number) {
            one.amount -= one.pendingDecrease;
            one.pendingDecrease = 0;
        }
    }

    function _requireSender(address expected) private view {
        if (msg.sender != expected) revert InvalidCaller();
    }

    function _contains(address[] storage list, address wanted) private view returns (bool) {
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i] == wanted) return true;
        }
        return false;
    }

    function _key(address avs, uint32 id) private pure returns (bytes32) {
        return keccak256(abi.encode(avs, id));
    }
}
