// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {EigenStakeAdapter} from "p2pavs/contracts/src/eigenlayer/EigenStakeAdapter.sol";
import {
    IAllocationManager,
    IAVSRegistrar,
    IDelegationManager,
    OperatorSet
} from "p2pavs/contracts/src/eigenlayer/IAllocationManager.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {IOperatorRegistry} from "p2pavs/contracts/src/interfaces/IOperatorRegistry.sol";
import {IStakeSource} from "p2pavs/contracts/src/interfaces/IStakeSource.sol";
import {NativeStakeRegistry} from "p2pavs/contracts/src/NativeStakeRegistry.sol";
import {OperatorRegistry} from "p2pavs/contracts/src/OperatorRegistry.sol";
import {MockAllocationManager} from "./MockAllocationManager.sol";
import {ForgeTest} from "./Vm.sol";

/// @title What every stake source must do; this contract is the slasher
abstract contract StakeSourceSuite is ForgeTest {
    IStakeSource internal source;
    uint256 internal constant MINIMUM = 1 ether;

    function _join(address who, uint256 amount) internal virtual;
    function _askBack(address who, uint256 amount) internal virtual;
    function _passUnbonding() internal virtual;

    receive() external payable {}

    function who(uint256 i) internal pure returns (address) {
        return address(uint160(0x2000 + i));
    }

    function isMember(address account) internal view returns (bool found) {
        (address[] memory accounts, uint256[] memory stakes) = source.members();
        assertEq(accounts.length, stakes.length, "lengths");
        for (uint256 i = 0; i < accounts.length; ++i) {
            if (accounts[i] != account) continue;
            assertTrue(!found, "a member is listed once");
            assertEq(stakes[i], source.stakeOf(account), "the list says what stakeOf says");
            found = true;
        }
    }

    function test_members_and_their_stakes() external {
        for (uint256 i = 1; i <= 5; ++i) {
            _join(who(i), i * 1 ether);
        }
        (address[] memory accounts, uint256[] memory stakes) = source.members();
        assertEq(accounts.length, 5, "members");
        for (uint256 i = 0; i < 5; ++i) {
            assertTrue(accounts[i] == who(i + 1), "in the order in which they came");
            assertEq(stakes[i], (i + 1) * 1 ether, "stake");
        }
        assertTrue(!isMember(who(6)), "a stranger is none");
        assertEq(source.stakeOf(who(6)), 0, "a stranger has none");
        assertEq(source.minimumStake(), MINIMUM, "minimum");
    }

    function testFuzz_a_slash_takes_its_fraction(uint96 amount, uint64 wad) external {
        uint256 stake = bound(amount, MINIMUM, 1_000_000 ether);
        uint256 fraction = bound(wad, 1, 1e18);
        _join(who(1), stake);
        _join(who(2), MINIMUM);
        source.slash(who(1), fraction, "why");
        uint256 left = source.stakeOf(who(1));
        // Deposits round what is taken down, EigenLayer rounds it up.
        assertTrue(left == stake - (stake * fraction) / 1e18 || left == (stake * (1e18 - fraction)) / 1e18, "left");
        assertEq(source.stakeOf(who(2)), MINIMUM, "another one's");
        assertEq(source.lastSlashAt(), block.number, "noted");
    }

    function test_all_of_it_can_be_taken() external {
        _join(who(1), 7 ether);
        source.slash(who(1), 1e18, "why");
        assertEq(source.stakeOf(who(1)), 0, "nothing is left");
    }

    function test_three_slashes_in_a_row_take_of_what_is_left() external {
        _join(who(1), 8 ether);
        for (uint256 i = 0; i < 3; ++i) {
            source.slash(who(1), 5e17, "half");
        }
        assertEq(source.stakeOf(who(1)), 1 ether, "an eighth is left");
    }

    function test_fractions_that_are_none() external {
        _join(who(1), 2 ether);
        vm.expectRevert(abi.encodeWithSelector(IStakeSource.WrongFraction.selector, 0));
        source.slash(who(1), 0, "");
        vm.expectRevert(abi.encodeWithSelector(IStakeSource.WrongFraction.selector, 1e18 + 1));
        source.slash(who(1), 1e18 + 1, "");
    }

    function test_nobody_else_slashes_or_ejects() external {
        _join(who(1), 2 ether);
        bytes memory refusal =
            abi.encodeWithSelector(IStakeSource.NotTheSlasher.selector, who(1), address(this));
        vm.expectRevert(refusal);
        vm.prank(who(1));
        source.slash(who(1), 1, "");
        vm.expectRevert(refusal);
        vm.prank(who(1));
        source.eject(who(1));
    }

    function test_who_is_ejected_keeps_its_stake_and_is_no_member() external {
        _join(who(1), 2 ether);
        _join(who(2), 3 ether);
        _join(who(3), 4 ether);
        source.eject(who(2));
        assertTrue(!isMember(who(2)), "out");
        assertTrue(isMember(who(1)) && isMember(who(3)), "the others stay");
        assertEq(source.stakeOf(who(2)), 3 ether, "its own");
        assertEq(source.lastSlashAt(), block.number, "noted");
        source.eject(who(2)); // a second time does no harm
    }

    function test_what_is_asked_back_stays_slashable_until_the_delay_is_over() external {
        assertEq(source.slashableUntil(who(1)), 0, "a stranger");
        _join(who(1), 4 ether);
        assertEq(source.slashableUntil(who(1)), type(uint64).max, "a member");
        _askBack(who(1), 4 ether);
        assertTrue(source.slashableUntil(who(1)) >= block.timestamp, "on its way out");
        source.slash(who(1), 25e16, "a quarter");
        _afterQuarter(who(1));
    }

    /// @dev Checks that a quarter of 4 ether which were on their way out was taken.
    function _afterQuarter(address account) internal virtual;

    function test_the_delay_is_known() external view {
        assertTrue(source.unbondingDelay() > 0, "delay");
    }
}

