// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {EigenStakeAdapter} from "p2pavs/contracts/src/eigenlayer/EigenStakeAdapter.sol";
import {IAllocationManager} from "p2pavs/contracts/src/eigenlayer/IAllocationManager.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {IOperatorRegistry} from "p2pavs/contracts/src/interfaces/IOperatorRegistry.sol";
import {OperatorRegistry} from "p2pavs/contracts/src/OperatorRegistry.sol";
import {StakeSourceSuite} from "./StakeSourceSuite.sol";

/// @title What the adapter must do on any EigenLayer: our small AllocationManager, and EigenLayer's own contracts
/// (tests/outside/eigenlayer)
abstract contract RestakedSuite is StakeSourceSuite {
    IAllocationManager internal manager;
    EigenStakeAdapter internal adapter;
    OperatorRegistry internal registry;
    address internal first; // the strategies, ascending
    address internal second;
    uint32 internal constant HORIZON = 50_000;

    /// @dev Makes `account` an operator with `amount` more of its own in `strategy`, all of which is slashable for our set.
    function _allocate(address account, address strategy, uint256 amount) internal virtual;
    /// @dev Registers for our set, with `data` for the registrar.
    function _register(address account, bytes memory data) internal virtual;
    /// @dev Takes `amount` of 4 ether in the first strategy out of what is allocated to our set.
    function _deallocate(address account, uint256 amount) internal virtual;
    /// @dev Makes `staker` a delegator with this many shares in the first strategy.
    function _delegate(address staker, address operator, uint256 shares) internal virtual;

    function _begin() internal {
        registry = new OperatorRegistry(1 days, address(0));
        adapter = _adapter(registry, address(this));
        adapter.setUp("https://example.org/avs.json");
        source = adapter;
    }

    function _adapter(IOperatorRegistry registry_, address slasher) internal returns (EigenStakeAdapter) {
        address[] memory strategies = new address[](2);
        (strategies[0], strategies[1]) = (first, second);
        address implementation =
            address(new EigenStakeAdapter(manager, registry_, slasher, MINIMUM, HORIZON, 12));
        bytes memory begin = abi.encodeCall(EigenStakeAdapter.initialize, (address(this), strategies));
        return EigenStakeAdapter(address(new ERC1967Proxy(implementation, begin)));
    }

    function _ids() internal pure returns (uint32[] memory ids) {
        ids = new uint32[](1);
    }

    function _join(address account, uint256 amount) internal override {
        _allocate(account, first, amount);
        _register(account, "");
    }

    function _askBack(address account, uint256 amount) internal override {
        _deallocate(account, amount);
    }

    function _leave(address account) internal {
        vm.prank(account);
        manager.deregisterFromOperatorSets(
            IAllocationManager.DeregisterParams(account, address(adapter), _ids())
        );
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
        _allocate(who(1), second, 3 ether);
        assertEq(source.stakeOf(who(1)), 5 ether, "sum");
        source.slash(who(1), 1e17, "a tenth of each");
        assertEq(source.stakeOf(who(1)), 4.5 ether, "left");
    }

    function test_leaving_works_even_where_the_registry_refuses() external {
        _join(who(1), 2 ether);
        _leave(who(1));
        assertTrue(!isMember(who(1)), "out");
        assertEq(source.stakeOf(who(1)), 2 ether, "slashable all the same");
        source.slash(who(1), 1e18, "late, and in time");
        _passUnbonding();
        assertEq(source.slashableUntil(who(1)), 0, "over");
        vm.expectRevert(abi.encodeWithSelector(EigenStakeAdapter.NotSlashable.selector, who(1)));
        source.slash(who(1), 1e18, "too late");
    }

    function test_the_last_block_of_the_delay_still_counts() external {
        _join(who(1), 4 ether);
        _leave(who(1));
        vm.roll(block.number + manager.DEALLOCATION_DELAY());
        source.slash(who(1), 1e17, "in the last block");
        vm.roll(block.number + 1);
        vm.expectRevert(abi.encodeWithSelector(EigenStakeAdapter.NotSlashable.selector, who(1)));
        source.slash(who(1), 1e17, "one too late");
    }

    function test_who_left_comes_back_after_the_delay() external {
        _join(who(1), 4 ether);
        _leave(who(1));
        _passUnbonding();
        _register(who(1), "");
        assertTrue(isMember(who(1)), "a member again");
        assertEq(source.stakeOf(who(1)), 4 ether, "with what is still allocated");
    }

    function test_what_is_slashed_in_part_is_slashed_again_after_an_ejection() external {
        _join(who(1), 4 ether);
        source.slash(who(1), 5e17, "half");
        source.eject(who(1));
        assertEq(source.stakeOf(who(1)), 2 ether, "half is left, out of the set");
        source.slash(who(1), 1e18, "a second offence");
        assertEq(source.stakeOf(who(1)), 0, "nothing is left");
        source.slash(who(1), 1e18, "a third one does not fail for want of stake");
    }

    function testFuzz_a_delegator_has_its_part_of_its_operators_stake(uint96 own, uint96 other) external {
        uint256 mine = bound(own, 1e9, 1000 ether);
        uint256 others = bound(other, 1e9, 1000 ether);
        _join(who(1), 8 ether);
        _delegate(who(5), who(1), mine);
        _delegate(who(6), who(1), others);
        uint256 all = manager.delegation().getOperatorShares(who(1), adapter.strategies())[0];
        uint256 stake = source.stakeOf(who(1));
        assertAbout(adapter.backingOf(who(5)), (stake * mine) / all, "its part");
        assertAbout(adapter.backingOf(who(6)), (stake * others) / all, "the other's");
        assertTrue(adapter.backingOf(who(5)) + adapter.backingOf(who(6)) <= stake, "no more than there is");
        source.slash(who(1), 5e17, "half");
        assertAbout(adapter.backingOf(who(5)), (stake / 2 * mine) / all, "its part of what is left");
        assertEq(adapter.backingOf(who(7)), 0, "who delegates to nobody");
        _delegate(who(7), _stranger(), mine);
        assertEq(adapter.backingOf(who(7)), 0, "who delegates to no member");
    }

    /// @dev An operator that has not joined our set.
    function _stranger() private returns (address stranger) {
        stranger = who(2);
        _allocate(stranger, second, 1 ether);
    }

    /// @dev But for the last digits, which round.
    function assertAbout(uint256 found, uint256 expected, string memory what) internal pure {
        uint256 difference = found > expected ? found - expected : expected - found;
        if (difference > 2 + expected / 1e12) revert NotEqual(what, found, expected);
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
        EigenStakeAdapter fresh = _adapter(IOperatorRegistry(address(1)), address(this));
        vm.expectRevert();
        vm.prank(who(1));
        fresh.setUp("not the owner");
    }
}
