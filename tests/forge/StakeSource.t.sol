// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    IAllocationManager,
    IAVSRegistrar,
    IDelegationManager
} from "p2pavs/contracts/src/eigenlayer/IAllocationManager.sol";
import {EigenStakeAdapter} from "p2pavs/contracts/src/eigenlayer/EigenStakeAdapter.sol";
import {NativeStakeRegistry} from "p2pavs/contracts/src/NativeStakeRegistry.sol";
import {MockAllocationManager} from "./MockAllocationManager.sol";
import {RestakedSuite} from "./RestakedSuite.sol";
import {StakeSourceSuite} from "./StakeSourceSuite.sol";

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

    function test_a_slash_of_less_than_a_member_has_is_not_noted() external {
        _join(who(1), MINIMUM - 1);
        source.slash(who(1), 1e18, "");
        assertEq(source.stakeOf(who(1)), 0, "it is taken");
        assertEq(source.lastSlashAt(), 0, "no set counted it");
    }

    function test_a_slash_of_a_member_on_its_way_out_is_noted() external {
        _join(who(1), 2 ether);
        _askBack(who(1), 2 ether);
        source.slash(who(1), 1e16, "");
        assertEq(source.lastSlashAt(), block.number, "a set may count it still");
    }
}

/// @title Stake restaked in our small AllocationManager
contract EigenStakeTest is RestakedSuite {
    MockAllocationManager private mock;

    function setUp() external {
        vm.roll(1_000_000);
        mock = new MockAllocationManager();
        manager = mock;
        (first, second) = (address(0xA1), address(0xB2));
        _begin();
    }

    function _allocate(address account, address strategy, uint256 amount) internal override {
        vm.prank(account);
        mock.allocate(address(adapter), 0, strategy, amount);
    }

    function _register(address account, bytes memory data) internal override {
        vm.prank(account);
        mock.registerForOperatorSets(
            account, MockAllocationManager.RegisterParams(address(adapter), _ids(), data)
        );
    }

    function _deallocate(address account, uint256 amount) internal override {
        vm.prank(account);
        mock.deallocate(address(adapter), 0, first, amount);
    }

    function _delegate(address staker, address operator, uint256 shares) internal override {
        vm.prank(staker);
        mock.delegate(operator, first, shares);
    }

    /// Whoever registers without stake takes a place only while nobody with some needs it.
    function test_a_full_set_keeps_those_with_most_stake() external {
        _register(who(0), "");
        for (uint256 i = 1; i < adapter.MAX_MEMBERS(); ++i) {
            _join(who(i), 2 ether);
        }
        assertTrue(adapter.isMember(who(0)), "there is room");
        address poor = who(1000);
        vm.expectRevert(abi.encodeWithSelector(EigenStakeAdapter.SetFull.selector, 0, 0));
        _register(poor, "");
        _join(who(1001), 1 ether);
        assertTrue(adapter.isMember(who(1001)) && !adapter.isMember(who(0)), "in the place of the one without");
        _allocate(poor, first, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(EigenStakeAdapter.SetFull.selector, 1 ether, 1 ether));
        _register(poor, "");
        (address[] memory accounts,) = adapter.members();
        assertEq(accounts.length, adapter.MAX_MEMBERS(), "as many as there can be");
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
}
