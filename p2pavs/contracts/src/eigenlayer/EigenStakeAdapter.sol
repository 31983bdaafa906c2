// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IOperatorRegistry} from "../interfaces/IOperatorRegistry.sol";
import {IStakeSource} from "../interfaces/IStakeSource.sol";
import {Owned} from "../Owned.sol";
import {IAllocationManager, IAVSRegistrar, IDelegationManager, OperatorSet} from "./IAllocationManager.sol";

/// @title Stake that is restaked in EigenLayer
/// @notice One contract is AVS, registrar and slasher. Operators join the operator set in EigenLayer, with their
/// consensus key, its proof and their peer id in `data`; what they have allocated to the set, and cannot take
/// away before the sets that count it have run out, is their stake. A slash is EigenLayer's, and so are
/// the coins: none of them pass through here.
/// @dev `deregisterOperator` must never revert, or an operator could not leave. The contract stands behind a proxy, since
/// EigenLayer knows the AVS by this address for good.
contract EigenStakeAdapter is IStakeSource, IAVSRegistrar, Owned {
    error ZeroAddress();
    error NotTheAllocationManager(address sender, address allocationManager);
    error NotOurSet(address avs);
    error WrongStrategies();
    error BelowMinimum(uint256 stake, uint256 minimum);
    error AlreadySetUp();
    error SetFull(uint256 stake, uint256 leastMember);
    error NotSlashable(address account);

    uint32 public constant SET_ID = 0;
    uint256 public constant MAX_MEMBERS = 256;
    uint256 private constant WHOLE = 1e18;
    /// What `exitFor` needs; if less is left, the registry keeps an operator that is no member, which harms nobody.
    uint256 private constant EXIT_GAS = 150_000;

    IAllocationManager public immutable allocationManager;
    IOperatorRegistry public immutable operators;
    address public immutable slasher;
    /// @inheritdoc IStakeSource
    uint256 public immutable minimumStake;
    /// Blocks from a snapshot until nothing that it counts can be disputed any more.
    uint32 public immutable horizon;
    /// Seconds between two blocks of the chain, at least.
    uint32 public immutable blockSeconds;

    bool public isSetUp;
    /// @inheritdoc IStakeSource
    uint64 public lastSlashAt;
    address[] private _strategies;
    address[] private _members;
    mapping(address account => uint256) private _placePlusOne;

    constructor(
        IAllocationManager allocationManager_,
        IOperatorRegistry operators_,
        address slasher_,
        uint256 minimumStake_,
        uint32 horizon_,
        uint32 blockSeconds_
    ) {
        if (address(allocationManager_) == address(0) || address(operators_) == address(0)) revert ZeroAddress();
        if (slasher_ == address(0)) revert ZeroAddress();
        if (minimumStake_ == 0) revert BelowMinimum(0, 1);
        (allocationManager, operators, slasher) = (allocationManager_, operators_, slasher_);
        (minimumStake, horizon, blockSeconds) = (minimumStake_, horizon_, blockSeconds_);
        _lock();
    }

    /// @notice Begins the life of an adapter. Once, by the proxy's constructor.
    /// @param strategies_ Whose shares count, wei for wei; ascending.
    function initialize(address owner_, address[] calldata strategies_) external {
        _setFirstOwner(owner_);
        if (strategies_.length == 0) revert WrongStrategies();
        for (uint256 i = 1; i < strategies_.length; ++i) {
            if (strategies_[i] <= strategies_[i - 1]) revert WrongStrategies();
        }
        _strategies = strategies_;
    }

    modifier onlySlasher() {
        if (msg.sender != slasher) revert NotTheSlasher(msg.sender, slasher);
        _;
    }

    modifier onlyAllocationManager() {
        if (msg.sender != address(allocationManager)) {
            revert NotTheAllocationManager(msg.sender, address(allocationManager));
        }
        _;
    }

    /// @notice Makes this contract an AVS with its operator set. Once, in the order that EigenLayer asks for.
    function setUp(string calldata metadataUri) external onlyOwner {
        if (isSetUp) revert AlreadySetUp();
        isSetUp = true;
        allocationManager.updateAVSMetadataURI(address(this), metadataUri);
        allocationManager.setAVSRegistrar(address(this), address(this));
        IAllocationManager.CreateSetParamsV2[] memory sets = new IAllocationManager.CreateSetParamsV2[](1);
        sets[0] = IAllocationManager.CreateSetParamsV2(SET_ID, _strategies, address(this));
        allocationManager.createOperatorSets(address(this), sets);
    }

    // --- what EigenLayer calls --------------------------------------------------------------------------------

    /// @inheritdoc IAVSRegistrar
    /// @param data abi.encode(publicKey, proofOfPossession, peerId), as `OperatorRegistry.register` takes them. Empty
    /// for an operator that is registered there already.
    function registerOperator(address operator, address avs, uint32[] calldata ids, bytes calldata data)
        external
        onlyAllocationManager
    {
        if (avs != address(this) || ids.length != 1 || ids[0] != SET_ID) revert NotOurSet(avs);
        if (data.length > 0) {
            (bytes memory key, bytes memory proof, bytes memory peerId) = abi.decode(data, (bytes, bytes, bytes));
            operators.registerFor(operator, key, proof, peerId);
        }
        if (_placePlusOne[operator] != 0) return;
        if (_members.length == MAX_MEMBERS) _makeRoom(operator);
        _members.push(operator);
        _placePlusOne[operator] = _members.length;
        emit MemberJoined(operator);
    }

    /// @inheritdoc IAVSRegistrar
    function deregisterOperator(address operator, address avs, uint32[] calldata) external onlyAllocationManager {
        if (avs != address(this)) return;
        _leave(operator);
        // It may have left the registry by itself, so what this answers is of no interest.
        if (gasleft() > EXIT_GAS) {
            try operators.exitFor{gas: EXIT_GAS / 2}(operator) {} catch {}
        }
    }

    /// @inheritdoc IAVSRegistrar
    function supportsAVS(address avs) external view returns (bool) {
        return avs == address(this);
    }

    // --- what our contracts call ------------------------------------------------------------------------------

    /// @inheritdoc IStakeSource
    function members() external view returns (address[] memory accounts, uint256[] memory stakes) {
        accounts = _members;
        stakes = _stakesOf(accounts);
    }

    /// @inheritdoc IStakeSource
    function stakeOf(address account) public view returns (uint256) {
        address[] memory accounts = new address[](1);
        accounts[0] = account;
        return _stakesOf(accounts)[0];
    }

    /// @inheritdoc IStakeSource
    /// @dev A delegator's part of its operator's stake. An operator's own part is what it deposited itself.
    function backingOf(address account) external view returns (uint256 backing) {
        IDelegationManager delegation = allocationManager.delegation();
        address operator = delegation.delegatedTo(account);
        if (_placePlusOne[operator] == 0) return 0;
        address[] memory strategies_ = _strategies;
        uint256[] memory stakes = _stakesIn(strategies_, operator);
        uint256[] memory whole = delegation.getOperatorShares(operator, strategies_);
        (uint256[] memory part,) = delegation.getWithdrawableShares(account, strategies_);
        for (uint256 i = 0; i < strategies_.length; ++i) {
            if (whole[i] == 0) continue;
            backing += part[i] < whole[i] ? (stakes[i] * part[i]) / whole[i] : stakes[i];
        }
    }

    /// @inheritdoc IStakeSource
    function slash(address account, uint256 wad, string calldata reason) external onlySlasher returns (uint256) {
        if (wad == 0 || wad > WHOLE) revert WrongFraction(wad);
        if (!allocationManager.isOperatorSlashable(account, _set())) revert NotSlashable(account);
        uint256[] memory wads = new uint256[](_strategies.length);
        for (uint256 i = 0; i < wads.length; ++i) {
            wads[i] = wad;
        }
        (, uint256[] memory taken) = allocationManager.slashOperator(
            address(this), IAllocationManager.SlashingParams(account, SET_ID, _strategies, wads, reason)
        );
        // Of who has nothing allocated nothing is taken, and no set counts it.
        for (uint256 i = 0; i < taken.length; ++i) {
            if (taken[i] != 0) lastSlashAt = uint64(block.number);
        }
        emit StakeSlashed(account, wad, 0, reason);
        return 0;
    }

    /// @inheritdoc IStakeSource
    function eject(address account) external onlySlasher {
        lastSlashAt = uint64(block.number);
        if (_placePlusOne[account] == 0) return;
        uint32[] memory ids = new uint32[](1);
        ids[0] = SET_ID;
        allocationManager.deregisterFromOperatorSets(
            IAllocationManager.DeregisterParams(account, address(this), ids)
        );
    }

    /// @inheritdoc IStakeSource
    function slashableUntil(address account) external view returns (uint64) {
        if (!allocationManager.isOperatorSlashable(account, _set())) return 0;
        // EigenLayer does not say since when it has left: at least until now.
        return _placePlusOne[account] != 0 ? type(uint64).max : uint64(block.timestamp);
    }

    /// @inheritdoc IStakeSource
    function unbondingDelay() external view returns (uint64) {
        return uint64(allocationManager.DEALLOCATION_DELAY()) * blockSeconds;
    }

    function isMember(address account) external view returns (bool) {
        return _placePlusOne[account] != 0;
    }

    function strategies() external view returns (address[] memory) {
        return _strategies;
    }

    // --- internals --------------------------------------------------------------------------------------------

    function _set() private view returns (OperatorSet memory) {
        return OperatorSet(address(this), SET_ID);
    }

    /// @dev What stays slashable until the horizon, summed over the strategies.
    function _stakesOf(address[] memory accounts) private view returns (uint256[] memory stakes) {
        stakes = new uint256[](accounts.length);
        if (accounts.length == 0) return stakes;
        uint256[][] memory found = allocationManager.getMinimumSlashableStake(
            _set(), accounts, _strategies, uint32(block.number) + horizon
        );
        for (uint256 i = 0; i < accounts.length; ++i) {
            for (uint256 j = 0; j < found[i].length; ++j) {
                stakes[i] += found[i][j];
            }
        }
    }

    function _stakesIn(address[] memory strategies_, address operator) private view returns (uint256[] memory) {
        address[] memory accounts = new address[](1);
        accounts[0] = operator;
        return allocationManager.getMinimumSlashableStake(
            _set(), accounts, strategies_, uint32(block.number) + horizon
        )[0];
    }

    /// @dev The member with the least stake gives way to a newcomer with more. It stays in EigenLayer's set.
    function _makeRoom(address newcomer) private {
        address[] memory accounts = _members;
        uint256[] memory stakes = _stakesOf(accounts);
        uint256 weakest;
        for (uint256 i = 1; i < stakes.length; ++i) {
            if (stakes[i] < stakes[weakest]) weakest = i;
        }
        uint256 stake = stakeOf(newcomer);
        if (stake <= stakes[weakest]) revert SetFull(stake, stakes[weakest]);
        _leave(accounts[weakest]);
    }

    function _leave(address member) private {
        uint256 place = _placePlusOne[member];
        if (place == 0) return;
        address last = _members[_members.length - 1];
        _members[place - 1] = last;
        _placePlusOne[last] = place;
        _members.pop();
        _placePlusOne[member] = 0;
        emit MemberLeft(member);
    }
}
