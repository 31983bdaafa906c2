// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {OperatorSet} from "p2pavs/contracts/src/eigenlayer/IAllocationManager.sol";
import {ForgeTest} from "tests/forge/Vm.sol";
import {Coin} from "./Coin.sol";

/// @title What operators and stakers call in EigenLayer, by its public signatures
interface IAllocations {
    struct AllocateParams {
        OperatorSet operatorSet;
        address[] strategies;
        uint64[] newMagnitudes;
    }

    struct RegisterParams {
        address avs;
        uint32[] operatorSetIds;
        bytes data;
    }

    function initialize(uint256 paused) external;
    function modifyAllocations(address operator, AllocateParams[] calldata params) external;
    function registerForOperatorSets(address operator, RegisterParams calldata params) external;
    function setAllocationDelay(address operator, uint32 delay) external;
    function getSlasher(OperatorSet calldata set) external view returns (address);
    function getSlashCount(OperatorSet calldata set) external view returns (uint256);
    function getMembers(OperatorSet calldata set) external view returns (address[] memory);
    function isMemberOfOperatorSet(address operator, OperatorSet calldata set) external view returns (bool);
}

interface IDelegations {
    struct Signature {
        bytes signature;
        uint256 expiry;
    }

    struct QueuedWithdrawal {
        address[] strategies;
        uint256[] depositShares;
        address withdrawer; // without meaning since slashing came
    }

    function initialize(uint256 paused) external;
    function registerAsOperator(address approver, uint32 allocationDelay, string calldata uri) external;
    function isOperator(address account) external view returns (bool);
    function delegateTo(address operator, Signature calldata approval, bytes32 salt) external;
    function queueWithdrawals(QueuedWithdrawal[] calldata params) external returns (bytes32[] memory);
    function undelegate(address staker) external returns (bytes32[] memory);
}

interface IDeposits {
    function initialize(address owner, address whitelister, uint256 paused) external;
    function addStrategiesToDepositWhitelist(address[] calldata strategies) external;
    function depositIntoStrategy(address strategy, address token, uint256 amount) external returns (uint256 shares);
    function clearBurnOrRedistributableShares(OperatorSet calldata set, uint256 slashId)
        external
        returns (uint256[] memory);
}

interface IStrategy {
    function initialize(address token) external;
}

interface IPausableCore {
    function pauseAll() external;
    function unpause(uint256 paused) external;
}

contract Empty {}

/// @title EigenLayer's core: its own compiled contracts, behind proxies, wired as it is on a chain
abstract contract Core is ForgeTest {
    // As on mainnet (their docs/core/AllocationManager.md).
    uint32 internal constant DEALLOCATION_BLOCKS = 100_800;
    uint32 internal constant ALLOCATION_CONFIGURATION_BLOCKS = 126_000;
    uint256 private constant NOTHING_PAUSED = 0;
    bytes32 private constant IMPLEMENTATION_SLOT = bytes32(uint256(keccak256("eip1967.proxy.implementation")) - 1);

    IAllocations internal allocations;
    IDelegations internal delegations;
    IDeposits internal deposits;
    IPausableCore internal pausing;
    mapping(address strategy => Coin) internal coinOf;
    address private _pausers;

    function _deployCore() internal {
        address permissions = _proxy();
        (allocations, delegations) = (IAllocations(_proxy()), IDelegations(_proxy()));
        deposits = IDeposits(_proxy());
        address pods = _proxy();
        pausing = IPausableCore(address(allocations));
        address[] memory pausers = new address[](1);
        pausers[0] = address(this);
        _pausers = _create("PauserRegistry", abi.encode(pausers, address(this)));

        _put(permissions, _create("PermissionController", ""));
        address noStrategy = address(0xE1); // EIGEN's, which is not redistributed
        address view_ = _create(
            "AllocationManagerView",
            abi.encode(delegations, noStrategy, DEALLOCATION_BLOCKS, ALLOCATION_CONFIGURATION_BLOCKS)
        );
        _put(
            address(allocations),
            _create(
                "AllocationManager",
                abi.encode(
                    view_,
                    delegations,
                    noStrategy,
                    _pausers,
                    permissions,
                    DEALLOCATION_BLOCKS,
                    ALLOCATION_CONFIGURATION_BLOCKS
                )
            )
        );
        _put(
            address(delegations),
            _create(
                "DelegationManager",
                abi.encode(deposits, pods, allocations, _pausers, permissions, DEALLOCATION_BLOCKS, "v1.9.0")
            )
        );
        _put(address(deposits), _create("StrategyManager", abi.encode(allocations, delegations, _pausers, "v1.9.0")));
        _put(pods, _create("EigenPodManager", abi.encode(address(0xE2), address(0xE3), delegations, _pausers)));
        allocations.initialize(NOTHING_PAUSED);
        delegations.initialize(NOTHING_PAUSED);
        deposits.initialize(address(this), address(this), NOTHING_PAUSED);
    }

    /// @dev A strategy over a coin of its own, in which anyone may deposit.
    function _strategy() internal returns (address strategy) {
        strategy = _proxy();
        _put(strategy, _create("StrategyBase", abi.encode(deposits, _pausers)));
        Coin coin = new Coin();
        IStrategy(strategy).initialize(address(coin));
        coinOf[strategy] = coin;
        address[] memory list = new address[](1);
        list[0] = strategy;
        deposits.addStrategiesToDepositWhitelist(list);
    }

    function _deposit(address staker, address strategy, uint256 amount) internal {
        Coin coin = coinOf[strategy];
        coin.mint(staker, amount);
        vm.startPrank(staker);
        coin.approve(address(deposits), amount);
        deposits.depositIntoStrategy(strategy, address(coin), amount);
        vm.stopPrank();
    }

    function _proxy() private returns (address) {
        return address(new ERC1967Proxy(address(new Empty()), ""));
    }

    function _put(address proxy, address implementation) private {
        vm.store(proxy, IMPLEMENTATION_SLOT, bytes32(uint256(uint160(implementation))));
    }

    function _create(string memory name, bytes memory arguments) private returns (address made) {
        string memory file = vm.readFile(string.concat("tests/outside/eigenlayer/.out/", name, ".json"));
        bytes memory code = abi.encodePacked(vm.parseJsonBytes(file, ".bytecode"), arguments);
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
        }
        assertTrue(made != address(0), name);
    }
}
