// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IStakeSource} from "p2pavs/contracts/src/interfaces/IStakeSource.sol";
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

    /// Otherwise an offender with nothing to lose could make epochs due whenever it likes.
    function test_a_slash_that_takes_nothing_is_not_noted() external {
        _join(who(1), 2 ether);
        source.slash(who(1), 1e18, "all of it");
        uint64 noted = source.lastSlashAt();
        vm.roll(block.number + 1);
        source.slash(who(1), 1e18, "nothing is left");
        assertEq(source.lastSlashAt(), noted, "the first one");
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
