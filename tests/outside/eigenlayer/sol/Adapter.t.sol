// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {EigenStakeAdapter} from "p2pavs/contracts/src/eigenlayer/EigenStakeAdapter.sol";
import {IAllocationManager, OperatorSet} from "p2pavs/contracts/src/eigenlayer/IAllocationManager.sol";
import {IEvidenceVerifier} from "p2pavs/contracts/src/interfaces/IEvidenceVerifier.sol";
import {SlashingManager} from "p2pavs/contracts/src/slashing/SlashingManager.sol";
import {RestakedSuite} from "tests/forge/RestakedSuite.sol";
import {Core, IAllocations, IDelegations} from "./Core.sol";

/// @title Evidence that says by itself whom it accuses
contract Confession is IEvidenceVerifier {
    function check(bytes calldata evidence) external pure returns (address operator, uint256 first, uint256 last) {
        (operator, first) = abi.decode(evidence, (address, uint256));
        last = first;
    }
}

/// @title The adapter on EigenLayer's own contracts: the suite, and what only they have
contract AdapterOnEigenLayerTest is RestakedSuite, Core {
    uint64 private constant WHOLE = 1e18; // an operator's magnitude in a strategy, before it is slashed
    uint32 private constant DELAY = 7; // blocks from an allocation until it counts
    address private constant BURNT = 0x00000000000000000000000000000000000E16E4;

    function setUp() external {
        vm.roll(1_000_000);
        _deployCore();
        (first, second) = (_strategy(), _strategy());
        if (second < first) (first, second) = (second, first);
        manager = IAllocationManager(address(allocations));
        _begin();
    }

    function _set() private view returns (OperatorSet memory) {
        return OperatorSet(address(adapter), 0);
    }

    function _allocate(address account, address strategy, uint256 amount) internal override {
        if (!delegations.isOperator(account)) {
            vm.prank(account);
            delegations.registerAsOperator(address(0), DELAY, "https://example.org/operator.json");
        }
        _deposit(account, strategy, amount);
        _setMagnitude(account, strategy, WHOLE);
        vm.roll(block.number + DELAY);
    }

    function _register(address account, bytes memory data) internal override {
        vm.prank(account);
        allocations.registerForOperatorSets(
            account, IAllocations.RegisterParams(address(adapter), _ids(), data)
        );
    }

    function _deallocate(address account, uint256 amount) internal override {
        _setMagnitude(account, first, uint64((4 ether - amount) * WHOLE / 4 ether));
    }

    function _delegate(address staker, address operator, uint256 shares) internal override {
        _deposit(staker, first, shares);
        vm.prank(staker);
        delegations.delegateTo(operator, IDelegations.Signature("", 0), 0);
    }

    function _setMagnitude(address account, address strategy, uint64 magnitude) private {
        IAllocations.AllocateParams[] memory params = new IAllocations.AllocateParams[](1);
        params[0] = IAllocations.AllocateParams(_set(), new address[](1), new uint64[](1));
        (params[0].strategies[0], params[0].newMagnitudes[0]) = (strategy, magnitude);
        vm.prank(account);
        allocations.modifyAllocations(account, params);
    }

    function test_the_adapter_is_avs_registrar_and_slasher() external {
        assertTrue(allocations.getSlasher(_set()) == address(adapter), "slasher");
        assertEq(adapter.unbondingDelay(), uint64(DEALLOCATION_BLOCKS) * 12, "delay in seconds");
        _join(who(1), 2 ether);
        assertTrue(allocations.isMemberOfOperatorSet(who(1), _set()) && adapter.isMember(who(1)), "in both lists");
        source.eject(who(1));
        assertTrue(!allocations.isMemberOfOperatorSet(who(1), _set()) && !adapter.isMember(who(1)), "in neither");
    }

    function test_an_allocation_counts_when_its_delay_is_over() external {
        vm.prank(who(1));
        delegations.registerAsOperator(address(0), DELAY, "");
        _deposit(who(1), first, 2 ether);
        _setMagnitude(who(1), first, WHOLE);
        _register(who(1), "");
        vm.roll(block.number + DELAY - 1);
        assertEq(source.stakeOf(who(1)), 0, "a block too early");
        vm.roll(block.number + 1);
        assertEq(source.stakeOf(who(1)), 2 ether, "counts");
    }

    function test_what_is_allocated_to_others_does_not_count() external {
        _join(who(1), 4 ether);
        _deallocate(who(1), 3 ether);
        _passUnbonding();
        assertEq(source.stakeOf(who(1)), 1 ether, "a quarter is ours");
        source.slash(who(1), 5e17, "half of ours");
        assertAbout(source.stakeOf(who(1)), 0.5 ether, "an eighth is left");
    }

    function test_a_withdrawal_of_a_delegator_counts_no_more_and_is_slashed_all_the_same() external {
        _join(who(1), 4 ether);
        _delegate(who(5), who(1), 4 ether);
        assertEq(source.stakeOf(who(1)), 8 ether, "with the delegator's");
        vm.prank(who(5));
        delegations.undelegate(who(5));
        assertEq(source.stakeOf(who(1)), 4 ether, "without it");
        assertEq(adapter.backingOf(who(5)), 0, "it backs nobody");
        source.slash(who(1), 5e17, "half, of what waits to be withdrawn too");
        assertEq(source.stakeOf(who(1)), 2 ether, "half is left");
        deposits.clearBurnOrRedistributableShares(_set(), 1);
        assertEq(coinOf[first].balanceOf(BURNT), 4 ether, "half of 8");
    }

    function test_slashed_coins_are_burnt_and_none_come_to_us() external {
        _join(who(1), 4 ether);
        _allocate(who(1), second, 2 ether);
        source.slash(who(1), 25e16, "a quarter of each");
        assertEq(allocations.getSlashCount(_set()), 1, "one slash");
        deposits.clearBurnOrRedistributableShares(_set(), 1);
        assertEq(coinOf[first].balanceOf(BURNT), 1 ether, "burnt of the first");
        assertEq(coinOf[second].balanceOf(BURNT), 0.5 ether, "burnt of the second");
        assertEq(coinOf[first].balanceOf(address(adapter)) + coinOf[first].balanceOf(address(this)), 0, "ours");
    }

    function test_a_slash_waits_where_eigenlayer_is_paused() external {
        _join(who(1), 4 ether);
        pausing.pauseAll();
        vm.expectRevert();
        source.slash(who(1), 5e17, "not now");
        pausing.unpause(0);
        source.slash(who(1), 5e17, "now");
        assertEq(source.stakeOf(who(1)), 2 ether, "half");
    }

    function test_the_slashing_manager_slashes_and_ejects() external {
        Confession atOnce = new Confession();
        Confession later = new Confession();
        SlashingManager.Penalty[] memory penalties = new SlashingManager.Penalty[](2);
        penalties[0] = SlashingManager.Penalty(atOnce, SlashingManager.Class(1e18, false, true, false));
        penalties[1] = SlashingManager.Penalty(later, SlashingManager.Class(1e17, true, false, false));
        address expected = _next(2); // after the adapter's implementation and its proxy
        adapter = _adapter(registry, expected);
        adapter.setUp("https://example.org/avs.json");
        source = adapter;
        SlashingManager court = new SlashingManager(
            source,
            SlashingManager.Authority(address(this), address(this)),
            1_000,
            SlashingManager.Timing(1 days, 1 days, 1 days, 1 days),
            penalties
        );
        assertTrue(address(court) == expected, "its slasher");
        _join(who(1), 4 ether);
        _join(who(2), 4 ether);

        court.report(atOnce, abi.encode(who(1), 1));
        assertEq(source.stakeOf(who(1)), 0, "all of it");
        assertTrue(!allocations.isMemberOfOperatorSet(who(1), _set()), "and ejected");
        vm.expectRevert(abi.encodeWithSelector(SlashingManager.OffenceKnown.selector, atOnce, who(1), 1));
        court.report(atOnce, abi.encode(who(1), 1));

        bytes memory evidence = abi.encode(who(2), 2);
        uint256 id = court.report(later, evidence);
        _leave(who(2)); // it tries to get away
        vm.warp(block.timestamp + 1 days);
        vm.roll(block.number + 7_200);
        court.execute(id, evidence);
        assertEq(source.stakeOf(who(2)), 3.6 ether, "a tenth, on its way out");
        assertEq(court.balanceOf(address(this)), 0, "no coins, no bounty");
    }

    /// A snapshot reads what EigenLayer keeps of each operator: some 17,700 gas for each strategy.
    function test_reading_the_members_stays_affordable() external {
        for (uint256 i = 1; i <= 32; ++i) {
            _join(who(i), 1 ether);
        }
        vm.cool(address(manager));
        vm.cool(address(delegations));
        vm.cool(address(adapter));
        uint256 before = gasleft();
        source.members();
        uint256 used = before - gasleft();
        emit GasOfMembers(32, used);
        assertTrue(used < 32 * 40_000, "two strategies, 32 operators");
    }

    event GasOfMembers(uint256 operators, uint256 gas_);

    /// @dev The address of the contract that this one makes after `others` more.
    function _next(uint256 others) private view returns (address) {
        return vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + others);
    }
}