/// @title Native stake
contract NativeStakeTest is StakeSourceSuite {
    NativeStakeRegistry private stakes;

    function setUp() external {
        stakes = new NativeStakeRegistry(MINIMUM, 14 days, address(this));
        source = stakes;
    }

    function _join(address account, uint256 amount) internal override {
        vm.deal(account, amount);
        vm.prank(account);
        stakes.deposit{value: amount}();
    }

    function _askBack(address account, uint256 amount) internal override {
        vm.prank(account);
        stakes.requestWithdrawal(amount);
    }

    function _passUnbonding() internal override {
        vm.warp(block.timestamp + 14 days);
    }

    function _afterQuarter(address account) internal override {
        _passUnbonding();
        vm.prank(account);
        stakes.withdraw();
        assertEq(account.balance, 3 ether, "three quarters came back");
        assertEq(address(this).balance, type(uint96).max + uint256(1 ether), "a quarter came here");
    }

    constructor() {
        vm.deal(address(this), type(uint96).max);
    }

    function test_below_the_minimum_is_no_member() external {
        _join(who(1), 2 ether);
        source.slash(who(1), 6e17, "");
        assertTrue(!isMember(who(1)), "0.8 ether are too few");
    }
}

/// @title Stake restaked in EigenLayer
contract EigenStakeTest is StakeSourceSuite {
    MockAllocationManager private manager;
    EigenStakeAdapter private adapter;
    address private constant FIRST = address(0xA1);
    address private constant SECOND = address(0xB2);
    uint32 private constant HORIZON = 50_000;

    function setUp() external {
        vm.roll(1_000_000);
        manager = new MockAllocationManager();
        OperatorRegistry registry = new OperatorRegistry(1 days, address(0));
        adapter = _adapter(registry);
        adapter.setUp("https://example.org/avs.json");
        source = adapter;
    }

    function _adapter(IOperatorRegistry registry) private returns (EigenStakeAdapter) {
        address[] memory strategies = new address[](2);
        (strategies[0], strategies[1]) = (FIRST, SECOND);
        address implementation = address(
            new EigenStakeAdapter(IAllocationManager(address(manager)), registry, address(this), MINIMUM, HORIZON, 12)
        );
        bytes memory begin = abi.encodeCall(EigenStakeAdapter.initialize, (address(this), strategies));
        return EigenStakeAdapter(address(new ERC1967Proxy(implementation, begin)));
    }

    function _ids() private pure returns (uint32[] memory ids) {
        ids = new uint32[](1);
    }

    function _join(address account, uint256 amount) internal override {
        vm.startPrank(account);
        manager.allocate(address(adapter), 0, FIRST, amount);
        manager.registerForOperatorSets(
            account, MockAllocationManager.RegisterParams(address(adapter), _ids(), "")
        );
        vm.stopPrank();
    }

    function _askBack(address account, uint256 amount) internal override {
        vm.prank(account);
        manager.deallocate(address(adapter), 0, FIRST, amount);
    }

    function _passUnbonding() internal override {
        vm.roll(block.number + manager.DEALLOCATION_DELAY() + 1);
    }

    function _afterQuarter(address account) internal view override {
        // Beyond the horizon what leaves still counts: it can be slashed for as long as anything can be disputed.
        assertEq(source.stakeOf(account), 3 ether, "three quarters are left");
    }

    function test_what_leaves_within_the_horizon_counts_no_more() external {
        _join(who(1), 4 ether);
        _askBack(who(1), 1 ether);
        assertEq(source.stakeOf(who(1)), 4 ether, "still there at the horizon");
        vm.roll(block.number + manager.DEALLOCATION_DELAY() + 1 - HORIZON);
        assertEq(source.stakeOf(who(1)), 3 ether, "gone before the horizon");
    }

    function test_all_strategies_count() external {
        _join(who(1), 2 ether);
        vm.prank(who(1));
        manager.allocate(address(adapter), 0, SECOND, 3 ether);
        assertEq(source.stakeOf(who(1)), 5 ether, "sum");
        source.slash(who(1), 1e17, "a tenth of each");
        assertEq(source.stakeOf(who(1)), 4.5 ether, "left");
    }

    function test_leaving_works_even_where_the_registry_refuses() external {
        _join(who(1), 2 ether);
        IAllocationManager.DeregisterParams memory params =
            IAllocationManager.DeregisterParams(who(1), address(adapter), _ids());
        vm.prank(who(1));
        manager.deregisterFromOperatorSets(params);
        assertTrue(!isMember(who(1)), "out");
        assertEq(source.stakeOf(who(1)), 2 ether, "slashable all the same");
        source.slash(who(1), 1e18, "late, and in time");
        _passUnbonding();
        assertEq(source.slashableUntil(who(1)), 0, "over");
        vm.expectRevert(abi.encodeWithSelector(EigenStakeAdapter.NotSlashable.selector, who(1)));
        source.slash(who(1), 1e18, "too late");
    }

    function testFuzz_a_delegator_has_its_part_of_its_operators_stake(uint96 own, uint96 other) external {
        uint256 mine = bound(own, 1, 1000 ether);
        uint256 others = bound(other, 1, 1000 ether);
        _join(who(1), 8 ether);
        vm.prank(who(5));
        manager.delegate(who(1), FIRST, mine);
        vm.prank(who(6));
        manager.delegate(who(1), FIRST, others);
        assertEq(adapter.backingOf(who(5)), (8 ether * mine) / (mine + others), "its part");
        assertTrue(adapter.backingOf(who(5)) + adapter.backingOf(who(6)) <= 8 ether, "no more than there is");
        assertEq(adapter.backingOf(who(7)), 0, "who delegates to nobody");
        vm.prank(who(7));
        manager.delegate(who(2), FIRST, mine);
        assertEq(adapter.backingOf(who(7)), 0, "who delegates to no member");
    }

    function test_the_last_block_of_the_delay_still_counts() external {
        _join(who(1), 4 ether);
        vm.prank(who(1));
        manager.deregisterFromOperatorSets(
            IAllocationManager.DeregisterParams(who(1), address(adapter), _ids())
        );
        vm.roll(block.number + manager.DEALLOCATION_DELAY());
        source.slash(who(1), 1e17, "in the last block");
        vm.roll(block.number + 1);
        vm.expectRevert(abi.encodeWithSelector(EigenStakeAdapter.NotSlashable.selector, who(1)));
        source.slash(who(1), 1e17, "one too late");
    }

    /// What we call and what calls us has the selectors of EigenLayer's contracts, written down here from their source.
    function test_selectors_are_eigenlayers() external pure {
        assertSelector(IAllocationManager.slashOperator.selector, "slashOperator(address,(address,uint32,address[],uint256[],string))");
        assertSelector(IAllocationManager.createOperatorSets.selector, "createOperatorSets(address,(uint32,address[],address)[])");
        assertSelector(IAllocationManager.deregisterFromOperatorSets.selector, "deregisterFromOperatorSets((address,address,uint32[]))");
        assertSelector(IAllocationManager.updateAVSMetadataURI.selector, "updateAVSMetadataURI(address,string)");
        assertSelector(IAllocationManager.setAVSRegistrar.selector, "setAVSRegistrar(address,address)");
        assertSelector(IAllocationManager.getMinimumSlashableStake.selector, "getMinimumSlashableStake((address,uint32),address[],address[],uint32)");
        assertSelector(IAllocationManager.isOperatorSlashable.selector, "isOperatorSlashable(address,(address,uint32))");
        assertSelector(IAllocationManager.delegation.selector, "delegation()");
        assertSelector(IDelegationManager.delegatedTo.selector, "delegatedTo(address)");
        assertSelector(IDelegationManager.getOperatorShares.selector, "getOperatorShares(address,address[])");
        assertSelector(IDelegationManager.getWithdrawableShares.selector, "getWithdrawableShares(address,address[])");
        assertSelector(IAllocationManager.DEALLOCATION_DELAY.selector, "DEALLOCATION_DELAY()");
        assertSelector(MockAllocationManager.registerForOperatorSets.selector, "registerForOperatorSets(address,(address,uint32[],bytes))");
        assertSelector(IAVSRegistrar.registerOperator.selector, "registerOperator(address,address,uint32[],bytes)");
        assertSelector(IAVSRegistrar.deregisterOperator.selector, "deregisterOperator(address,address,uint32[])");
        assertSelector(IAVSRegistrar.supportsAVS.selector, "supportsAVS(address)");
    }

    function assertSelector(bytes4 found, string memory signature) private pure {
        assertTrue(found == bytes4(keccak256(bytes(signature))), signature);
    }

    function testFuzz_leaving_never_reverts(address avs, address account, uint32[] calldata ids) external {
        vm.prank(address(manager));
        adapter.deregisterOperator(account, avs, ids);
    }

    function test_only_the_allocation_manager_registers() external {
        bytes memory refusal = abi.encodeWithSelector(
            EigenStakeAdapter.NotTheAllocationManager.selector, address(this), address(manager)
        );
        vm.expectRevert(refusal);
        adapter.registerOperator(who(1), address(adapter), _ids(), "");
        vm.expectRevert(refusal);
        adapter.deregisterOperator(who(1), address(adapter), _ids());
    }

    function test_other_sets_are_refused() external {
        uint32[] memory other = new uint32[](1);
        other[0] = 1;
        bytes memory refusal = abi.encodeWithSelector(EigenStakeAdapter.NotOurSet.selector, address(adapter));
        vm.startPrank(address(manager));
        vm.expectRevert(refusal);
        adapter.registerOperator(who(1), address(adapter), other, "");
        vm.expectRevert(refusal);
        adapter.registerOperator(who(1), address(adapter), new uint32[](2), "");
        vm.expectRevert(abi.encodeWithSelector(EigenStakeAdapter.NotOurSet.selector, who(2)));
        adapter.registerOperator(who(1), who(2), _ids(), "");
        vm.stopPrank();
        assertTrue(adapter.supportsAVS(address(adapter)) && !adapter.supportsAVS(who(1)), "ours alone");
    }

    function test_it_is_set_up_once_by_its_owner() external {
        vm.expectRevert(EigenStakeAdapter.AlreadySetUp.selector);
        adapter.setUp("again");
        EigenStakeAdapter fresh = _adapter(IOperatorRegistry(address(1)));
        vm.expectRevert();
        vm.prank(who(1));
        fresh.setUp("not the owner");
    }
}
